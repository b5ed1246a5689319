//! What an operator can ask without a daemon.

use super::daemonless::{SCHEDULE, configured};
use super::{aptiqd, code, document, error, run, stderr, stdout};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_doctor_without_a_daemon_says_what_it_can_and_exits_69() {
    let folder = configured();
    let output = run(folder.path(), &["doctor", "--json"]);
    assert_eq!(code(&output), 69, "{}", stderr(&output));
    let doctor = document(&output);
    assert_eq!(doctor["schema"], "aptiqd.doctor/1");
    assert_eq!(doctor["ok"], false);
    let checks = doctor["checks"].as_array().unwrap();
    let names: Vec<&str> = checks
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    let expected = [
        "clock",
        "zones",
        "disk_state",
        "disk_landing",
        "permissions",
        "configuration",
        "daemon",
    ];
    assert_eq!(names, expected);
    assert_eq!(checks[5]["status"], "pass", "{}", checks[5]);
    assert_eq!(checks[6]["status"], "fail");
    assert!(checks[6]["help"].as_str().unwrap().contains("aptiqd run"));
    assert_eq!(error(&output)["code"], "unreachable");
    let person = run(folder.path(), &["doctor"]);
    assert_eq!(code(&person), 69);
    assert!(
        stdout(&person).contains("configuration"),
        "{}",
        stdout(&person)
    );
    assert!(
        !folder.path().join("state").exists(),
        "a doctor makes nothing"
    );
}

#[test]
fn an_open_secret_is_found_with_its_chmod() {
    let folder = configured();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(folder.path().join("token"), open).unwrap();
    let output = run(folder.path(), &["doctor", "--json"]);
    assert_eq!(code(&output), 69);
    let doctor = document(&output);
    for name in ["permissions", "configuration"] {
        let checks = doctor["checks"].as_array().unwrap().iter();
        let line = checks.clone().find(|one| one["name"] == name).unwrap();
        assert_eq!(line["status"], "fail", "{line}");
    }
    let text = doctor.to_string();
    assert!(text.contains("chmod 600 "), "{text}");
}

#[test]
fn a_doctor_of_a_configuration_that_is_not_there_exits_78() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &["doctor", "--config", "nowhere.toml", "--json"],
    );
    assert_eq!(code(&output), 78, "{}", stderr(&output));
    assert_eq!(document(&output)["checks"][0]["name"], "configuration");
    let nowhere = run(folder.path(), &["doctor", "--json"]);
    assert_eq!(code(&nowhere), 69, "{}", stderr(&nowhere));
    assert_eq!(document(&nowhere)["checks"][0]["status"], "fail");
}

#[test]
fn without_a_daemon_the_operators_verbs_exit_69_and_plugins_by_their_own_rules() {
    let folder = configured();
    for words in [
        &["callback", "test", "--json"][..],
        &["token", "check", "--json"],
    ] {
        let output = run(folder.path(), words);
        assert_eq!(code(&output), 69, "{words:?}");
        assert_eq!(error(&output)["code"], "unreachable", "{words:?}");
    }
    for (words, exit, begins) in [
        (
            &["status", "--nagios"][..],
            2,
            "APTIQD CRITICAL - no daemon answers",
        ),
        (&["freshness", "--nagios"], 3, "APTIQD FRESHNESS UNKNOWN - "),
        (
            &["token", "check", "--nagios"],
            3,
            "APTIQD TOKEN UNKNOWN - ",
        ),
    ] {
        let output = run(folder.path(), words);
        assert_eq!(code(&output), exit, "{words:?}");
        assert!(stdout(&output).starts_with(begins), "{}", stdout(&output));
        assert_eq!(stdout(&output).lines().count(), 1, "{words:?}");
        let both: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let output = run(folder.path(), &both);
        assert_eq!(error(&output)["code"], "usage", "{words:?}");
    }
}

