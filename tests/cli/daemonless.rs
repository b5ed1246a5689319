//! Verbs that need no daemon, and what the others say when there is none.

use super::{aptiqd, code, document, error, run, stderr, stdout};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

pub const SCHEDULE: &str = "report = \"property\"\nformat = \"csv\"\ncron = \"30 12 * * *\"\n\
    timezone = \"America/Chicago\"\nwindow = \"yesterday\"\n\
    properties = { ids = [1, 2, 3] }\nchunk = { properties = 2, days = 31 }\n";

/// A configuration whose admin side is nobody's, with one schedule.
pub fn configured() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("schedules")).unwrap();
    fs::write(folder.path().join("schedules/owned.toml"), SCHEDULE).unwrap();
    secret(&folder.path().join("token"));
    // Port 9 is discard's: nobody listens there.
    let config = "[api]\ntoken_file = \"token\"\n[admin]\nlisten = \"127.0.0.1:9\"\n";
    fs::write(folder.path().join("aptiqd.toml"), config).unwrap();
    folder
}

fn secret(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, "token").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn without_a_daemon_every_asking_verb_exits_69_and_names_the_command() {
    let folder = configured();
    for words in [
        &["status"][..],
        &["runs"],
        &["show", "owned.20261122T183000Z"],
        &["events"],
        &["trigger", "owned"],
        &["cancel", "owned.20261122T183000Z"],
        &["retry", "owned.20261122T183000Z"],
        &["pause", "owned", "--reason", "x"],
        &["resume", "owned"],
        &["reload"],
    ] {
        let output = run(folder.path(), words);
        assert_eq!(code(&output), 69, "{words:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("aptiqd run --config aptiqd.toml"),
            "{words:?}"
        );
        assert!(output.stdout.is_empty(), "{words:?}");
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let output = run(folder.path(), &words);
        assert_eq!(error(&output)["code"], "unreachable", "{words:?}");
        assert_eq!(error(&output)["retryable"], true, "{words:?}");
        assert_eq!(stderr(&output).lines().count(), 1, "{words:?}");
    }
}

#[test]
fn usage_errors_exit_2_and_help_exits_0() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["triger"][..],
        &["runs", "--limit", "x"],
        &["pause", "owned"],
        &[],
    ] {
        assert_eq!(code(&run(folder.path(), words)), 2, "{words:?}");
    }
    for words in [
        &["--help"][..],
        &["trigger", "--help"],
        &["--version"],
        &["help", "runs"],
    ] {
        let output = run(folder.path(), words);
        assert_eq!(code(&output), 0, "{words:?}");
        assert!(!output.stdout.is_empty(), "{words:?}");
    }
    let output = run(folder.path(), &["runs", "--json", "--nonsense"]);
    assert_eq!(
        (code(&output), error(&output)["code"].as_str()),
        (2, Some("usage"))
    );
}

