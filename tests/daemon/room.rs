//! The landing folder as a disk: old raw files go, a folder that cannot be written pauses landing alone.

use crate::stage::{DAY, PATIENCE, Setup, Stage, list, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[test]
fn old_raw_files_are_removed_by_the_verb() {
    let stage = Stage::running(
        Setup::default().with("landing.raw_retention", "\"1h\""),
        &[],
    );
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    let none = stage.verb(&["prune"]).exits(0).json();
    assert_eq!(none["schema"], "aptiqd.prune/1");
    assert_eq!(
        (&none["files"], &none["retention_seconds"]),
        (&json!(0), &json!(3_600))
    );
    let raw = stage.exports(&format!("raw/daily/{run}/part-0001.csv"));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    // The published file of one day and one part is the same file under another name.
    let file = fs::File::open(&raw).expect("the raw file");
    file.set_modified(long_ago).expect("its time");
    let dry = stage.verb(&["prune", "--dry-run"]).exits(0).json();
    assert_eq!((&dry["dry_run"], &dry["files"]), (&json!(true), &json!(1)));
    assert_eq!(dry["removed"][0]["path"], json!(format!("raw/daily/{run}")));
    assert!(raw.exists());
    let done = stage.plain(&["prune"]).exits(0).stdout;
    assert!(done.contains(&run) && done.contains("removed"), "{done}");
    assert!(!raw.exists());
    stage.verb(&["verify"]).exits(0);
    let events = stage.verb(&["events"]).exits(0).json();
    let told = list(&events["events"]).iter();
    assert_eq!(
        told.filter(|event| event["event"] == "raw_pruned").count(),
        1
    );
    stage.stop();
}

#[test]
fn old_raw_files_are_removed_by_the_clock() {
    let stage = Stage::running(
        Setup::default().with("landing.raw_retention", "\"1s\""),
        &[],
    );
    stage.lands("daily", &DAY);
    let begun = Instant::now();
    while !stage.files("raw").is_empty() {
        assert!(begun.elapsed() < PATIENCE, "they stay");
        stage.verb(&["events", "--limit", "1"]).exits(0);
    }
    stage.verb(&["verify"]).exits(0);
    stage.stop();
}

/// A small filesystem of its own, unmounted at the end.
struct Mounted<'s>(&'s Path);

