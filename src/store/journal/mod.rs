//! The truth: every commit as it was made, in append-only segments.

pub mod examine;
pub mod frame;
pub mod medium;
mod reader;
pub mod segment;
mod writer;

pub use reader::Shelf;
pub use writer::{Framed, Writer};
