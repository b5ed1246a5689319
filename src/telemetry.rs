//! Logs. See ARCHITECTURE.md.
