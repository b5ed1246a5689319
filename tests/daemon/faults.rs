//! Every fault of the vendor that can be recovered from, one daemon each: the run lands all the same.

use crate::stage::{DAY, Key, Setup, Stage, list, text};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Stages standing at a time; most of each is waiting.
const AT_A_TIME: usize = 6;

struct Case {
    faults: &'static str,
    /// Jobs that the vendor has created in the end: one for each of the two parts, and those that had to be lost.
    jobs: u64,
    keys: &'static [Key],
}

const fn case(faults: &'static str, jobs: u64) -> Case {
    Case {
        faults,
        jobs,
        keys: &[],
    }
}

const CASES: &[Case] = &[
    case("lost-callback", 2),
    case("duplicate-callback", 2),
    case("early-callback", 2),
    case("forged-callback", 2),
    case("odd-callback", 2),
    case("lost-create-reply", 2),
    case("lost-create-reply=2,list-lag", 2),
    case("late-create", 2),
    case("nonsense-create", 2),
    case("list-lag,lost-callback", 2),
    case("401", 2),
    case("429", 2),
    case("5xx", 2),
    case("unknown-status", 2),
    case("failed", 3),
    case("vanished-job", 3),
    case("expired-url", 2),
    case("truncated", 2),
    case("truncated,lost-callback,duplicate-callback", 2),
    case("cut-silently", 2),
    case("changed-etag", 2),
    case("slow", 2),
    case("error-document", 2),
    case("wrong-format", 3),
    Case {
        faults: "cut-silently",
        jobs: 2,
        keys: &[("format", "\"parquet\"")],
    },
    Case {
        faults: "truncated",
        jobs: 2,
        keys: &[("format", "\"jsonl\"")],
    },
    Case {
        faults: "changed-etag",
        jobs: 2,
        keys: &[("format", "\"parquet\"")],
    },
];

#[test]
fn a_run_lands_whatever_the_vendor_does() {
    let next = Mutex::new(CASES.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = { next.lock().expect("no panic holds it").next() } {
                    if catch_unwind(AssertUnwindSafe(|| survives(case))).is_err() {
                        let name = format!("{} {:?}", case.faults, case.keys);
                        failures.lock().expect("no panic holds it").push(name);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic holds it");
    assert!(
        failures.is_empty(),
        "did not land as they should: {failures:#?}"
    );
}

fn survives(case: &Case) {
    let setup = Setup::faults(case.faults)
        .with("download.bytes_max", "1000000")
        // Long enough that a job which the list shows late is not given up.
        .with("api.submit_settle", "\"2s\"");
    let mut keys = vec![
        ("properties", "{ ids = [1, 2, 3, 4] }"),
        ("chunk", "{ properties = 2, days = 31 }"),
    ];
    keys.extend_from_slice(case.keys);
    let stage = Stage::running(setup, &keys);
    let shown = stage.lands("daily", &DAY);
    assert_eq!(shown["run"]["state"], "landed");
    assert_eq!(shown["files"][0]["rows"], json!(4), "{shown:#}");
    assert_eq!(stage.files("data").len(), 1);
    assert!(stage.files("staging").is_empty());
    stage.plain(&["verify"]).exits(0);
    let state = stage.state();
    assert_eq!(state["creates"], json!(case.jobs), "{:#}", shown["parts"]);
    // Whatever was begun at the vendor has ended there.
    for job in list(&state["jobs"]) {
        let over = job["status"] != "submitted" || job["vanished"] == json!(true);
        assert!(over, "{} is still {}", text(&job["job_id"]), job["status"]);
    }
    stage.stop();
}

#[test]
fn a_run_lands_with_a_pasted_token_that_was_refused_once() {
    let mut setup = Setup::faults("401");
    setup.credential = crate::stage::Credential::Token;
    let stage = Stage::running(setup.with("api.standby_token_file", "\"token\""), &[]);
    stage.lands("daily", &DAY);
    stage.stop();
}
