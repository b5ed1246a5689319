//! Ordered stop. See ARCHITECTURE.md.
