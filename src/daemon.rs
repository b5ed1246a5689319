//! The composition root. See ARCHITECTURE.md.
