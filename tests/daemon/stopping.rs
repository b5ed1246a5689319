//! SIGTERM loses nothing and leaves nothing half done; SIGKILL at any moment costs time only.

use crate::stage::{DAY, Setup, Stage, list, text};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The run has landed once: whole files, one job adopted a part, none of them twice at the vendor.
pub fn landed_once(stage: &Stage, run: &str, parts: u64) {
    let shown = stage.ended(run);
    assert_eq!(shown["run"]["state"], "landed", "{shown:#}");
    assert_eq!(
        shown["run"]["parts"],
        json!({"total": parts, "done": parts})
    );
    let runs = stage.verb(&["runs"]).exits(0).json();
    assert_eq!(list(&runs["runs"]).len(), 1, "{runs:#}");
    assert_eq!(shown["files"][0]["generation"], json!(1));
    assert_eq!(stage.files("data").len(), list(&shown["files"]).len());
    assert!(
        stage.files("staging").is_empty(),
        "{:?}",
        stage.files("staging")
    );
    stage.plain(&["verify"]).exits(0);
    let state = stage.state();
    let mut succeeded: BTreeMap<String, u32> = BTreeMap::new();
    for job in list(&state["jobs"]) {
        assert_ne!(
            job["status"], "submitted",
            "left running: {}",
            job["job_id"]
        );
        if job["status"] == "succeeded" {
            let ids = job["property_ids"].to_string();
            *succeeded.entry(ids).or_default() += 1;
        }
    }
    assert_eq!(succeeded.len() as u64, parts);
    assert!(succeeded.values().all(|jobs| *jobs == 1), "{succeeded:?}");
    for part in list(&shown["parts"]) {
        let attempts = list(&part["attempts"]);
        let good = attempts
            .iter()
            .filter(|attempt| attempt["state"] == "succeeded");
        assert_eq!(good.count(), 1, "{part:#}");
    }
}

fn has_download(state: &Value) -> bool {
    state["requests"]["file"].as_u64() >= Some(1)
}

#[test]
fn sigterm_ends_in_order_and_the_run_goes_on_after_a_restart() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("a job", |state| state["creates"] == json!(1));
    stage.stop();
    assert!(stage.files("data").is_empty());
    stage.plain(&["status"]).exits(69);
    stage.control(Method::POST, "/release", "");
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

/// A disk that does not answer, or a refill that takes minutes: here a state whose first file is never read through.
#[test]
fn sigterm_ends_a_start_before_it_is_ready() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    stage.stop();
    let format = stage.path("state/FORMAT");
    let kept = fs::read(&format).expect("a format");
    fs::remove_file(&format).expect("removed");
    let pipe = Command::new("mkfifo").arg(&format).status();
    assert!(pipe.expect("mkfifo").success());
    stage.start_held_up();
    stage.stop();
    fs::remove_file(&format).expect("removed");
    fs::write(&format, kept).expect("a format");
    stage.start();
    let runs = stage.verb(&["runs"]).exits(0).json();
    assert_eq!(list(&runs["runs"]).len(), 1, "{runs:#}");
    stage.stop();
}

#[test]
fn whoever_does_not_read_what_systemd_would_be_told_holds_up_nothing() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.stop();
    let unheard = stage.start_unheard();
    // More turns than a socket's queue has places.
    for _ in 0..4 {
        stage.lands("daily", &DAY);
    }
    stage.stop();
    drop(unheard);
}

