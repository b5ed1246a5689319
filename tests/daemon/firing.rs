//! A schedule fires by itself; the whole way, once with nothing but the binary's own processes.

use crate::stage::{PATIENCE, Process, Setup, Stage, list, output, text};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn cron_fires_and_the_run_lands() {
    let stage = Stage::running(Setup::default(), &[("cron", "\"*/2 * * * * *\"")]);
    stage.until("two jobs", |state| state["creates"].as_u64() >= Some(2));
    let runs = stage.verb(&["runs"]).exits(0).json();
    let first = list(&runs["runs"]).last().expect("a run").clone();
    assert_eq!(first["trigger"], "cron");
    let shown = stage.ended(&text(&first["id"]));
    assert_eq!(shown["run"]["state"], "landed", "{shown:#}");
    let nominal = text(&first["nominal_at"]);
    let nominal = chrono::DateTime::parse_from_rfc3339(&nominal).expect("an instant");
    assert_eq!(nominal.timestamp() % 2, 0, "{nominal}");
    let yesterday = nominal
        .with_timezone(&chrono_tz::America::Chicago)
        .date_naive();
    let yesterday = yesterday.pred_opt().expect("a day").to_string();
    assert_eq!(first["window"], json!({"from": yesterday, "to": yesterday}));
    stage.stop();
}

#[test]
fn the_simulated_service_can_be_a_process_of_its_own() {
    let stage = Stage::set(Setup::default());
    let mut command = stage.binary();
    command
        .args([
            "sandbox",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--job-time",
            "100ms",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the sandbox starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a document");
    let mut sandbox = Child(child);
    let described: Value = serde_json::from_str(&line).expect("one line of JSON");
    assert_eq!(described["schema"], "aptiqd.sandbox/1");
    stage.write_secret("own.secret", &text(&described["client_secret"]));
    let configuration = format!(
        "[api]\nbase_url = {}\ntoken_url = {}\nclient_id = {}\nclient_secret_file = \"own.secret\"\n\
         [callback]\nlisten = \"127.0.0.1:{callback}\"\npublic_url = \"http://127.0.0.1:{callback}\"\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"\n[download]\nallowed_hosts = [\"127.0.0.1\"]\n",
        described["base_url"],
        described["token_url"],
        described["client_id"],
        callback = stage.callback_port,
        admin = stage.admin_port,
    );
    stage.write("aptiqd.toml", &configuration);
    stage.schedule("daily", &[]);
    stage.start();
    let shown = stage.lands("daily", &crate::stage::DAY);
    assert_eq!(shown["parts"][0]["attempts"][0]["learned_by"], "callback");
    stage.stop();
    sandbox.end();
}

/// A child whose output was read; ended in order, or killed with the test.
struct Child(std::process::Child);

impl Child {
    fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let status = self.0.wait().expect("it can be waited for");
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_shows_the_whole_way_and_leaves_verified_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_aptiqd"));
    command
        .arg("demo")
        .arg("--dir")
        .arg(folder.path().join("demo"));
    let output = output(command);
    let (said, noted) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{said}\n{noted}");
    assert!(
        said.contains("duckdb"),
        "no line to read the files with: {said}"
    );
    assert!(said.contains("aptiqd "), "no next command: {said}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_aptiqd"));
    command
        .arg("verify")
        .arg("--json")
        .current_dir(folder.path().join("demo"));
    let output = crate::stage::output(command);
    let verified: Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(verified["ok"], json!(true), "{verified:#}");
    assert!(verified["files"].as_u64() >= Some(1), "{verified:#}");
}

#[test]
fn a_signal_reaches_only_the_process_it_is_meant_for() {
    let mut command = Command::new("sleep");
    command.arg("600");
    let mut sleeper = Process::spawn(command);
    sleeper.signal(rustix::process::Signal::KILL);
    let status = sleeper.wait(PATIENCE).expect("it ends");
    assert_eq!(status.code(), None);
}
