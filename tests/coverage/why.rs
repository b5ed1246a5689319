//! `why`: back from a file or a cell to its decision, or to what stands in its way.

use crate::stage::{Setup, Stage, text};
use crate::{DAYS, IDS};
use serde_json::json;

const CELL: [&str; 4] = ["why", "daily", "99001416", "2026-11-02"];

#[test]
fn a_landed_file_and_a_landed_cell_lead_to_run_and_job() {
    let stage = Stage::running(Setup::default(), &[("partition", "\"date\"")]);
    let shown = stage.lands("daily", &DAYS);
    let (run, job) = (
        &shown["run"]["id"],
        &shown["parts"][0]["attempts"][0]["job_id"],
    );
    let file = &shown["files"][1];
    let path = stage.exports(&text(&file["path"]));
    let of_file = stage
        .verb(&["why", &path.to_string_lossy()])
        .exits(0)
        .json();
    let of_cell = stage.verb(&CELL).exits(0).json();
    for why in [&of_file, &of_cell] {
        assert_eq!(why["schema"], json!("aptiqd.why/1"));
        assert_eq!(why["state"], json!("landed"));
        assert_eq!(&why["run"]["id"], run);
        assert_eq!(&why["parts"][0]["attempts"][0]["job_id"], job);
        assert_eq!(
            why["parts"][0]["attempts"][0]["learned_by"],
            json!("callback")
        );
        assert_eq!(why["callbacks"][0]["attempt"], json!(1));
        assert_eq!(&why["file"], file);
        assert_eq!(&why["jobs"][0]["job_id"], job);
        assert_eq!(why["checks"], shown["checks"]);
    }
    assert_eq!(of_file["path"], file["path"]);
    let told = stage.plain(&CELL).exits(0).stdout;
    assert!(
        told.contains(&text(run)) && told.contains(&text(job)),
        "{told}"
    );
    let raw = format!("raw/daily/{}/part-0001.csv", text(run));
    let of_raw = stage.verb(&["why", &raw]).exits(0).json();
    assert_eq!(&of_raw["run"]["id"], run);
    for unknown in [
        "data/daily/date=2026-10-01/daily.csv",
        "nowhere",
        "data/nobody/date=2026-11-01/x.csv",
    ] {
        stage.verb(&["why", unknown]).exits(4);
    }
    stage.verb(&["why", "nobody", "1", "2026-11-01"]).exits(4);
    stage.verb(&["why", "daily", "99001416"]).exits(2);
    stage.stop();
}

#[test]
fn what_lacks_has_a_reason_and_a_command_that_mends_it() {
    let stage = Stage::running(Setup::faults("failed=always"), &[]);
    let mend = |words: &[&str]| {
        let why = stage.verb(words).exits(0).json();
        (text(&why["state"]), text(&why["mend"]))
    };
    let filled = "aptiqd backfill daily --from 2026-11-02 --to 2026-11-02";
    assert_eq!(mend(&CELL), ("missing".into(), filled.into()));
    let stranger = ["why", "daily", "7", "2026-11-02"];
    assert!(mend(&stranger).1.contains("aptiqd reload"));
    stage.trigger("daily", &DAYS).exits(1);
    let (state, command) = mend(&CELL);
    assert_eq!(state, "failed");
    assert!(command.starts_with("aptiqd retry daily.m"), "{command}");
    let exclude = ["properties", "exclude", "99001416", "--reason", "sold"];
    stage.verb(&exclude).exits(0);
    let included = format!("aptiqd properties include {}", IDS[0]);
    assert_eq!(mend(&CELL), ("excluded".into(), included));
    let to_come = ["why", "daily", "99001470", "2999-01-01"];
    let why = stage.verb(&to_come).exits(0).json();
    assert_eq!(why["state"], json!("not_due"));
    stage.stop();
}

/// `coverage` says what has landed; that a file was taken away since, `why` and `verify` say.
#[test]
fn a_landed_file_that_is_gone_or_changed_is_told_with_what_mends_it() {
    let stage = Stage::running(Setup::default(), &[("partition", "\"date\"")]);
    let shown = stage.lands("daily", &DAYS);
    let path = text(&shown["files"][1]["path"]);
    let file = stage.exports(&path);
    let mend = "aptiqd trigger daily --from 2026-11-02 --to 2026-11-02";
    std::fs::remove_file(&file).expect("removed");
    for (state, words) in [
        ("gone", "is not there any more"),
        ("changed", "is not the file that landed"),
    ] {
        let of_file = stage.verb(&["why", &path]).exits(0).json();
        let of_cell = stage.verb(&CELL).exits(0).json();
        assert_eq!(
            (&of_file["state"], &of_cell["state"]),
            (&json!(state), &json!("landed"))
        );
        for why in [&of_file, &of_cell] {
            let because = text(&why["because"]);
            assert!(
                because.contains(&path) && because.contains(words),
                "{because}"
            );
            assert_eq!(why["mend"], json!(mend));
        }
        let told = stage.plain(&CELL).exits(0).stdout;
        assert!(told.contains(&format!("→ {mend}")), "{told}");
        let verified = stage.verb(&["verify", "daily"]).exits(3).stdout;
        assert!(verified.contains(&path), "{verified}");
        crate::coverage(&stage, 0);
        std::fs::write(&file, "id\n").expect("written");
    }
    let words: Vec<&str> = mend.split(' ').skip(1).chain(["--wait"]).collect();
    stage.verb(&words).exits(0);
    let why = stage.verb(&["why", &path]).exits(0).json();
    assert_eq!(
        (&why["state"], &why["mend"]),
        (&json!("landed"), &json!(null))
    );
    stage.verb(&["verify", "daily"]).exits(0);
    stage.stop();
}

#[test]
fn a_quarantined_run_names_what_accepts_it_as_long_as_its_files_are_there() {
    let checks = ("checks", "{ unique = [\"report_generation_date\"] }");
    let stage = Stage::running(Setup::default(), &[checks, ("partition", "\"window\"")]);
    let run = text(&stage.trigger("daily", &DAYS).exits(1).json()["run"]["id"]);
    let accept = format!("aptiqd retry {run} --accept");
    let aside = format!("staging/quarantine/{run}/checks.json");
    let raw = format!("raw/daily/{run}/part-0001.csv");
    let subjects: [&[&str]; 3] = [&CELL, &["why", &aside], &["why", &raw]];
    for (words, state) in subjects
        .iter()
        .zip(["failed", "quarantined", "quarantined"])
    {
        let why = stage.verb(words).exits(0).json();
        assert_eq!(
            (&why["state"], &why["mend"]),
            (&json!(state), &json!(accept))
        );
        assert!(
            text(&why["because"]).contains("did not pass unique"),
            "{why:#}"
        );
    }
    std::fs::remove_dir_all(stage.exports(&format!("raw/daily/{run}"))).expect("removed");
    let anew = "aptiqd trigger daily --from 2026-11-01 --to 2026-11-05";
    let why = stage.verb(&["why", &aside]).exits(0).json();
    assert_eq!(why["mend"], json!(anew));
    for words in [
        &["retry", &run, "--accept", "--dry-run"][..],
        &["retry", &run, "--accept"][..],
    ] {
        let refused = stage.verb(words).exits(5);
        assert!(refused.stderr.contains(&raw), "{}", refused.stderr);
        assert!(refused.stderr.contains(anew), "{}", refused.stderr);
    }
    assert_eq!(stage.show(&run)["run"]["state"], json!("failed"));
    stage.stop();
}
