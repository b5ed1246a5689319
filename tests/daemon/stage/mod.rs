//! A temporary folder, a simulated ApartmentIQ in this process, and the real binary beside it.

mod canary;
mod process;
mod setup;
mod web;

use aptiqd::sandbox::Sandbox;
use canary::Canary;
pub use process::{PATIENCE, Process, output};
use rustix::process::Signal;
use serde_json::Value;
pub use setup::{Callbacks, Credential, Key, Sections, Setup, schedule};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
pub use web::{Said, knock, raw};

/// The days that tests export unless they say otherwise.
pub const DAY: [&str; 4] = ["--from", "2026-11-01", "--to", "2026-11-01"];

pub struct Stage {
    pub folder: TempDir,
    pub callback_port: u16,
    pub admin_port: u16,
    sandbox: Option<Sandbox>,
    runtime: Option<Runtime>,
    http: reqwest::Client,
    daemon: Mutex<Option<Process>>,
    heard: Mutex<Vec<String>>,
    violations_expected: bool,
}

/// What a verb answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// Itself, if it ended in this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Answer {
        assert_eq!(
            self.code, code,
            "stdout {}\nstderr {}",
            self.stdout, self.stderr
        );
        self
    }

    /// The one document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// The one error line on stderr.
    #[track_caller]
    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        let document: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", self.stderr));
        document["error"].clone()
    }
}

impl Stage {
    /// Everything in place, the daemon not yet started.
    pub fn set(setup: Setup) -> Stage {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let sandbox = runtime
            .block_on(Sandbox::start(setup.sandbox.clone()))
            .expect("the sandbox starts");
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        let stage = Stage {
            folder: tempfile::Builder::new()
                .prefix("aiq")
                .tempdir()
                .expect("a folder"),
            callback_port: free_port(),
            admin_port: free_port(),
            sandbox: Some(sandbox),
            runtime: Some(runtime),
            http,
            daemon: Mutex::new(None),
            heard: Mutex::new(Vec::new()),
            violations_expected: setup.violations_expected,
        };
        stage.write_configuration(&setup);
        stage
    }

    /// Like [`Stage::set`] with one schedule `daily` and the daemon running.
    pub fn running(setup: Setup, keys: &[Key]) -> Stage {
        let stage = Stage::set(setup);
        stage.schedule("daily", keys);
        stage.start();
        stage
    }

    fn write_configuration(&self, setup: &Setup) {
        let sandbox = self.sandbox();
        self.write_secret("client.secret", &sandbox.client_secret());
        self.write_secret("token", &sandbox.access_token());
        let quoted = |text: String| format!("{text:?}");
        let mut sections = Sections::default();
        sections.set("api.base_url", quoted(sandbox.base_url()));
        sections.set("api.token_url", quoted(sandbox.token_url()));
        match setup.credential {
            Credential::Client => {
                sections.set("api.client_id", quoted(sandbox.client_id()));
                sections.set("api.client_secret_file", "\"client.secret\"");
            }
            Credential::Token => sections.set("api.token_file", "\"token\""),
        }
        sections.set("api.requests_per_minute", "100000");
        sections.set("api.request_timeout", "\"5s\"");
        sections.set("api.poll_interval", "\"1s\"");
        sections.set("api.submit_settle", "\"1s\"");
        sections.set(
            "callback.listen",
            format!("\"127.0.0.1:{}\"", self.callback_port),
        );
        if setup.callbacks == Callbacks::On {
            let url = format!("\"http://127.0.0.1:{}\"", self.callback_port);
            sections.set("callback.public_url", url);
        }
        sections.set("admin.listen", format!("\"127.0.0.1:{}\"", self.admin_port));
        sections.set("download.allowed_hosts", "[\"127.0.0.1\"]");
        for (key, value) in &setup.settings {
            sections.set(key, *value);
        }
        self.write("aptiqd.toml", &sections.to_toml());
        fs::create_dir_all(self.path("schedules")).expect("a folder");
    }

