//! See ARCHITECTURE.md.

pub mod plan;
