//! The roster against a hostile vendor in virtual time, and its rules one by one.

mod backfill;
mod cells;
mod kept;
mod laws;
mod many;
mod rules;
mod vendor;
mod world;