#[test]
fn a_configuration_that_is_not_there_exits_78() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["status", "run", "check", "plan", "verify"] {
        for words in [
            &[verb, "--config", "nowhere.toml"][..],
            &["--config=nowhere.toml", verb],
        ] {
            let output = run(folder.path(), words);
            assert_eq!(code(&output), 78, "{words:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn init_check_and_plan_lead_from_nothing_to_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let dry = run(folder.path(), &["init", "mine", "--dry-run", "--json"]);
    assert_eq!(document(&dry)["dry_run"], true);
    assert!(!folder.path().join("mine").exists());
    assert_eq!(code(&run(folder.path(), &["init", "mine"])), 0);
    let again = run(folder.path(), &["init", "mine", "--json"]);
    assert_eq!(
        (code(&again), error(&again)["code"].as_str()),
        (5, Some("conflict"))
    );
    let inside = folder.path().join("mine");
    let unsecret = run(&inside, &["check", "--json"]);
    assert_eq!(code(&unsecret), 78);
    assert_eq!(document(&unsecret)["ok"], false);
    let plan = run(&inside, &["plan", "--next", "3", "--json"]);
    assert_eq!(
        code(&plan),
        0,
        "a missing secret hinders no plan: {}",
        stderr(&plan)
    );
    assert_eq!(document(&plan)["fires"].as_array().map(Vec::len), Some(3));
    fs::create_dir_all(inside.join("secrets")).unwrap();
    secret(&inside.join("secrets/token"));
    let sound = run(&inside, &["check", "--json"]);
    assert_eq!(code(&sound), 0, "{}", stderr(&sound));
    assert_eq!(document(&sound)["ok"], true);
}

#[test]
fn check_shows_every_fault_with_its_place() {
    let folder = configured();
    fs::write(
        folder.path().join("schedules/bad.toml"),
        "report = \"wat\"\ncron = 1\n",
    )
    .unwrap();
    let output = run(folder.path(), &["check", "--json"]);
    assert_eq!(code(&output), 78);
    let faults = document(&output)["faults"].clone();
    let faults = faults.as_array().unwrap();
    assert!(faults.len() >= 2, "{faults:?}");
    for fault in faults {
        assert!(
            fault["file"].as_str().unwrap().ends_with("bad.toml"),
            "{fault}"
        );
        assert!(fault["line"].as_u64().unwrap() > 0, "{fault}");
        assert!(!fault["help"].as_str().unwrap().is_empty(), "{fault}");
    }
    let human = run(folder.path(), &["check"]);
    assert!(stdout(&human).contains("bad.toml:1:"), "{}", stdout(&human));
    let single = run(folder.path(), &["check", "schedules/owned.toml"]);
    assert_eq!(code(&single), 0, "{}", stderr(&single));
}

/// On stderr, since the document has faults alone.
#[test]
fn check_warns_of_a_variable_that_is_nearly_an_override() {
    let folder = configured();
    for words in [&["check"][..], &["check", "--json"]] {
        let mut command = aptiqd(folder.path(), words);
        let nearly = command.env("APTIQD_API_BASE_URL", "http://127.0.0.1:7/x");
        let output = nearly.output().expect("the binary runs");
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let told = stderr(&output);
        assert!(told.contains("$APTIQD_API_BASE_URL:1:1"), "{told}");
        assert!(told.contains("APTIQD_API__BASE_URL"), "{told}");
    }
    let sound = stderr(&run(folder.path(), &["check"]));
    assert!(!sound.contains("APTIQD_"), "{sound}");
}

#[test]
fn a_plan_of_days_is_exact_and_an_unknown_schedule_exits_4() {
    let folder = configured();
    let words = [
        "plan",
        "owned",
        "--from",
        "2026-11-01",
        "--to",
        "2026-11-03",
        "--json",
    ];
    let plan = document(&run(folder.path(), &words));
    assert_eq!(plan["schema"], "aptiqd.plan/1");
    let fires = plan["fires"].as_array().unwrap();
    assert_eq!(fires.len(), 3);
    assert_eq!(fires[0]["nominal_at"], "2026-11-01T12:30:00-06:00");
    assert_eq!(fires[0]["window"]["from"], "2026-10-31");
    assert_eq!(
        (&fires[0]["parts"], &fires[0]["property_days"]),
        (&2.into(), &3.into())
    );
    let unknown = run(folder.path(), &["plan", "nobody", "--json"]);
    assert_eq!(
        (code(&unknown), error(&unknown)["code"].as_str()),
        (4, Some("unknown_schedule"))
    );
    let backwards = run(
        folder.path(),
        &["plan", "--from", "2026-11-03", "--to", "2026-11-01"],
    );
    assert_eq!(code(&backwards), 2);
}

#[test]
fn a_fault_of_the_configuration_stops_what_needs_no_daemon_too() {
    let folder = configured();
    let file = folder.path().join("aptiqd.toml");
    let sound = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{sound}\n[bogus]\nx = 1\n")).unwrap();
    for words in [
        &["plan", "--json"][..],
        &["verify", "--json"],
        &["sql", "--dialect", "duckdb", "--json"],
    ] {
        let output = run(folder.path(), words);
        assert_eq!(code(&output), 78, "{words:?}");
        assert_eq!(error(&output)["code"], "config", "{words:?}");
    }
}

#[test]
fn a_plan_counts_parts_of_one_day_where_the_files_hold_no_day() {
    let folder = configured();
    fs::write(
        folder.path().join("schedules/owned.toml"),
        "report = \"property\"\nformat = \"csv\"\ncron = \"30 12 * * *\"\ntimezone = \"America/Chicago\"\n\
         window = \"last_3_days\"\npartition = \"date\"\nproperties = { ids = [1, 2] }\n",
    )
    .unwrap();
    let parts = || {
        let plan = run(folder.path(), &["plan", "owned", "--next", "1", "--json"]);
        document(&plan)["fires"][0]["parts"].clone()
    };
    assert_eq!(parts(), 1);
    let meta = folder.path().join("exports/meta/owned");
    fs::create_dir_all(&meta).unwrap();
    let known = |column: &str| {
        let schema = format!("{{\"columns\":[{{\"name\":\"{column}\",\"type\":\"text\"}}]}}");
        fs::write(meta.join("schema.json"), schema).unwrap();
    };
    known("id");
    assert_eq!(parts(), 3);
    known("report_generation_date");
    assert_eq!(parts(), 1);
}

#[test]
fn verify_of_nothing_is_clean_and_of_an_unknown_schedule_exits_4() {
    let folder = configured();
    let clean = run(folder.path(), &["verify", "--json"]);
    assert_eq!(code(&clean), 0, "{}", stderr(&clean));
    assert_eq!(document(&clean)["ok"], true);
    assert_eq!(code(&run(folder.path(), &["verify", "owned"])), 0);
    assert_eq!(code(&run(folder.path(), &["verify", "nobody"])), 4);
    fs::create_dir_all(folder.path().join("exports/data/owned/date=2026-11-01")).unwrap();
    let stray = folder
        .path()
        .join("exports/data/owned/date=2026-11-01/owned.csv");
    fs::write(stray, "id\n").unwrap();
    let differs = run(folder.path(), &["verify", "--json"]);
    assert_eq!(code(&differs), 3);
    assert_eq!(
        document(&differs)["differences"][0]["state"],
        "without_manifest"
    );
    assert!(
        error(&differs)["message"]
            .as_str()
            .unwrap()
            .contains("owned.csv")
    );
}

#[test]
fn texts_for_editors_and_shells_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config", "schedule"] {
        let schema = run(folder.path(), &["schema", file]);
        let schema: serde_json::Value = serde_json::from_str(&stdout(&schema)).unwrap();
        assert!(schema["$schema"].is_string());
        let wrapped = document(&run(folder.path(), &["schema", file, "--json"]));
        assert_eq!(wrapped["document"], schema);
    }
    let script = stdout(&run(folder.path(), &["completions", "bash"]));
    assert!(script.contains("complete") && script.contains("trigger"));
    let page = stdout(&run(folder.path(), &["man"]));
    assert!(
        page.starts_with(".ie") || page.contains(".TH aptiqd"),
        "{page}"
    );
    assert!(page.contains("APTIQD TRIGGER"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = aptiqd(folder.path(), &["completions", "zsh"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    assert_eq!(text, "");
}
