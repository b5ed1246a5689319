//! Child processes that cannot outlive a test, and waits that cannot outlast one.

use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// No single wait is longer; what takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// A running child; killed and reaped when dropped.
pub struct Process {
    pid: Pid,
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Process {
    pub fn spawn(mut command: Command) -> Process {
        let mut child = command.spawn().expect("the binary starts");
        let pid = pid_of(&child);
        let (sender, ended) = channel();
        std::thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for");
            let _ = sender.send(status);
        });
        Process {
            pid,
            ended,
            status: None,
        }
    }

    pub fn signal(&self, signal: Signal) {
        // A child that has just ended by itself is no fault of ours.
        let _ = kill_process(self.pid, signal);
    }

    /// The exit status, if it ends within the time.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.ended.recv_timeout(within).ok();
        }
        self.status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.wait(Duration::ZERO).is_none() {
            self.signal(Signal::KILL);
            self.wait(PATIENCE);
        }
    }
}

/// Runs a command to its end, or kills it when it takes too long.
pub fn output(mut command: Command) -> Output {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    let pid = pid_of(&child);
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match ended.recv_timeout(PATIENCE) {
        Ok(output) => output.expect("the output can be read"),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            let _ = kill_process(pid, Signal::KILL);
            let output = ended.recv().ok().and_then(Result::ok);
            let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
            panic!("{command:?} did not end: {}", text.unwrap_or_default());
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    let raw = i32::try_from(child.id()).expect("a pid is small");
    Pid::from_raw(raw).expect("a pid is positive")
}
