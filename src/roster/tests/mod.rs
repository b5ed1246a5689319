//! The roster against a hostile vendor in virtual time, and its rules one by one.

mod laws;
mod rules;
mod world;