impl<'s> Mounted<'s> {
    fn on(folder: &'s Path) -> Option<Mounted<'s>> {
        fs::create_dir_all(folder).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Mounted(folder)),
            _ => {
                eprintln!("skipped: no tmpfs can be mounted here");
                None
            }
        }
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // The folder goes with the test's own; a mount that stays would keep it.
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

fn attention(stage: &Stage) -> Option<Value> {
    let status = stage.verb(&["status"]).exits(0).json();
    let lines = list(&status["attention"]).iter();
    let mut lines = lines.filter(|line| line["subject"] == "landing" && line["level"] == "error");
    lines.next().cloned()
}

#[track_caller]
fn paused(stage: &Stage) -> String {
    let begun = Instant::now();
    loop {
        if let Some(line) = attention(stage) {
            return text(&line["message"]);
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "landing is never paused\n{}",
            stage.log()
        );
    }
}

#[test]
fn a_full_disk_pauses_landing_alone_and_it_resumes_by_itself() {
    let stage = Stage::set(Setup::default());
    let exports = stage.path("exports");
    let Some(_mounted) = Mounted::on(&exports) else {
        return;
    };
    stage.schedule("daily", &[]);
    stage.start();
    let filler = exports.join("filler");
    fs::write(&filler, vec![0; 16_000_000]).expect("a filler");
    let run = stage.begin("daily", &DAY);
    let message = paused(&stage);
    assert!(
        message.contains("no space left") && message.contains("jobs go on"),
        "{message}"
    );
    // Jobs of other runs are still submitted, and end.
    let other = stage.begin("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    fs::remove_file(&filler).expect("room");
    assert_eq!(stage.ended(&run)["run"]["state"], "landed");
    assert_eq!(stage.ended(&other)["run"]["state"], "landed");
    assert_eq!(
        stage.state()["creates"],
        json!(2),
        "no job is paid for twice"
    );
    assert!(attention(&stage).is_none());
    let events = stage.verb(&["events"]).exits(0).json();
    for name in ["landing_paused", "landing_resumed"] {
        let told = list(&events["events"]).iter();
        assert_eq!(
            told.filter(|event| event["event"] == name).count(),
            1,
            "{name}"
        );
    }
    stage.stop();
}

#[test]
fn a_landing_folder_that_is_gone_is_told_and_waited_for() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    let (exports, away) = (stage.path("exports"), stage.path("away"));
    fs::rename(&exports, &away).expect("renamed");
    let run = stage.begin("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    let message = paused(&stage);
    assert!(message.contains("cannot open"), "{message}");
    assert!(!exports.exists(), "it was made anew in place of the mount");
    fs::rename(&away, &exports).expect("back");
    assert_eq!(stage.ended(&run)["run"]["state"], "landed");
    assert_eq!(stage.files("data").len(), 2);
    stage.stop();
}

/// Six properties of which one fails its jobs: the run ends incomplete; its raw files have their time.
/// Somebody moves it away and makes an empty one: what comes from now on lands there.
#[test]
fn a_landing_folder_that_was_emptied_is_filled_anew() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    let exports = stage.path("exports");
    fs::remove_dir_all(&exports).expect("removed");
    let run = stage.begin("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    let message = paused(&stage);
    assert!(message.contains("cannot open"), "{message}");
    let unverified = stage.verb(&["verify"]).exits(1).error();
    assert!(
        text(&unverified["message"]).contains("is not there"),
        "{unverified}"
    );
    fs::create_dir(&exports).expect("made");
    assert_eq!(stage.ended(&run)["run"]["state"], "landed");
    assert_eq!(stage.files("data").len(), 1);
    assert!(attention(&stage).is_none());
    stage.plain(&["verify"]).exits(0);
    stage.stop();
}

fn incomplete_without_raw(stage: &Stage) -> String {
    let run = text(&stage.trigger("daily", &DAY).exits(3).json()["run"]["id"]);
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    for raw in stage.files(&format!("raw/daily/{run}")) {
        let file = fs::File::open(raw).expect("a raw file");
        file.set_modified(long_ago).expect("its time");
    }
    stage.verb(&["prune"]).exits(0);
    assert!(stage.files(&format!("raw/daily/{run}")).is_empty());
    run
}

fn one_fails() -> Stage {
    let setup = Setup::faults("bad-property").with("landing.raw_retention", "\"1h\"");
    let ids = "{ ids = [99001401, 99001402, 99001403, 99001404, 99001413, 99001420] }";
    let retry = "{ attempts = 2, first = \"1s\", max = \"1s\" }";
    Stage::running(setup, &[("properties", ids), ("retry", retry)])
}

/// Retries the run, whose vendor has recovered, and says how many jobs that took.
fn retried(stage: &Stage, run: &str) -> u64 {
    let creates = || stage.state()["creates"].as_u64().expect("a number");
    let before = creates();
    stage.control(Method::POST, "/faults", "");
    stage.verb(&["retry", run, "--wait"]).exits(0);
    let shown = stage.show(run);
    assert_eq!(shown["run"]["state"], json!("landed"), "{shown:#}");
    assert_eq!(shown["run"]["rows"], json!(6));
    assert_eq!(shown["files"][0]["rows"], json!(6));
    stage.verb(&["verify"]).exits(0);
    creates() - before
}

#[test]
fn a_retry_after_its_raw_files_had_their_time_pays_for_what_failed_only() {
    let stage = one_fails();
    let run = incomplete_without_raw(&stage);
    assert_eq!(retried(&stage, &run), 1);
    stage.stop();
}

/// The landed file was taken away as well: results that the vendor still has are downloaded again.
#[test]
fn a_retry_whose_rows_are_nowhere_has_them_again() {
    let stage = one_fails();
    let run = incomplete_without_raw(&stage);
    let landed = stage.files("data/daily");
    fs::remove_file(&landed[0]).expect("removed");
    assert_eq!(retried(&stage, &run), 1);
    let shown = stage.show(&run);
    let lost = list(&shown["events"]).iter();
    let lost: Vec<&Value> = lost
        .filter(|event| event["event"] == "artifacts_lost")
        .collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    stage.stop();
}
