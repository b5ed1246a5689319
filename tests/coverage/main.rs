//! Completeness through the real binary: what lacks is told, filled, and traced to its reason.

#![allow(
    clippy::disallowed_methods,
    reason = "bodies of a simulator on loopback need no bound"
)]

mod backfill;
mod completeness;
mod why;

#[allow(
    dead_code,
    unused_imports,
    reason = "the stage serves other tests as well"
)]
#[path = "../daemon/stage/mod.rs"]
mod stage;

use serde_json::Value;
use stage::{Stage, list};
use std::collections::BTreeSet;

/// The properties of a stage's schedule.
pub const IDS: [i64; 3] = [99_001_416, 99_001_470, 99_001_471];
/// Five days that tests ask about.
pub const DAYS: [&str; 4] = ["--from", "2026-11-01", "--to", "2026-11-05"];

/// `coverage` of the five days, which exits in `code`.
#[track_caller]
pub fn coverage(stage: &Stage, code: i32) -> Value {
    let words: Vec<&str> = ["coverage", "daily"].into_iter().chain(DAYS).collect();
    stage.verb(&words).exits(code).json()
}

/// A verb on the five days.
#[track_caller]
pub fn backfill(stage: &Stage, words: &[&str], code: i32) -> Value {
    let all = ["backfill", "daily"].into_iter().chain(DAYS);
    let all: Vec<&str> = all.chain(words.iter().copied()).collect();
    stage.verb(&all).exits(code).json()
}

/// Every property × day that the vendor was asked for, as often as it was.
pub fn asked_for(stage: &Stage) -> Vec<(i64, chrono::NaiveDate)> {
    let state = stage.state();
    let mut cells = Vec::new();
    for job in list(&state["jobs"]) {
        let day =
            |key: &str| -> chrono::NaiveDate { stage::text(&job[key]).parse().expect("a day") };
        let (from, to) = (day("start_date"), day("end_date"));
        for id in list(&job["property_ids"]) {
            let id = id.as_i64().expect("an id");
            let days = from.iter_days().take_while(|day| *day <= to);
            cells.extend(days.map(|day| (id, day)));
        }
    }
    cells
}

/// No cell twice.
#[track_caller]
pub fn each_once(stage: &Stage) -> usize {
    let cells = asked_for(stage);
    let once: BTreeSet<_> = cells.iter().collect();
    assert_eq!(once.len(), cells.len(), "{cells:?}");
    once.len()
}
