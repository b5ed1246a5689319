//! The commands of all `sh` blocks, on a stage with the names that the documents use.

use super::read::{blocks, documents, root};
use crate::with_daemon::{Stage, stage};
use crate::{code, document, run, stderr};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Beginnings of commands that are not run here, and why. These must at least be something a shell can read.
const NOT_RUN: [(&str, &str); 19] = [
    (
        "aptiqd sandbox",
        "stays in the foreground: every stage here begins with it",
    ),
    (
        "aptiqd run",
        "stays in the foreground: every stage here has one",
    ),
    (
        "cd ",
        "moves the reader's shell; the stage's folder stands for it",
    ),
    (
        "apt ",
        "`.ci/package` installs, removes and purges the package",
    ),
    ("cp ", "copies files of an installation"),
    ("cargo rustc", "builds; the container's image is made by it"),
    ("cargo run", "`.ci/run` runs those of the README"),
    ("cargo test", "`.ci/run` runs those of the README"),
    ("df ", "looks at the folders of an installation"),
    ("docker ", "needs a container engine: `.ci/container`"),
    ("du ", "looks at the folders of an installation"),
    (
        "install ",
        "writes into the system, for the user aptiqd: `.ci/package`",
    ),
    ("journalctl ", "needs systemd: `.ci/boot`"),
    ("ls ", "looks at the folders of an installation"),
    ("systemctl daemon-reload", "needs systemd: `.ci/boot`"),
    ("systemctl enable", "needs systemd: `.ci/boot`"),
    ("systemctl status", "needs systemd: `.ci/boot`"),
    ("systemd-sysusers", "writes into the system: `.ci/systemd`"),
    ("tailscale ", "another program's, and an account's"),
];

/// Where another exit code than 0 may be the right answer on the stage.
const EXITS: [(&str, i32, &str); 2] = [
    (
        "aptiqd coverage NAME",
        3,
        "the stage's first run has failed, so cells lack unless it was mended",
    ),
    (
        "aptiqd events --limit 1000 | grep notice",
        1,
        "no notice has failed there",
    ),
];

/// Without `sudo` and its options: who runs a command makes no difference to a stage.
fn bare(command: &str) -> &str {
    let Some(rest) = command.strip_prefix("sudo ") else {
        return command;
    };
    rest.strip_prefix("-u aptiqd ").unwrap_or(rest)
}

fn reason(command: &str) -> Option<&'static (&'static str, &'static str)> {
    NOT_RUN
        .iter()
        .find(|(begins, _)| command.starts_with(begins))
}

