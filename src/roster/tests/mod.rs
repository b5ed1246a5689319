//! The roster against a hostile vendor in virtual time, and its rules one by one.

mod answers;
mod backfill;
mod backfill_windows;
mod callbacks;
mod cancels;
mod catch_up;
mod cells;
mod claims;
mod clocks;
mod dice;
mod doubts;
mod edges;
mod endings;
mod exclusions;
mod folder;
mod holds;
mod kept;
mod laws;
mod lists;
mod lists_break;
mod lost;
mod many;
mod mending;
mod newcomers;
mod owners;
mod reconcile;
mod rules;
mod silence;
mod standing;
mod stories;
mod vendor;
mod world;

/// So many seeds; fewer where `APTIQD_SEEDS_DIVISOR` says so, because the tests run once for each of two thousand mutants.
fn seeds(usual: u64) -> u64 {
    let divisor = std::env::var("APTIQD_SEEDS_DIVISOR").ok();
    usual / divisor.map_or(1, |text| text.parse().expect("a number"))
}