    pub fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().expect("it stands until the end")
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub fn write_secret(&self, below: &str, text: &str) {
        self.write(below, text);
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.path(below), mode).expect("its mode");
    }

    pub fn schedule(&self, name: &str, keys: &[Key]) {
        self.write(&format!("schedules/{name}.toml"), &schedule(keys));
    }

    /// The binary, with nothing of this process's surroundings but what any process has.
    pub fn binary(&self) -> Command {
        self.binary_of(env!("CARGO_BIN_EXE_aptiqd"))
    }

    /// Another program in the same surroundings.
    pub fn binary_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path());
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("APTIQD_LOG", "debug");
        command
    }

    /// The command that starts the daemon; its log goes to `daemon.log`.
    pub fn daemon_command(&self) -> Command {
        let mut command = self.binary();
        command
            .args(["run", "--config"])
            .arg(self.path("aptiqd.toml"));
        self.log_to_file(&mut command);
        command
    }

    pub fn log_to_file(&self, command: &mut Command) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("daemon.log"))
            .expect("a log");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
    }

    /// Starts the daemon and waits until it says that it can acknowledge callbacks.
    #[track_caller]
    pub fn start(&self) {
        let command = self.daemon_command();
        self.start_with(command);
    }

    #[track_caller]
    pub fn start_with(&self, command: Command) {
        let (process, ready) = self.launch(command);
        assert!(ready, "the daemon ended at its start\n{}", self.log());
        *self.daemon() = Some(process);
    }

    /// A daemon, and whether it became ready; if not, it has ended.
    #[track_caller]
    pub fn launch(&self, command: Command) -> (Process, bool) {
        let (process, ready, _) = self.launch_told(command);
        (process, ready)
    }

    #[track_caller]
    fn launch_told(&self, command: Command) -> (Process, bool, UnixDatagram) {
        self.launch_until(command, "READY=1")
    }

    /// A daemon that told its supervisor this, or that has ended.
    #[track_caller]
    fn launch_until(&self, mut command: Command, said: &str) -> (Process, bool, UnixDatagram) {
        let socket = self.path("notify.sock");
        let _ = fs::remove_file(&socket);
        let notices = UnixDatagram::bind(&socket).expect("a socket");
        command.env("NOTIFY_SOCKET", &socket);
        let mut process = Process::spawn(command);
        let ready = self.await_notice(&notices, &mut process, said);
        (process, ready, notices)
    }

    /// A daemon that has begun to start, but is held up before it is ready.
    #[track_caller]
    pub fn start_held_up(&self) {
        let command = self.daemon_command();
        let (process, starting, _) = self.launch_until(command, "STATUS=opening the state");
        assert!(starting, "the daemon ended at its start\n{}", self.log());
        *self.daemon() = Some(process);
    }

    /// Starts the daemon under a watchdog; nobody reads what it says on the socket that is returned.
    #[track_caller]
    pub fn start_unheard(&self) -> UnixDatagram {
        let mut command = self.daemon_command();
        command.env("WATCHDOG_USEC", "200000");
        let (process, ready, notices) = self.launch_told(command);
        assert!(ready, "the daemon ended at its start\n{}", self.log());
        *self.daemon() = Some(process);
        notices
    }

    #[track_caller]
    fn await_notice(&self, notices: &UnixDatagram, process: &mut Process, said: &str) -> bool {
        notices
            .set_read_timeout(Some(Duration::from_millis(250)))
            .expect("a time limit");
        let begun = Instant::now();
        let mut notice = [0; 4096];
        loop {
            if let Ok(bytes) = notices.recv(&mut notice)
                && String::from_utf8_lossy(&notice[..bytes]).contains(said)
            {
                return true;
            }
            if process.wait(Duration::ZERO).is_some() {
                return false;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{said} is never said\n{}",
                self.log()
            );
        }
    }

    fn daemon(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SIGTERM, or whichever, and the exit code; `None` when a signal ended it.
    #[track_caller]
    pub fn end(&self, signal: Signal) -> Option<i32> {
        let mut process = self.daemon().take().expect("the daemon runs");
        process.signal(signal);
        let status = process.wait(PATIENCE);
        let status = status.unwrap_or_else(|| panic!("it does not stop\n{}", self.log()));
        status.code()
    }

    /// A signal that does not end it.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let process = self.daemon();
        process.as_ref().expect("the daemon runs").signal(signal);
    }

    #[track_caller]
    pub fn stop(&self) {
        assert_eq!(self.end(Signal::TERM), Some(0), "{}", self.log());
    }

    pub fn kill(&self) {
        assert_eq!(self.end(Signal::KILL), None);
    }

    /// The exit code of a daemon that ends without being told to; `None`: by a signal.
    #[track_caller]
    pub fn ended_by_itself(&self) -> Option<i32> {
        let mut process = self.daemon().take().expect("the daemon runs");
        let status = process.wait(PATIENCE);
        let status = status.unwrap_or_else(|| panic!("it goes on\n{}", self.log()));
        status.code()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// Keeps what was said for the search for secrets at the end.
    pub fn hear(&self, text: &str) {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.to_owned());
    }

    /// A verb with `--json`.
    #[track_caller]
    pub fn verb(&self, words: &[&str]) -> Answer {
        let mut command = self.binary();
        command.args(words).arg("--json").arg("--config");
        command.arg(self.path("aptiqd.toml"));
        self.answer(command)
    }

    /// A verb as a person types it.
    #[track_caller]
    pub fn plain(&self, words: &[&str]) -> Answer {
        let mut command = self.binary();
        command
            .args(words)
            .arg("--config")
            .arg(self.path("aptiqd.toml"));
        self.answer(command)
    }

    #[track_caller]
    pub fn answer(&self, command: Command) -> Answer {
        let output = output(command);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let answer = Answer {
            code: output.status.code().expect("it ended by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        self.hear(&answer.stdout);
        self.hear(&answer.stderr);
        answer
    }

    /// Triggers a run of these days and follows it to its end.
    #[track_caller]
    pub fn trigger(&self, schedule: &str, days: &[&str]) -> Answer {
        let words: Vec<&str> = ["trigger", schedule, "--wait"]
            .into_iter()
            .chain(days.iter().copied())
            .collect();
        self.verb(&words)
    }

    /// Triggers a run and does not wait; its id.
    #[track_caller]
    pub fn begin(&self, schedule: &str, days: &[&str]) -> String {
        let words: Vec<&str> = ["trigger", schedule]
            .into_iter()
            .chain(days.iter().copied())
            .collect();
        text(&self.verb(&words).exits(0).json()["run"]["id"])
    }

    /// A run that must land; its `show` document.
    #[track_caller]
    pub fn lands(&self, schedule: &str, days: &[&str]) -> Value {
        let run = self.trigger(schedule, days).exits(0).json();
        self.show(&text(&run["run"]["id"]))
    }

    #[track_caller]
    pub fn show(&self, run: &str) -> Value {
        self.verb(&["show", run]).exits(0).json()
    }

    pub fn exports(&self, below: &str) -> PathBuf {
        self.path("exports").join(below)
    }

    /// Every file below a folder of the landing folder, sorted.
    pub fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.exports(below)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => open.push(path),
                    false => found.push(path),
                }
            }
        }
        found.sort();
        found
    }

    /// A published partition's manifest.
    #[track_caller]
    pub fn manifest(&self, schedule: &str, key: &str) -> Value {
        let path = self.exports(&format!("meta/{schedule}/{key}.json"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("a manifest is JSON")
    }

    fn check_secrets(&self) {
        let mut canary = Canary::new();
        let sandbox = self.sandbox();
        canary.add("the client secret", &sandbox.client_secret());
        canary.add("the access token", &sandbox.access_token());
        canary.add_keys(&self.path("state/callback.key"));
        canary.add_addresses(&sandbox.state());
        self.hear(&self.log());
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for text in heard.iter() {
            if let Some(found) = canary.found_in(text) {
                panic!("{found}");
            }
        }
    }

    fn check_conduct(&self) {
        let state = self.sandbox().state();
        let violations = &state["violations"];
        assert_eq!(
            violations.as_array().map(Vec::len),
            Some(0),
            "{violations:#}"
        );
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.daemon().take());
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(12_000);
            let tail = log.get(from..).unwrap_or(&log);
            eprintln!("--- the daemon's log\n{tail}\n---");
        } else {
            self.check_secrets();
            if !self.violations_expected {
                self.check_conduct();
            }
        }
        if let (Some(sandbox), Some(runtime)) = (self.sandbox.take(), self.runtime.take()) {
            // In order, so that its files go; a stop that hangs must not hide why a test failed.
            let stopping = runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(5), sandbox.stop()).await
            });
            runtime.shutdown_background();
            assert!(
                stopping.is_ok() || std::thread::panicking(),
                "the sandbox does not stop"
            );
        }
    }
}

/// A port below those that the system gives away by itself, no other one of this process's.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 10_000 + (std::process::id() % 200) as u16 * 100;
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A JSON text.
#[track_caller]
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// The names of an object's fields, sorted.
#[track_caller]
pub fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object();
    let object = object.unwrap_or_else(|| panic!("{value} is no object"));
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[track_caller]
pub fn list(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is no list"))
}

/// SHA-256 of a file, as hex.
pub fn sha256(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