#[test]
fn every_command_of_a_block_is_run_or_has_a_reason_not_to() {
    let mut ran = 0;
    let mut unused: BTreeSet<&str> = NOT_RUN.iter().map(|(begins, _)| *begins).collect();
    unused.extend(EXITS.iter().map(|(command, ..)| *command));
    let mut wrong = Vec::new();
    for page in documents() {
        for block in blocks(&page.text, "sh") {
            let runs = |command: &&String| reason(bare(command)).is_none();
            let mut stage = block.iter().any(|command| runs(&command)).then(Run::begin);
            for written in &block {
                let command = bare(written);
                let outcome = match (reason(command), &mut stage) {
                    (Some((begins, _)), _) => {
                        unused.remove(begins);
                        parses(written)
                    }
                    (None, Some(stage)) => {
                        ran += 1;
                        stage.perform(command, &mut unused)
                    }
                    (None, None) => unreachable!("a stage for whatever is run"),
                };
                if let Err(why) = outcome {
                    wrong.push(format!("{}: {written}\n{why}", page.name()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(ran > 30, "only {ran} commands were run");
    assert!(unused.is_empty(), "listed, and in no document: {unused:?}");
}

fn parses(command: &str) -> Result<(), String> {
    let read = shell(root(), &["-n"], command);
    match read.status.success() {
        true => Ok(()),
        false => Err(stderr(&read)),
    }
}

fn shell(folder: &Path, words: &[&str], command: &str) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    let mut shell = Command::new("bash");
    let shell = shell.args(words).args(["-o", "pipefail", "-c", command]);
    let shell = shell.current_dir(folder).env_clear().env("PATH", path);
    let mut shell = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash runs");
    // What is pasted where a command asks for it.
    let mut stdin = shell.stdin.take().expect("piped");
    let _ = stdin.write_all(b"pasted\n");
    drop(stdin);
    shell.wait_with_output().expect("it ends")
}

/// A daemon with one schedule, whose one run has failed and whose vendor works again.
struct Run {
    stage: Stage,
    failed: String,
    day: String,
}

impl Run {
    fn begin() -> Run {
        let stage = stage(&["--job-time", "50ms", "--fault", "failed=always"]);
        let path = stage.path().join("schedules/owned.toml");
        let schedule = fs::read_to_string(&path).unwrap();
        let schedule = schedule
            .replace("[1, 2, 3]", "[1]")
            .replace("attempts = 2", "attempts = 1");
        fs::write(&path, schedule).unwrap();
        assert_eq!(code(&stage.run(&["reload"])), 0);
        let failed = stage.run(&["trigger", "owned", "--wait", "--json"]);
        assert_eq!(code(&failed), 1, "{}", stderr(&failed));
        let run = document(&failed)["run"].clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        works_again(stage.path());
        let bin = stage.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_aptiqd"), bin.join("aptiqd")).unwrap();
        let sudo = bin.join("sudo");
        fs::write(
            &sudo,
            "#!/bin/sh\n[ \"$1\" != -u ] || shift 2\nexec \"$@\"\n",
        )
        .unwrap();
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
        Run {
            failed: text(&run["id"]),
            day: text(&run["window"]["from"]),
            stage,
        }
    }

    fn perform(&mut self, command: &str, unused: &mut BTreeSet<&str>) -> Result<(), String> {
        // The store's own verbs want a daemon that is not there.
        match command {
            "systemctl stop aptiqd.socket aptiqd.service" => {
                assert_eq!(self.stage.stop(), Some(0));
                return Ok(());
            }
            "systemctl start aptiqd.socket aptiqd.service" | "systemctl restart aptiqd" => {
                self.stage.stop();
                self.stage.start();
                return Ok(());
            }
            _ => {}
        }
        let output = shell(self.stage.path(), &[], &self.named(command));
        let exits = EXITS.iter().find(|(like, ..)| *like == command);
        if let Some((like, ..)) = exits {
            unused.remove(like);
        }
        let also = exits.map_or(0, |(_, exit, _)| *exit);
        match output.status.code() {
            Some(exit) if exit == 0 || exit == also => Ok(()),
            exit => Err(format!(
                "exit {exit:?}\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                stderr(&output)
            )),
        }
    }

    /// The command with the stage's names for those of the documents.
    fn named(&self, command: &str) -> String {
        let names = [
            ("/etc/aptiqd/aptiqd.toml", "aptiqd.toml"),
            ("/etc/aptiqd", "etc"),
            ("portfolio-daily", "owned"),
            ("PROPERTY", "1"),
            ("SCHEDULE", "owned"),
            ("NAME", "owned"),
            ("RUN", &self.failed),
            ("DATE", &self.day),
            ("REASON", "why not"),
        ];
        names.iter().fold(command.to_owned(), |text, (name, ours)| {
            text.replace(name, ours)
        })
    }
}

/// Takes the simulated service's faults away.
fn works_again(folder: &Path) {
    let config = fs::read_to_string(folder.join("aptiqd.toml")).unwrap();
    let address = config.split("base_url = \"http://").nth(1).unwrap();
    let address = address.split('/').next().unwrap();
    let mut control = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /_sandbox/faults HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    control.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    control.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_command_that_fails_is_seen() {
    let mut stage = Run::begin();
    let mut unused = BTreeSet::new();
    for wrong in [
        "aptiqd show nobody",
        "aptiqd runs --limt 5",
        "false | true",
        "nobody-has-this",
    ] {
        assert!(stage.perform(wrong, &mut unused).is_err(), "{wrong}");
    }
    assert!(parses("if true").is_err());
    let folder = stage.stage.path();
    assert_eq!(code(&run(folder, &["show", &stage.failed])), 0);
}