#[test]
fn sigterm_during_a_download_leaves_nothing_half_done() {
    let stage = Stage::running(Setup::faults("slow"), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("a download", has_download);
    stage.stop();
    assert!(stage.files("data").is_empty());
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

#[test]
fn sigint_stops_in_order_too() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    assert_eq!(stage.end(Signal::INT), Some(0));
}

#[test]
fn killed_with_a_create_unanswered() {
    let stage = Stage::running(
        Setup::faults("lost-create-reply").job_time(Duration::from_secs(1)),
        &[],
    );
    let run = stage.begin("daily", &DAY);
    stage.until("the job", |state| state["creates"] == json!(1));
    stage.kill();
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

#[test]
fn killed_with_a_create_unanswered_and_no_address_to_find_its_job_by() {
    let setup = Setup::faults("lost-create-reply").without_callbacks();
    let stage = Stage::running(setup, &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("the job", |state| state["creates"] == json!(1));
    stage.kill();
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

#[test]
fn killed_while_a_create_is_still_to_come_into_being() {
    let setup = Setup::faults("late-create").with("api.submit_settle", "\"3s\"");
    let stage = Stage::running(setup, &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("the request", |state| {
        state["requests"]["create"].as_u64() >= Some(1)
    });
    stage.kill();
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

#[test]
fn killed_while_the_job_runs_and_its_callback_finds_nobody() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("the job", |state| state["creates"] == json!(1));
    stage.kill();
    stage.control(Method::POST, "/release", "");
    stage.until("the callback", |state| {
        state["callbacks"]["not_delivered"] == json!(1)
    });
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

#[test]
fn killed_right_after_a_callback_was_acknowledged() {
    let stage = Stage::running(Setup::default().with("api.poll_interval", "\"10m\""), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("the 202", |state| {
        state["callbacks"]["answered"] == json!(1)
    });
    stage.kill();
    // Polling is far away: only the callback on disk can bring the next check forward.
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

#[test]
fn killed_during_a_download() {
    let stage = Stage::running(Setup::faults("slow"), &[]);
    let run = stage.begin("daily", &DAY);
    stage.until("a download", has_download);
    stage.kill();
    assert!(stage.files("data").is_empty());
    stage.start();
    landed_once(&stage, &run, 1);
    stage.stop();
}

/// Days enough that publishing takes a while: one file each.
const MONTH: [&str; 4] = ["--from", "2026-10-01", "--to", "2026-10-31"];

/// Kills the daemon once the first day of a run is published, which whoever watches the folder sees.
fn kill_while_it_publishes(stage: &Stage) -> String {
    let run = stage.begin("daily", &MONTH);
    let begun = std::time::Instant::now();
    while stage.files("data").is_empty() {
        assert!(
            begun.elapsed() < crate::stage::PATIENCE,
            "nothing is published"
        );
        std::thread::yield_now();
    }
    stage.kill();
    run
}

/// What is visible is not called failed, though the deadline has passed while no daemon ran.
#[test]
fn killed_while_it_publishes_and_started_after_the_deadline() {
    let deadline = Duration::from_secs(8);
    let keys = [("partition", "\"date\""), ("deadline", "\"8s\"")];
    let stage = Stage::running(Setup::default(), &keys);
    let begun = std::time::Instant::now();
    let run = kill_while_it_publishes(&stage);
    // Only the clock can let a deadline pass.
    std::thread::sleep(deadline.saturating_sub(begun.elapsed()) + Duration::from_secs(1));
    stage.start();
    landed_once(&stage, &run, 1);
    assert_eq!(stage.files("data").len(), 31);
    assert!(!stage.log().contains("deadline_passed"), "{}", stage.log());
    stage.stop();
}

#[test]
fn killed_while_it_publishes() {
    let stage = Stage::running(Setup::default(), &[("partition", "\"date\"")]);
    let run = kill_while_it_publishes(&stage);
    for file in stage.files("data") {
        let day = std::fs::read_to_string(&file).expect("a whole file");
        assert_eq!(day.lines().count(), 4, "{}", file.display());
    }
    stage.start();
    landed_once(&stage, &run, 1);
    assert_eq!(stage.files("data").len(), 31);
    stage.stop();
}

#[test]
fn killed_fifteen_times_at_any_moment() {
    kill_often(15, 42);
}

#[test]
#[ignore = "minutes long; .ci/torture runs it"]
fn killed_three_hundred_times_at_any_moment() {
    for seed in 0..10 {
        kill_often(30, seed);
    }
}

/// Kills a daemon with six parts under way at moments drawn from the seed, then lets it finish.
fn kill_often(times: u32, seed: u64) {
    // Slow downloads, so that many moments lie within one.
    let mut setup = Setup::faults("duplicate-callback,truncated=2,lost-create-reply=2,slow");
    setup.sandbox.seed = seed;
    setup.sandbox.job_time = Duration::from_millis(1_500);
    let stage = Stage::running(
        setup,
        &[
            ("properties", "{ ids = [1, 2, 3, 4, 5, 6] }"),
            ("chunk", "{ properties = 1, days = 31 }"),
            ("retry", "{ attempts = 50, first = \"1s\", max = \"1s\" }"),
        ],
    );
    let run = stage.begin("daily", &DAY);
    let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..times {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        // A moment, not a wait for something: any instruction may be the last one.
        std::thread::sleep(Duration::from_millis(draw % 300));
        stage.kill();
        stage.start();
    }
    landed_once(&stage, &run, 6);
    stage.stop();
}

#[test]
fn missed_fires_are_caught_up_after_a_restart() {
    let keys = [
        ("cron", "\"* * * * * *\""),
        (
            "catch_up",
            "{ mode = \"coalesce\", max_age = \"7d\", max_runs = 31 }",
        ),
    ];
    let stage = Stage::running(Setup::default(), &keys);
    stage.until("a job", |state| state["creates"].as_u64() >= Some(1));
    stage.kill();
    // Down for some fires.
    std::thread::sleep(Duration::from_millis(2_500));
    stage.start();
    let begun = std::time::Instant::now();
    loop {
        let runs = stage.verb(&["runs", "--limit", "100"]).exits(0).json();
        let caught_up = list(&runs["runs"])
            .iter()
            .find(|run| run["trigger"] == "catch_up");
        if let Some(run) = caught_up {
            let run = text(&run["id"]);
            assert_eq!(stage.ended(&run)["run"]["state"], "landed");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{runs:#}");
    }
    stage.stop();
}
