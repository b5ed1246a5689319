//! The time of day as the daemon sees it: stepped both ways, not set at boot, gone on while the machine slept. The real binary
//! under libfaketime, which shifts what the system says of the time of day and leaves its timers alone.

use crate::decisions::{events, until};
use crate::stage::{DAY, Setup, Stage, list};
use crate::stopping::landed_once;
use chrono::{Timelike, Utc};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const HOUR: i64 = 3_600;

fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let library = found.find(|path| path.exists());
    if library.is_none() {
        println!("skipped: libfaketime is not installed (Debian's package `faketime`)");
    }
    library
}

/// So many seconds ahead of the machine's clock the daemon's is twenty minutes past an hour: far from any fire.
fn past_the_hour() -> i64 {
    let now = Utc::now();
    20 * 60 - i64::from(now.minute()) * 60 - i64::from(now.second())
}

/// The daemon's clock is so many seconds ahead of the machine's, from its next look on.
fn shift(stage: &Stage, seconds: i64) {
    stage.write("clock.next", &format!("{seconds:+}"));
    fs::rename(stage.path("clock.next"), stage.path("clock")).expect("it is replaced at once");
}

/// The daemon under a clock of its own, which begins so many seconds ahead.
fn start(stage: &Stage, library: &PathBuf, seconds: i64) {
    shift(stage, seconds);
    let mut command = stage.daemon_command();
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", stage.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1");
    stage.start_with(command);
}

/// Makes it look at the clock, and waits until nothing is under way.
fn settled(stage: &Stage) -> Vec<Value> {
    stage.verb(&["status"]).exits(0);
    let over = |answer: &Value| {
        list(&answer["runs"])
            .iter()
            .all(|run| !matches!(run["state"].as_str(), Some("queued" | "running")))
    };
    list(&until(stage, &["runs"], over)["runs"]).clone()
}

fn of_fires(runs: &[Value]) -> Vec<&Value> {
    let fired = |run: &&Value| run["trigger"] != "manual";
    runs.iter().filter(fired).collect()
}

/// With a schedule that fires at every full hour; the daemon's clock is to begin so many seconds ahead.
fn hourly() -> Option<(Stage, PathBuf, i64)> {
    let library = library()?;
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[("cron", "\"0 * * * *\"")]);
    Some((stage, library, past_the_hour()))
}

#[test]
fn hours_that_the_clock_skips_are_decided_once_though_they_come_again() {
    let Some((stage, library, begun)) = hourly() else {
        return;
    };
    start(&stage, &library, begun);
    assert_eq!(settled(&stage), [] as [Value; 0]);
    shift(&stage, begun + 3 * HOUR);
    let ahead = settled(&stage);
    // The three hours: one run for their union, or a record why not; nothing without one.
    assert_eq!(of_fires(&ahead).len(), 3, "{ahead:#?}");
    let landed = ahead.iter().filter(|run| run["state"] == "landed").count();
    assert!(landed >= 1, "{ahead:#?}");
    let creates = stage.state()["creates"].clone();
    // Back, and once more over the same hours.
    shift(&stage, begun);
    assert_eq!(settled(&stage), ahead, "nothing is decided anew");
    stage.lands("daily", &DAY);
    shift(&stage, begun + 3 * HOUR);
    let again = settled(&stage);
    assert_eq!(of_fires(&again), of_fires(&ahead));
    let paid = stage.state()["creates"].as_u64();
    assert_eq!(paid, creates.as_u64().map(|before| before + 1));
    // The next hour is a new one.
    shift(&stage, begun + 4 * HOUR);
    assert_eq!(of_fires(&settled(&stage)).len(), 4);
    stage.stop();
}

#[test]
fn a_clock_that_goes_back_by_days_lets_the_coming_fires_come() {
    let Some((stage, library, begun)) = hourly() else {
        return;
    };
    // Started under a clock two days ahead; it is set right while the daemon runs.
    start(&stage, &library, begun + 48 * HOUR);
    shift(&stage, begun + 49 * HOUR);
    let ahead = settled(&stage);
    assert_eq!(of_fires(&ahead).len(), 1, "{ahead:#?}");
    shift(&stage, begun);
    assert_eq!(settled(&stage), ahead);
    let told = events(&stage, "clock_stepped_back");
    assert_eq!(told.len(), 1, "{told:#?}");
    shift(&stage, begun + HOUR);
    let runs = settled(&stage);
    assert_eq!(
        of_fires(&runs).len(),
        2,
        "two days are not waited for: {runs:#?}"
    );
    stage.stop();
}

#[test]
fn a_clock_not_set_at_boot_decides_nothing_until_it_is() {
    let Some((stage, library, begun)) = hourly() else {
        return;
    };
    // 1970, and hours of it.
    let unset = 2 * HOUR - Utc::now().timestamp();
    start(&stage, &library, unset);
    shift(&stage, unset + 5 * HOUR);
    assert_eq!(settled(&stage), [] as [Value; 0]);
    shift(&stage, begun);
    assert_eq!(settled(&stage), [] as [Value; 0], "nothing is caught up");
    assert_eq!(events(&stage, "clock_not_set").len(), 1);
    assert_eq!(events(&stage, "clock_set").len(), 1);
    stage.lands("daily", &DAY);
    shift(&stage, begun + HOUR);
    assert_eq!(of_fires(&settled(&stage)).len(), 1);
    stage.stop();
}

#[test]
fn a_run_lands_though_the_machine_slept_while_its_job_ran() {
    let Some(library) = library() else { return };
    let stage = Stage::set(Setup::faults("hold"));
    stage.schedule("daily", &[("deadline", "\"24h\"")]);
    let begun = past_the_hour();
    start(&stage, &library, begun);
    let run = stage.begin("daily", &DAY);
    stage.until("a job", |state| state["creates"] == json!(1));
    // As in a suspended machine: the process stands still, its timers too, the time of day goes on.
    stage.signal(Signal::STOP);
    shift(&stage, begun + 8 * HOUR);
    stage.control(Method::POST, "/release", "");
    stage.signal(Signal::CONT);
    landed_once(&stage, &run, 1);
    assert_eq!(stage.state()["creates"], json!(1));
    stage.stop();
}
