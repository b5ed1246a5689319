//! The stored forms are frozen: what an earlier aptiqd wrote must be read, and written back the same.
//!
//! When one of these fails, old stores would not open: give the new field a default, or raise the
//! format and migrate.

use crate::coverage::Line;
use crate::roster::{Exclusion, Mark};
use crate::run::{Part, PublishedFile, Run};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn round_trip<T: Serialize + DeserializeOwned>(golden: &str) {
    let written: Value = serde_json::from_str(golden).expect("JSON");
    let read: T = serde_json::from_str(golden).expect("a record of an earlier aptiqd");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), written);
}

#[test]
fn runs_keep_their_stored_form() {
    round_trip::<Run>(include_str!("run.json"));
}

#[test]
fn parts_keep_their_stored_form_in_every_state() {
    for line in include_str!("parts.jsonl").lines() {
        round_trip::<Part>(line);
    }
}

#[test]
fn marks_keep_their_stored_form() {
    round_trip::<Mark>(include_str!("mark.json"));
}

#[test]
fn lines_of_cells_keep_their_stored_form() {
    round_trip::<Line>(include_str!("line.json"));
}

#[test]
fn exclusions_keep_their_stored_form() {
    round_trip::<Exclusion>(include_str!("exclusion.json"));
}

#[test]
fn a_run_of_a_backfill_keeps_its_place() {
    let mut written: Value = serde_json::from_str(include_str!("run.json")).expect("JSON");
    written["batch"] = serde_json::json!({"number": 3, "max_active": 2});
    round_trip::<Run>(&written.to_string());
}

#[test]
fn files_keep_their_stored_form() {
    round_trip::<PublishedFile>(include_str!("file.json"));
}
