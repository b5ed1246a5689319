//! The roster against a hostile vendor in virtual time, and its rules one by one.

mod backfill;
mod callbacks;
mod cells;
mod kept;
mod laws;
mod rules;
mod vendor;
mod world;
