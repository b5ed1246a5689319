//! Schedules: defaults, forms, folders, warnings.

use aptiqd::config::{Fault, check, load_folder, render};
use aptiqd::schedule::{
    Accounts, CatchUp, CatchUpMode, Chunk, OnFail, Overlap, Partition, Properties, Retry, Schedule,
    SchemaChange, Window, WindowRule,
};
use std::path::PathBuf;
use std::time::Duration;

const BASE: [&str; 6] = [
    "report = \"property\"",
    "format = \"csv\"",
    "cron = \"30 12 * * *\"",
    "timezone = \"America/Chicago\"",
    "window = \"yesterday\"",
    "properties = { ids = [3, 1, 2] }",
];

/// The smallest schedule, with the lines of `more` in place of those of the same key.
fn text(more: &[&str]) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let replaced: Vec<String> = more.iter().map(|line| key(line)).collect();
    let kept = BASE.iter().filter(|line| !replaced.contains(&key(line)));
    kept.chain(more).map(|line| format!("{line}\n")).collect()
}

fn load(more: &[&str]) -> Result<Schedule, Vec<Fault>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.toml"), text(more)).unwrap();
    load_folder(folder.path()).map(|mut all| all.remove(0))
}

fn good(more: &[&str]) -> Schedule {
    load(more).unwrap_or_else(|faults| panic!("{}", render(&faults)))
}