#[test]
fn sql_needs_neither_daemon_nor_secret() {
    let folder = configured();
    fs::remove_file(folder.path().join("token")).unwrap();
    for (dialect, word) in [
        ("duckdb", "read_csv("),
        ("snowflake", "COPY INTO"),
        ("bigquery", "CREATE OR REPLACE EXTERNAL TABLE"),
    ] {
        let words = ["sql", "--dialect", dialect];
        let output = run(folder.path(), &words);
        assert_eq!(code(&output), 0, "{dialect}: {}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains(word), "{text}");
        let silent = text
            .lines()
            .all(|line| line.is_empty() || line.starts_with("--"));
        assert!(silent, "nothing has landed, so nothing may run: {text}");
        let words = ["sql", "owned", "--dialect", dialect, "--json"];
        let answer = document(&run(folder.path(), &words));
        assert_eq!(answer["schema"], "aptiqd.sql/1");
        assert_eq!(answer["dialect"], dialect);
        assert_eq!(answer["schedules"][0]["table"], "owned");
    }
    assert_eq!(code(&run(folder.path(), &["sql"])), 2);
    assert_eq!(
        code(&run(folder.path(), &["sql", "--dialect", "oracle"])),
        2
    );
    let unknown = run(
        folder.path(),
        &["sql", "ownd", "--dialect", "duckdb", "--json"],
    );
    assert_eq!(code(&unknown), 4);
    assert!(
        error(&unknown)["help"]
            .as_str()
            .unwrap()
            .contains("`owned`")
    );
    fs::write(folder.path().join("schedules/bad.toml"), "cron = 1\n").unwrap();
    assert_eq!(
        code(&run(folder.path(), &["sql", "--dialect", "duckdb"])),
        78
    );
    assert!(SCHEDULE.contains("csv"));
}

#[test]
fn the_simulated_service_stays_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8480"] {
        let output = run(folder.path(), &["sandbox", "--listen", listen, "--json"]);
        assert_eq!(code(&output), 2, "{listen}: {}", stderr(&output));
        let error = error(&output);
        assert_eq!(error["code"], "usage");
        assert!(
            error["help"].as_str().unwrap().contains("127.0.0.1"),
            "{error}"
        );
    }
}

#[test]
fn a_dry_demo_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let dry = run(folder.path(), &["demo", "--dry-run", "--json"]);
    assert_eq!(code(&dry), 0, "{}", stderr(&dry));
    let dry = document(&dry);
    assert_eq!(
        (&dry["schema"], &dry["dry_run"]),
        (&"aptiqd.demo/1".into(), &true.into())
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(folder.path().join("precious"), "").unwrap();
    let refused = run(folder.path(), &["demo", "--dry-run", "--dir", "."]);
    assert_eq!(code(&refused), 5);
}

#[test]
fn a_demo_without_a_folder_for_temporary_files_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = aptiqd(folder.path(), &["demo", "--json"]);
    let output = command.env("TMPDIR", folder.path().join("none")).output();
    let output = output.expect("the binary runs");
    assert_eq!(code(&output), 1);
    let error = error(&output);
    let told = |key: &str| error[key].as_str().unwrap().to_owned();
    assert!(told("message").contains("/none/"), "{error}");
    assert!(told("help").contains("$TMPDIR"), "{error}");
}

#[test]
fn colours_come_only_when_they_are_forced_or_a_terminal_is_there() {
    let folder = configured();
    let coloured = |name: &str, value: &str| {
        let mut command = aptiqd(folder.path(), &["doctor"]);
        let output = command.env(name, value).output().unwrap();
        stdout(&output).contains('\u{1b}')
    };
    assert!(!coloured("TERM", "xterm"));
    assert!(coloured("CLICOLOR_FORCE", "1"));
    let mut both = aptiqd(folder.path(), &["doctor"]);
    let both = both
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!stdout(&both).contains('\u{1b}'));
}
