//! A program that gets the notice as JSON on its standard input. It gets time, and nothing of our environment that could
//! hold a secret; what it starts ends with it.

use super::notice::Notice;
use super::receiver::Broken;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const TIME_MAX: Duration = Duration::from_secs(30);
/// All that it inherits.
const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR"];

pub(super) async fn run(command: &[String], notice: &Notice) -> Result<(), Broken> {
    let failed = |error: io::Error| Broken::new(format!("the program cannot be run: {error}"));
    let [program, arguments @ ..] = command else {
        return Err(Broken::new("the command names no program"));
    };
    let mut running = start(program, arguments).map_err(failed)?;
    running.feed(&notice.document().to_string());
    let ended = tokio::time::timeout(TIME_MAX, running.ended()).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(Broken::new(format!("the program ended with {status}"))),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(Broken::new(format!(
            "the program took longer than {} s and was killed",
            TIME_MAX.as_secs()
        ))),
    }
}

fn start(program: &str, arguments: &[String]) -> io::Result<Running> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    let inherited = INHERITED.iter();
    command.envs(inherited.filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    Ok(Running {
        child: command.spawn()?,
        over: false,
    })
}

/// A child in a process group of its own; killed and reaped when it is dropped before its end.
struct Running {
    child: Child,
    over: bool,
}

impl Running {
    /// A notice is far smaller than a pipe's buffer, so this never waits.
    fn feed(&mut self, document: &str) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // Whoever does not read it may still do its work.
            let _ = stdin.write_all(document.as_bytes());
        }
    }

    async fn ended(&mut self) -> io::Result<ExitStatus> {
        // Watched without reaping it: until then its id cannot become another's.
        let (id, options) = (
            WaitId::Pid(self.pid()?),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        );
        let watched = tokio::task::spawn_blocking(move || waitid(id, options)).await;
        watched.map_err(io::Error::other)??;
        let status = self.child.wait()?;
        self.over = true;
        Ok(status)
    }

    fn pid(&self) -> io::Result<Pid> {
        let raw = i32::try_from(self.child.id()).ok();
        raw.and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("it has no process id"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // It is not reaped yet, so the id is still its own.
        if let Ok(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
