//! Verbs against a running daemon and the simulated service, all of them the real binary.

use super::{aptiqd, code, document, error, run, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

const SCHEDULE: &str = "report = \"property\"\nformat = \"csv\"\ncron = \"30 12 * * *\"\n\
    timezone = \"America/Chicago\"\nwindow = \"yesterday\"\n\
    properties = { ids = [1, 2, 3] }\nchunk = { properties = 2, days = 31 }\n\
    retry = { attempts = 2, first = \"1s\", max = \"1s\" }\n";

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// SIGTERM, then the exit code.
    fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

pub struct Stage {
    folder: tempfile::TempDir,
    daemon: Option<Running>,
    _sandbox: Running,
}

impl Stage {
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// SIGTERM to the daemon; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.daemon.take().and_then(Running::stop)
    }

    /// A daemon once more, after [`Stage::stop`].
    pub fn start(&mut self) {
        self.daemon = Some(start(self.path()));
    }

    pub fn run(&self, words: &[&str]) -> std::process::Output {
        run(self.path(), words)
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The simulated service and a daemon with one schedule, ready.
pub fn stage(sandbox_words: &[&str]) -> Stage {
    stage_with(sandbox_words, None)
}

/// With another client secret than the simulated service's, from the first start on.
fn stage_with(sandbox_words: &[&str], secret: Option<&str>) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        &["sandbox", "--listen", "127.0.0.1:0", "--json"],
        sandbox_words,
    ]
    .concat();
    let mut sandbox = aptiqd(folder.path(), &words);
    let mut sandbox = Running(sandbox.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let out = sandbox.0.stdout.as_mut().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let described: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(described["schema"], "aptiqd.sandbox/1");
    let text = |key: &str| described[key].as_str().unwrap();
    let (callbacks, admin) = (free_port(), free_port());
    let config = format!(
        "[api]\nbase_url = \"{}\"\ntoken_url = \"{}\"\nclient_id = \"{}\"\n\
         client_secret_file = \"secret\"\nrequests_per_minute = 6000\npoll_interval = \"1s\"\n\
         [callback]\nlisten = \"127.0.0.1:{callbacks}\"\npublic_url = \"http://127.0.0.1:{callbacks}\"\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"\nsocket = \"admin.sock\"\n\
         [download]\nallowed_hosts = [\"127.0.0.1\"]\n",
        text("base_url"),
        text("token_url"),
        text("client_id"),
    );
    fs::write(folder.path().join("aptiqd.toml"), config).unwrap();
    let secret = secret.unwrap_or(text("client_secret"));
    write_secret(&folder.path().join("secret"), secret);
    fs::create_dir(folder.path().join("schedules")).unwrap();
    fs::write(folder.path().join("schedules/owned.toml"), SCHEDULE).unwrap();
    Stage {
        daemon: Some(start(folder.path())),
        folder,
        _sandbox: sandbox,
    }
}

/// A daemon that said that it is ready.
fn start(folder: &Path) -> Running {
    let mut daemon = aptiqd(folder, &["run"]);
    let mut daemon = Running(daemon.stderr(Stdio::piped()).spawn().unwrap());
    let err = daemon.0.stderr.take().unwrap();
    let mut lines = BufReader::new(err).lines();
    let ready = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("\"ready\""));
    assert!(ready.is_some(), "the daemon said nothing of being ready");
    // Whoever writes to a pipe nobody reads would stop one day.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    daemon
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_triggered_run_lands_and_every_reading_verb_shows_it() {
    let mut stage = stage(&["--job-time", "100ms"]);
    let triggered = stage.run(&["trigger", "owned", "--wait", "--json"]);
    assert_eq!(code(&triggered), 0, "{}", stderr(&triggered));
    let run = document(&triggered)["run"].clone();
    assert_eq!(
        (run["state"].as_str(), run["trigger"].as_str()),
        (Some("landed"), Some("manual"))
    );
    assert_eq!(run["parts"], serde_json::json!({"total": 2, "done": 2}));
    let id = run["id"].as_str().unwrap();

    let runs =
        document(&stage.run(&["runs", "--schedule", "owned", "--state", "landed", "--json"]));
    assert_eq!(runs["runs"][0], run);
    let none = document(&stage.run(&["runs", "--state", "failed", "--json"]));
    assert_eq!(none["runs"], serde_json::json!([]));

    let shown = document(&stage.run(&["show", id, "--json"]));
    assert_eq!(shown["run"], run);
    assert_eq!(shown["parts"][0]["attempts"][0]["learned_by"], "callback");
    assert_eq!(shown["parts"][0]["property_ids"], serde_json::json!([1, 2]));
    let path = shown["files"][0]["path"].as_str().unwrap();
    assert!(stage.path().join("exports").join(path).exists());
    let names = |events: &Value| -> Vec<String> {
        let events = events["events"].as_array().unwrap().iter();
        events
            .map(|event| event["event"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(
        names(&shown).contains(&"triggered".to_owned()),
        "{:?}",
        names(&shown)
    );
    let all = document(&stage.run(&["events", "--run", id, "--json"]));
    assert_eq!(names(&all), names(&shown));

    let status = document(&stage.run(&["status", "--json"]));
    assert_eq!(status["schedules"][0]["state"], "ok");
    assert_eq!(status["callbacks"]["received"], 2);
    assert_eq!(status["callbacks"]["share"], 1.0);
    for words in [&["status"][..], &["runs"], &["show", id], &["events"]] {
        let output = stage.run(words);
        assert_eq!(code(&output), 0, "{words:?}");
        let narrow = ["show", "events"].contains(&words[0])
            || stdout(&output)
                .lines()
                .all(|line| line.chars().count() <= 80);
        assert!(narrow, "{}", stdout(&output));
    }
    assert_eq!(code(&stage.run(&["verify", "owned"])), 0);
    assert_eq!(stage.stop(), Some(0));
    assert!(!stage.folder.path().join("admin.sock").exists());
}

#[test]
fn acts_are_refused_or_done_and_say_which() {
    let stage = stage(&["--fault", "hold"]);
    let unknown = stage.run(&["trigger", "nobody", "--json"]);
    assert_eq!(
        (code(&unknown), error(&unknown)["code"].as_str()),
        (4, Some("unknown_schedule"))
    );
    assert_eq!(code(&stage.run(&["show", "owned.20200101T000000Z"])), 4);
    assert_eq!(code(&stage.run(&["cancel", "no/such?run"])), 4);

    let dry = stage.run(&["trigger", "owned", "--dry-run", "--json"]);
    assert_eq!(code(&dry), 0, "{}", stderr(&dry));
    assert_eq!(
        document(&stage.run(&["runs", "--json"]))["runs"],
        serde_json::json!([])
    );

    let run = document(&stage.run(&["trigger", "owned", "--json"]))["run"].clone();
    let id = run["id"].as_str().unwrap();
    let again = stage.run(&["trigger", "owned", "--json"]);
    assert_eq!(
        (code(&again), error(&again)["code"].as_str()),
        (5, Some("conflict"))
    );
    assert_eq!(code(&stage.run(&["cancel", id, "--dry-run"])), 0);
    let cancelled = document(&stage.run(&["cancel", id, "--json"]));
    assert_eq!(cancelled["run"]["state"], "cancelled");
    let twice = stage.run(&["cancel", id, "--json"]);
    assert_eq!(
        (code(&twice), error(&twice)["code"].as_str()),
        (5, Some("conflict"))
    );

    assert_eq!(
        code(&stage.run(&["pause", "owned", "--reason", "audit", "--dry-run"])),
        0
    );
    assert_eq!(
        code(&stage.run(&["pause", "owned", "--reason", "audit"])),
        0
    );
    let status = document(&stage.run(&["status", "--json"]));
    assert_eq!(status["schedules"][0]["paused"]["reason"], "audit");
    assert_eq!(code(&stage.run(&["trigger", "owned"])), 5);
    assert_eq!(code(&stage.run(&["resume", "owned"])), 0);
    assert_eq!(code(&stage.run(&["resume", "owned"])), 5);
}

#[test]
fn a_reload_takes_all_files_or_none() {
    let stage = stage(&[]);
    let file = |name: &str| stage.path().join("schedules").join(name);
    fs::write(file("second.toml"), SCHEDULE).unwrap();
    let dry = document(&stage.run(&["reload", "--dry-run", "--json"]));
    assert_eq!(dry["added"], serde_json::json!(["second"]));
    let done = document(&stage.run(&["reload", "--json"]));
    assert_eq!(done["added"], serde_json::json!(["second"]));
    fs::write(file("third.toml"), SCHEDULE).unwrap();
    fs::write(file("owned.toml"), "cron = 1\n").unwrap();
    let refused = stage.run(&["reload", "--json"]);
    assert_eq!(
        (code(&refused), error(&refused)["code"].as_str()),
        (78, Some("config"))
    );
    let status = document(&stage.run(&["status", "--json"]));
    assert_eq!(status["config"]["ok"], false);
    let names = status["schedules"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["owned", "second"]);
}

#[test]
fn a_run_that_fails_fails_the_waiting_verb() {
    let stage = stage(&["--fault", "failed=always", "--job-time", "50ms"]);
    let output = stage.run(&["trigger", "owned", "--wait", "--json"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert_eq!(document(&output)["run"]["state"], "failed");
    assert_eq!(error(&output)["code"], "failed");
}

#[test]
fn a_refused_credential_ends_the_wait_with_77() {
    let stage = stage_with(&[], Some("wrong"));
    let output = stage.run(&["trigger", "owned", "--wait", "--json"]);
    assert_eq!(code(&output), 77, "{}{}", stdout(&output), stderr(&output));
    assert_eq!(error(&output)["code"], "credential_refused");
    let status = document(&stage.run(&["status", "--json"]));
    assert_eq!(status["credential"]["refused"], true);
    assert_eq!(status["attention"][0]["subject"], "credential");
}

#[test]
fn a_second_daemon_on_the_same_folder_exits_5() {
    let stage = stage(&[]);
    let second = stage.run(&["run", "--json"]);
    assert_eq!(code(&second), 5, "{}", stderr(&second));
    assert_eq!(error(&second)["code"], "conflict");
    assert_eq!(code(&stage.run(&["status"])), 0);
}

#[test]
fn runs_are_there_after_a_restart() {
    let mut stage = stage(&["--job-time", "50ms"]);
    let first = document(&stage.run(&["trigger", "owned", "--wait", "--json"]));
    assert_eq!(stage.stop(), Some(0));
    stage.start();
    let runs = document(&stage.run(&["runs", "--json"]));
    assert_eq!(runs["runs"], serde_json::json!([first["run"]]));
}

#[test]
fn interrupting_the_wait_leaves_the_run_alone() {
    let stage = stage(&["--fault", "hold"]);
    let mut command = aptiqd(stage.path(), &["trigger", "owned", "--wait"]);
    let mut waiting = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    assert!(
        line.contains("running") || line.contains("queued"),
        "{line}"
    );
    let pid = rustix::process::Pid::from_child(&waiting);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("goes on"), "{rest}");
    let runs = document(&stage.run(&["runs", "--json"]));
    assert_eq!(runs["runs"][0]["state"], "running");
}

#[test]
fn the_demo_lands_twice_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = run(folder.path(), &["demo", "--json"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let demo = document(&output);
        assert_eq!(
            (demo["run"]["state"].as_str(), &demo["verified"]),
            (Some("landed"), &true.into())
        );
        assert_eq!(demo["run"]["trigger"], "cron");
    }
    fs::write(folder.path().join("precious"), "").unwrap();
    let refused = run(folder.path(), &["demo", "--dir", "."]);
    assert_eq!(code(&refused), 5);
    assert!(folder.path().join("precious").exists());
}