#[test]
fn defaults_are_as_documented() {
    let schedule = good(&[]);
    assert_eq!(schedule.name.as_str(), "one");
    assert_eq!(&*schedule.description, "");
    assert_eq!(
        schedule.chunk,
        Chunk {
            properties: 25,
            days: 31
        }
    );
    assert_eq!(schedule.partition, Partition::Date);
    assert_eq!(schedule.overlap, Overlap::Queue);
    let week = Duration::from_secs(7 * 86_400);
    assert_eq!(
        schedule.catch_up,
        CatchUp {
            mode: CatchUpMode::Coalesce,
            max_age: week,
            max_runs: 31
        }
    );
    assert_eq!(
        (schedule.jitter, schedule.deadline.as_secs()),
        (Duration::ZERO, 6 * 3600)
    );
    let (first, max) = (Duration::from_secs(30), Duration::from_secs(1800));
    assert_eq!(
        schedule.retry,
        Retry {
            attempts: 4,
            first,
            max
        }
    );
    assert!(schedule.enabled && schedule.freshness.is_none() && schedule.notify.is_empty());
    assert_eq!(
        (
            schedule.columns.property.as_str(),
            schedule.columns.date.as_str()
        ),
        ("id", "report_generation_date")
    );
    assert_eq!(
        (schedule.checks.schema_change, schedule.checks.on_fail),
        (SchemaChange::Notify, OnFail::Quarantine)
    );
    assert!(schedule.checks.min_property_coverage.is_none() && schedule.checks.unique.is_empty());
    let Properties::Listed(list) = schedule.properties else {
        panic!()
    };
    assert_eq!(
        list.iter().map(|property| property.id).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}

#[test]
fn a_table_given_in_part_keeps_the_other_defaults() {
    let schedule = good(&[
        "chunk = { days = 7 }",
        "retry = { attempts = 1 }",
        "catch_up = { mode = \"none\" }",
    ]);
    assert_eq!(
        schedule.chunk,
        Chunk {
            properties: 25,
            days: 7
        }
    );
    assert_eq!(
        (schedule.retry.attempts, schedule.retry.first.as_secs()),
        (1, 30)
    );
    assert_eq!(
        (schedule.catch_up.mode, schedule.catch_up.max_runs),
        (CatchUpMode::None, 31)
    );
    // A bound alone does not contradict a default.
    assert_eq!(good(&["retry = { max = \"5s\" }"]).retry.first.as_secs(), 5);
    assert_eq!(
        good(&["retry = { first = \"2h\" }"]).retry.max.as_secs(),
        7200
    );
    assert_eq!(good(&["deadline = \"5s\""]).deadline.as_secs(), 5);
}

#[test]
fn of_two_ages_one_is_enough() {
    let hours = |lines: &[&str]| {
        let freshness = good(lines).freshness.expect("given");
        let hours = |time: Duration| time.as_secs() / 3600;
        (hours(freshness.warn_after), hours(freshness.error_after))
    };
    assert_eq!(hours(&["[freshness]"]), (26, 36));
    assert_eq!(hours(&["[freshness]", "warn_after = \"20h\""]), (20, 36));
    assert_eq!(hours(&["[freshness]", "warn_after = \"48h\""]), (48, 48));
    assert_eq!(hours(&["[freshness]", "error_after = \"20h\""]), (20, 20));
}

#[test]
fn windows_in_all_forms() {
    let fixed = Window::new("2025-01-01".parse().unwrap(), "2025-12-31".parse().unwrap()).unwrap();
    for (line, rule, partition) in [
        (
            "window = \"last_1_days\"",
            WindowRule::LastDays(1),
            Partition::Date,
        ),
        (
            "window = \"last_30_days\"",
            WindowRule::LastDays(30),
            Partition::Window,
        ),
        (
            "window = \"previous_week\"",
            WindowRule::PreviousWeek,
            Partition::Window,
        ),
        (
            "window = \"previous_month\"",
            WindowRule::PreviousMonth,
            Partition::Window,
        ),
        (
            "window = \"month_to_date\"",
            WindowRule::MonthToDate,
            Partition::Window,
        ),
        (
            "window = { from = \"-3d\", to = \"-1d\" }",
            WindowRule::Offsets { from: -3, to: -1 },
            Partition::Window,
        ),
        (
            "window = { from = \"-2d\", to = \"-2d\" }",
            WindowRule::Offsets { from: -2, to: -2 },
            Partition::Date,
        ),
        (
            "window = { from = \"2025-01-01\", to = \"2025-12-31\" }",
            WindowRule::Fixed(fixed),
            Partition::Window,
        ),
        (
            "window = { from = 2025-01-01, to = 2025-12-31 }",
            WindowRule::Fixed(fixed),
            Partition::Window,
        ),
    ] {
        let schedule = good(&[line]);
        assert_eq!(
            (schedule.window, schedule.partition),
            (rule, partition),
            "{line}"
        );
    }
}

#[test]
fn properties_in_all_forms() {
    let sets = |subjects_only| Properties::CompSets {
        ids: vec![5, 9],
        subjects_only,
    };
    for (line, properties) in [
        ("properties = { comp_sets = [9, 5] }", sets(false)),
        (
            "properties = { comp_sets = [9, 5], subjects_only = true }",
            sets(true),
        ),
        (
            "properties = { accounts = \"all\" }",
            Properties::Accounts(Accounts::All),
        ),
        (
            "properties = { accounts = [9901947] }",
            Properties::Accounts(Accounts::Ids(vec![9_901_947])),
        ),
    ] {
        assert_eq!(good(&[line]).properties, properties, "{line}");
    }
}

#[test]
fn properties_from_a_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "\u{feff}Property, Name\r\n 7 ,\"Oak, the \"\"old\"\"\"\r\n3,\r\n";
    std::fs::write(folder.path().join("list.csv"), csv).unwrap();
    let line =
        "properties = { file = \"list.csv\", column = \"Property\", name_column = \"Name\" }";
    std::fs::write(folder.path().join("one.toml"), text(&[line])).unwrap();
    let schedule = load_folder(folder.path()).unwrap().remove(0);
    let Properties::Listed(list) = schedule.properties else {
        panic!()
    };
    let names: Vec<_> = list
        .iter()
        .map(|property| (property.id, property.name.as_deref()))
        .collect();
    assert_eq!(names, [(3, None), (7, Some("Oak, the \"old\""))]);
}

#[test]
fn a_list_of_crons_is_one_cadence() {
    let schedule = good(&["cron = [\"@daily\", \"0 0 * * *\", \"0 12 * * 1-5\"]"]);
    assert_eq!(schedule.cadence.expressions().len(), 3);
    assert_eq!(schedule.cadence.zone(), schedule.timezone);
}

