//! The stored forms are frozen: what an earlier aptiqd wrote must be read, and written back the same.
//!
//! When one of these fails, old stores would not open: give the new field a default, or raise the
//! format and migrate.

use crate::coverage::Line;
use crate::roster::{Exclusion, Mark};
use crate::run::{Part, PublishedFile, Run};
use crate::store::record::owned;
use crate::store::sample::part_key;
use crate::store::{Change, Commit, Key, Memory, Store, Tree};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

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

/// The run ended at 18:31; its part has the job `8a3b` and once had `8a3c` cancelled.
#[tokio::test]
async fn a_job_is_known_by_its_attempt_for_good_also_a_second_one() {
    let store = Memory::new();
    let exporting = include_str!("parts.jsonl").lines().nth(4).expect("a line");
    let run = "daily.20261123T183000Z";
    let put = |tree, key: Vec<u8>, value: &str| Change::Put {
        key: Key { tree, key },
        value: value.into(),
    };
    let commit = Commit {
        at: "2026-11-23T18:31:00Z".parse().expect("an instant"),
        events: Vec::new(),
        changes: vec![
            put(Tree::Run, run.into(), include_str!("run.json")),
            put(Tree::Part, part_key(run, 1), exporting),
        ],
    };
    store.commit(commit).await.expect("kept");
    let asked = BTreeSet::from(["8a3b", "8a3c", "8a3d"].map(str::to_owned));
    let since = |time: &str| time.parse().expect("an instant");
    let known = owned(&store, &asked, since("2026-11-23T18:31:00Z")).expect("read");
    assert_eq!(known, BTreeSet::from(["8a3b", "8a3c"].map(str::to_owned)));
    let known = owned(&store, &asked, since("2026-11-23T18:31:01Z")).expect("read");
    assert!(known.is_empty(), "it had ended by then");
}

#[test]
fn files_keep_their_stored_form() {
    round_trip::<PublishedFile>(include_str!("file.json"));
}
