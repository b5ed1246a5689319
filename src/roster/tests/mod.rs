//! The roster against a hostile vendor in virtual time, and its rules one by one.

mod backfill;
mod backfill_windows;
mod callbacks;
mod catch_up;
mod cells;
mod claims;
mod clocks;
mod kept;
mod laws;
mod lists;
mod many;
mod newcomers;
mod reconcile;
mod rules;
mod silence;
mod vendor;
mod world;
