//! Names mistyped, readers that go away, screens that are narrow.

use crate::stage::{DAY, PATIENCE, Process, Setup, Stage, output, text};
use rustix::process::Signal;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_mistyped_name_is_answered_with_the_nearest() {
    let stage = Stage::running(Setup::default(), &[]);
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    for words in [
        &["trigger", "dayly"][..],
        &["pause", "dally", "--reason", "r"],
        &["coverage", "Daily"],
        &["runs", "--schedule", "dail"],
        &["plan", "daly"],
        &["sql", "--dialect", "duckdb", "daly"],
    ] {
        let help = text(&stage.verb(words).exits(4).error()["help"]);
        assert!(help.contains("did you mean `daily`?"), "{words:?}: {help}");
    }
    let mistyped = format!("{}9Z", run.trim_end_matches('Z'));
    let help = text(&stage.verb(&["show", &mistyped]).exits(4).error()["help"]);
    assert!(help.contains(&format!("did you mean `{run}`?")), "{help}");
    let far = text(&stage.verb(&["trigger", "quarterly-x"]).exits(4).error()["help"]);
    assert!(!far.contains("did you mean"), "{far}");
    stage.stop();
}

#[test]
fn a_reader_that_went_away_stops_no_verb() {
    // A fire at midnight would warn that its day is not finished yet.
    let stage = Stage::running(Setup::default(), &[("cron", "\"0 13 29 2 *\"")]);
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    for words in [
        &["status"][..],
        &["status", "--watch"],
        &["status", "--nagios"],
        &["runs"],
        &["show", &run],
        &["events"],
        &["coverage", "daily"],
        &["freshness"],
        &["plan"],
        &["check"],
        &["verify"],
        &["doctor"],
        &["callback", "test"],
        &["token", "check"],
        &["sql", "--dialect", "duckdb"],
        &["properties", "list"],
        &["trigger", "daily", "--dry-run"],
        &["schema", "config"],
        &["man"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = stage.binary();
        command
            .args(words)
            .arg("--config")
            .arg(stage.path("aptiqd.toml"));
        // `output` would take the pipe's place.
        let mut child = command
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(command);
        let stderr = child.stderr.take().expect("a pipe");
        let said: Vec<String> = BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .collect();
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{words:?}: {said:?}");
        assert!(said.is_empty(), "{words:?}: {said:?}");
    }
    stage.stop();
}

#[test]
fn a_watch_goes_on_until_it_is_interrupted() {
    let stage = Stage::running(Setup::default(), &[]);
    let mut command = stage.binary();
    command.args(["status", "--watch", "--json", "--config"]);
    command.arg(stage.path("aptiqd.toml"));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    command.stdin(Stdio::null()).stdout(writer);
    let mut process = Process::spawn(command);
    let mut lines = BufReader::new(reader).lines();
    for _ in 0..2 {
        let line = lines.next().expect("it goes on").expect("a line");
        assert!(line.contains("\"aptiqd.status/1\""), "{line}");
    }
    process.signal(Signal::INT);
    let status = process.wait(PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(130));
    stage.stop();
}

#[test]
fn tables_fit_a_narrow_screen() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    for columns in ["60", "80"] {
        for words in [
            &["status"][..],
            &["runs"],
            &["freshness"],
            &["plan"],
            &["doctor"],
            &["token", "check"],
            &["properties", "list"],
        ] {
            let mut command = stage.binary();
            command
                .args(words)
                .arg("--config")
                .arg(stage.path("aptiqd.toml"));
            command.env("COLUMNS", columns);
            let said = output(command).stdout;
            let said = String::from_utf8(said).expect("text");
            let width: usize = columns.parse().expect("a number");
            // A command to be copied, and a path or an address, are never cut.
            let whole = |line: &str| {
                line.contains('→') || line.split_whitespace().any(|word| word.len() > width / 3)
            };
            let wide = said
                .lines()
                .filter(|line| line.chars().count() > width && !whole(line));
            assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new(), "{words:?}");
        }
    }
    stage.stop();
}