#[test]
fn other_files_of_the_folder_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ".hidden.toml",
        "one.toml~",
        "one.toml.bak",
        "list.csv",
        "README.md",
    ] {
        std::fs::write(folder.path().join(name), "not TOML").unwrap();
    }
    std::fs::write(folder.path().join("b.toml"), text(&[])).unwrap();
    std::fs::write(folder.path().join("a.toml"), text(&[])).unwrap();
    let names: Vec<String> = load_folder(folder.path())
        .unwrap()
        .iter()
        .map(|s| s.name.to_string())
        .collect();
    assert_eq!(names, ["a", "b"]);
    let faults = load_folder(&folder.path().join("nowhere")).unwrap_err();
    assert_eq!(faults[0].code, "missing-folder");
}

#[test]
fn faults_of_all_files_come_together() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("a.toml"),
        text(&["format = \"xml\"", "chunk = { days = 0 }"]),
    )
    .unwrap();
    std::fs::write(
        folder.path().join("b.toml"),
        text(&["timezone = \"Mars\"", "cron = \"61 * * * *\""]),
    )
    .unwrap();
    std::fs::write(folder.path().join("c.toml"), text(&[])).unwrap();
    let faults = load_folder(folder.path()).unwrap_err();
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["bad-value", "bad-chunk", "bad-zone", "bad-cron"]);
}

fn warnings(more: &[&str]) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.toml");
    std::fs::write(&file, text(more)).unwrap();
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let checked = check(&[file], std::iter::empty(), now);
    assert_eq!(checked.faults, []);
    checked
        .warnings
        .iter()
        .map(|warning| warning.code)
        .collect()
}

#[test]
fn what_was_probably_not_meant_is_a_warning() {
    assert_eq!(warnings(&[]), Vec::<&str>::new());
    assert_eq!(warnings(&["cron = \"0 6 * * *\""]), ["unfinished-day"]);
    assert_eq!(
        warnings(&["cron = \"30 11 * * *\"", "timezone = \"America/New_York\""]),
        ["unfinished-day"]
    );
    assert_eq!(
        warnings(&[
            "cron = \"0 6 * * *\"",
            "window = { from = \"-2d\", to = \"-2d\" }"
        ]),
        Vec::<&str>::new()
    );
    assert_eq!(
        warnings(&["window = \"last_3_days\""]),
        ["overlapping-windows"]
    );
    assert_eq!(
        warnings(&["window = \"last_3_days\"", "partition = \"date\""]),
        Vec::<&str>::new()
    );
    assert_eq!(
        warnings(&["window = \"previous_week\"", "cron = \"0 12 * * mon\""]),
        Vec::<&str>::new()
    );
    assert_eq!(
        warnings(&["window = { from = \"2025-01-01\", to = \"2025-12-31\" }"]),
        ["repeated-window"]
    );
    assert_eq!(
        warnings(&["cron = \"0 0 12 1 6 * 2026\""]),
        ["no-fire-left"]
    );
    assert_eq!(warnings(&["notify = { late = \"ops\" }"]), ["never-late"]);
}

#[test]
fn one_name_in_two_folders_is_a_fault() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths: Vec<PathBuf> = [&a, &b]
        .map(|folder| folder.path().join("one.toml"))
        .to_vec();
    for path in &paths {
        std::fs::write(path, text(&[])).unwrap();
    }
    let checked = check(
        &paths,
        std::iter::empty(),
        "2026-11-23T12:00:00Z".parse().unwrap(),
    );
    assert_eq!(
        checked
            .faults
            .iter()
            .map(|fault| fault.code)
            .collect::<Vec<_>>(),
        ["duplicate-name"]
    );
}

#[test]
fn a_file_of_ten_megabytes_and_one_of_latin_letters() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), vec![b'#'; 10 << 20]).unwrap();
    std::fs::write(
        folder.path().join("b.toml"),
        b"report = \"units\"\ndescription = \"caf\xe9\"\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("Big Name.toml"), text(&[])).unwrap();
    let faults = load_folder(folder.path()).unwrap_err();
    let found: Vec<(&str, usize)> = faults
        .iter()
        .map(|fault| (fault.code, fault.line))
        .collect();
    assert_eq!(found, [("bad-name", 1), ("too-large", 1), ("bad-utf8", 2)]);
}
