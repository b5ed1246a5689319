//! The ledger of cells at its full size: 10,000 properties × 5 years × 3 reports, and queries of it.
//!
//! `cargo bench --bench coverage`

use aptiqd::coverage::{Days, Fate, Ledger, Scope};
use aptiqd::run::CellSpan;
use aptiqd::schedule::Window;
use chrono::{Days as Count, NaiveDate};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const PROPERTIES: i64 = 10_000;
const DAYS: u64 = 5 * 365;
const REPORTS: usize = 3;
const QUERIES: u32 = 20;

fn first() -> NaiveDate {
    NaiveDate::from_ymd_opt(2022, 1, 1).expect("a day")
}

fn day(number: u64) -> NaiveDate {
    first() + Count::new(number)
}

/// Days that came one by one: now and then one lacks, fails or is empty.
fn ledger(seed: u64) -> Ledger {
    let mut ledger = Ledger::default();
    let mut state = seed | 1;
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for property in 0..PROPERTIES {
        let span = |from: u64, to: u64| CellSpan {
            property,
            from: day(from),
            to: day(to),
        };
        ledger.record(span(0, DAYS - 1), Fate::Missing);
        let mut from = draw() % 40;
        while from < DAYS {
            let to = (from + 20 + draw() % 120).min(DAYS - 1);
            let fate = match draw() % 40 {
                0 => Fate::Empty,
                1 => Fate::Failed,
                _ => Fate::Landed,
            };
            ledger.record(span(from, to), fate);
            from = to + 1 + draw() % 3;
        }
    }
    ledger
}

fn main() {
    let begun = Instant::now();
    let ledgers: Vec<Ledger> = (0..REPORTS as u64).map(|seed| ledger(seed + 7)).collect();
    let bytes: usize = ledgers.iter().map(Ledger::bytes).sum();
    println!(
        "{REPORTS} reports of {PROPERTIES} properties over {DAYS} days: {:.1} MiB (made in {:.1} s)",
        bytes as f64 / f64::from(1 << 20),
        begun.elapsed().as_secs_f64()
    );
    let properties: Vec<i64> = (0..PROPERTIES).collect();
    let excluded = BTreeSet::new();
    for (name, window) in [
        (
            "all five years",
            Window {
                from: first(),
                to: day(DAYS - 1),
            },
        ),
        (
            "the last 31 days",
            Window {
                from: day(DAYS - 31),
                to: day(DAYS - 1),
            },
        ),
    ] {
        let due: Days = [window].into_iter().collect();
        let scope = Scope {
            window,
            properties: &properties,
            excluded: &excluded,
            due: &due,
        };
        let mut best = Duration::MAX;
        let mut lacking = 0;
        for _ in 0..QUERIES {
            let begun = Instant::now();
            lacking = ledgers[0].tally(&scope).1.len();
            best = best.min(begun.elapsed());
        }
        println!(
            "{name} of one report: {:.2} ms, {lacking} gaps",
            best.as_secs_f64() * 1e3
        );
    }
}
