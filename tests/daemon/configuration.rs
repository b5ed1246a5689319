//! A broken configuration is refused whole, before anything is opened; `init` begins with a sound one.

use crate::stage::{Setup, Stage, fields, list, text};
use serde_json::{Value, json};
use std::net::TcpStream;

/// Two files with three faults between them.
fn broken() -> Stage {
    let stage = Stage::set(Setup::default());
    stage.schedule(
        "one",
        &[("report", "\"rents\""), ("cron", "\"61 * * * *\"")],
    );
    stage.schedule("two", &[("timezone", "\"America/Chicgo\"")]);
    let configuration = std::fs::read_to_string(stage.path("aptiqd.toml")).expect("text");
    let configuration = configuration.replace("[callback]", "[callback]\nlisen = \"127.0.0.1:1\"");
    stage.write("aptiqd.toml", &configuration);
    stage
}

#[track_caller]
fn check_faults(faults: &[Value]) {
    assert_eq!(faults.len(), 4, "{faults:#?}");
    for (file, key) in [
        ("aptiqd.toml", "lisen"),
        ("one.toml", "report"),
        ("one.toml", "cron"),
        ("two.toml", "timezone"),
    ] {
        let found = faults.iter().any(|fault| {
            let path = text(&fault["file"]);
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            let line = fault["line"].as_u64().expect("a number") as usize;
            let line = source
                .lines()
                .nth(line.saturating_sub(1))
                .unwrap_or_default();
            path.ends_with(file) && line.starts_with(key)
        });
        assert!(found, "no fault at `{key}` of {file}: {faults:#?}");
    }
    for fault in faults {
        assert_eq!(
            fields(fault),
            ["code", "column", "file", "help", "line", "message"]
        );
        assert!(fault["column"].as_u64() >= Some(1));
        for words in ["code", "message", "help"] {
            assert!(!text(&fault[words]).is_empty(), "{fault}");
        }
    }
}

#[test]
fn check_tells_all_faults_of_all_files_at_once() {
    let stage = broken();
    let answer = stage.verb(&["check"]).exits(78);
    let report = answer.json();
    assert_eq!(fields(&report), ["faults", "ok", "schema"]);
    assert_eq!(report["schema"], "aptiqd.check/1");
    assert_eq!(report["ok"], json!(false));
    check_faults(list(&report["faults"]));
    assert_eq!(answer.error()["code"], "config");
    let plain = stage.plain(&["check"]).exits(78);
    let said = format!("{}{}", plain.stdout, plain.stderr);
    for fault in list(&report["faults"]) {
        let place = format!(
            "{}:{}:{}",
            text(&fault["file"]),
            fault["line"],
            fault["column"]
        );
        assert!(said.contains(&place), "{place} is not in {said}");
    }
    assert!(
        said.contains("America/Chicago"),
        "no help with the zone: {said}"
    );
    assert!(
        said.contains("report = \"rents\""),
        "the line is not shown: {said}"
    );
}

#[test]
fn a_daemon_with_faults_exits_78_with_all_of_them_and_opens_nothing() {
    let stage = broken();
    let answer = stage.plain(&["run"]).exits(78);
    for place in [
        "aptiqd.toml:",
        "one.toml:",
        "two.toml:",
        "report = \"rents\"",
    ] {
        assert!(answer.stderr.contains(place), "{place}: {}", answer.stderr);
    }
    for port in [stage.callback_port, stage.admin_port] {
        TcpStream::connect(("127.0.0.1", port)).expect_err("a port was opened");
    }
    assert!(!stage.path("state").exists(), "the state folder was made");
    assert!(
        !stage.path("exports").exists(),
        "the landing folder was made"
    );
    assert_eq!(stage.state()["requests"], json!({}));
}

#[test]
fn a_sound_configuration_checks_with_0() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    let report = stage.verb(&["check"]).exits(0).json();
    assert_eq!(
        report,
        json!({"schema": "aptiqd.check/1", "ok": true, "faults": []})
    );
    let one = stage.path("schedules/daily.toml").display().to_string();
    stage.verb(&["check", &one]).exits(0);
}

#[test]
fn a_secret_that_others_may_read_is_refused_with_the_chmod_that_mends_it() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(stage.path("client.secret"), open).expect("its mode");
    let answer = stage.plain(&["run"]).exits(78);
    assert!(answer.stderr.contains("chmod"), "{}", answer.stderr);
}

#[test]
fn a_key_of_the_environment_wins_and_is_checked() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    let check = |name: &str, value: &str| {
        let mut command = stage.binary();
        command
            .args(["check", "--json", "--config"])
            .arg(stage.path("aptiqd.toml"));
        command.env(name, value);
        stage.answer(command)
    };
    check("APTIQD_API__POLL_INTERVAL", "2m").exits(0);
    check("APTIQD_API__POLL_INTERVAL", "soon").exits(78);
    check("APTIQD_API__NO_SUCH_KEY", "1").exits(78);
}

#[test]
fn init_writes_what_check_finds_sound_but_for_the_token() {
    let stage = Stage::set(Setup::default());
    let folder = stage.path("fresh");
    let mut init = stage.binary();
    init.args(["init", "--json"]).arg(&folder);
    let made = stage.answer(init).exits(0).json();
    assert_eq!(made["schema"], "aptiqd.init/1");
    for file in list(&made["files"]) {
        assert!(folder.join(text(file)).exists(), "{file}");
    }
    let check = || {
        let mut check = stage.binary();
        check.args(["check", "--json"]).current_dir(&folder);
        stage.answer(check)
    };
    // Only the credential is missing, and the report says which file.
    let faults = check().exits(78).json();
    let [fault] = list(&faults["faults"]).as_slice() else {
        panic!("{faults:#}");
    };
    assert!(text(&fault["message"]).contains("token"), "{fault}");
    stage.write_secret("fresh/secrets/token", &stage.sandbox().access_token());
    check().exits(0);
    let mut again = stage.binary();
    again.arg("init").arg(&folder);
    stage.answer(again).exits(5);
}

/// Readers of `data/` rely on one kind of key and one format.
#[test]
fn a_schedule_goes_on_as_it_has_landed_or_is_refused_with_the_way_out() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[("format", "\"csv\""), ("partition", "\"date\"")]);
    stage.start();
    stage.lands("daily", &["--from", "2026-11-01", "--to", "2026-11-01"]);
    for (key, value, way) in [
        ("partition", "\"month\"", "partition = \"date\""),
        ("format", "\"jsonl\"", "format = \"csv\""),
    ] {
        let mut keys = vec![("format", "\"csv\""), ("partition", "\"date\"")];
        keys.retain(|(kept, _)| *kept != key);
        keys.push((key, value));
        stage.schedule("daily", &keys);
        let report = stage.verb(&["check"]).exits(78).json();
        let [fault] = &list(&report["faults"])[..] else {
            panic!("{report:#}")
        };
        assert_eq!(text(&fault["code"]), "landed-otherwise");
        assert!(text(&fault["help"]).contains(way), "{fault}");
        stage.verb(&["reload"]).exits(78);
    }
    stage.stop();
}
