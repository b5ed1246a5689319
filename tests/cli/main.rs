//! The real binary as scripts and people call it: exit codes, streams, documents.

mod daemonless;
mod documents;
mod operations;
mod reference;
mod with_daemon;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary with nothing of this process's environment that could steer it.
fn aptiqd(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aptiqd"));
    command
        .args(words)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, words: &[&str]) -> Output {
    aptiqd(folder, words).output().expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is text")
}

/// Stdout as the one document it must be.
fn document(output: &Output) -> Value {
    let text = stdout(output);
    assert_eq!(
        text.lines().count(),
        1,
        "one line: {text}{}",
        stderr(output)
    );
    serde_json::from_str(&text).expect("stdout is JSON")
}

/// The error line on stderr.
fn error(output: &Output) -> Value {
    let text = stderr(output);
    let line = text.lines().last().unwrap_or_default();
    let document: Value =
        serde_json::from_str(line).unwrap_or_else(|_| panic!("no error in {text}"));
    document["error"].clone()
}
