//! Below the process: SIGKILL at, and errors from, the system calls of a whole run, injected by strace. Whatever was begun is
//! finished by the next start.

use crate::stage::{DAY, Setup, Stage, list, text};
use crate::stopping::landed_once;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// One injection: the `at`th such call of a thread.
#[derive(Clone, Copy, Debug)]
struct Point {
    call: &'static str,
    /// `signal=KILL` or `error=EIO`.
    what: &'static str,
    at: u32,
}

/// What became of a process that was tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Injected,
    NeverReached,
}

fn has_strace() -> bool {
    let killed = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=exit_group"])
        .args(["-e", "inject=exit_group:signal=KILL:when=1", "true"])
        .status();
    let works = killed.is_ok_and(|status| status.signal() == Some(9));
    if !works {
        println!("skipped: strace is not installed, or may not trace and kill");
    }
    works
}

impl Point {
    /// The daemon under strace. `-D`: strace is the grandchild, so the daemon is the one that is waited for and killed.
    fn command(self, stage: &Stage) -> Command {
        let daemon = stage.daemon_command();
        let mut command = stage.binary_of("strace");
        command.args(["-D", "-f", "-qq"]);
        if self.what != KILL {
            // Faster, but a signal that a tracer injects at a stop of seccomp's is lost.
            command.arg("--seccomp-bpf");
        }
        command.arg("-o").arg(stage.path("strace.log"));
        command.arg("-e").arg(format!("trace={}", self.call));
        command.arg("-e").arg(format!(
            "inject={}:{}:when={}",
            self.call, self.what, self.at
        ));
        command.arg(daemon.get_program()).args(daemon.get_args());
        command.env("APTIQD_LOG", "error");
        stage.log_to_file(&mut command);
        command
    }

    /// `ended`: how the process ended by itself, if it did.
    fn was_met(self, stage: &Stage, ended: Option<ExitStatus>) -> Met {
        let said = std::fs::read_to_string(stage.path("strace.log")).unwrap_or_default();
        let killed = ended.is_some_and(|status| status.signal() == Some(9));
        match killed || said.contains("(INJECTED)") {
            true => Met::Injected,
            false => Met::NeverReached,
        }
    }
}

/// A run under tampering, then a calm start that must finish it.
fn survive(point: Point) -> Met {
    let setup = Setup::default().with("api.submit_settle", "\"2s\"");
    let stage = Stage::set(setup);
    stage.schedule(
        "daily",
        &[("retry", "{ attempts = 9, first = \"1s\", max = \"1s\" }")],
    );
    let (mut process, ready) = stage.launch(point.command(&stage));
    let mut calm = false;
    if ready {
        // It may die at any moment of this, and of what follows.
        let begun = stage.verb(&["trigger", "daily", DAY[0], DAY[1], DAY[2], DAY[3], "--wait"]);
        stage.hear(&begun.stdout);
        calm = begun.code == 0;
    }
    // A client may hear of a death before the parent does.
    let ended = process.wait(match calm {
        true => Duration::ZERO,
        false => Duration::from_secs(2),
    });
    let met = point.was_met(&stage, ended);
    drop(process);
    let _ = std::fs::remove_file(stage.path("strace.log"));
    stage.start();
    let runs = stage.verb(&["runs"]).exits(0).json();
    let run = match list(&runs["runs"]).first() {
        Some(run) => text(&run["id"]),
        None => stage.begin("daily", &DAY),
    };
    stage.ended(&run);
    if !stage.files("staging").is_empty() {
        swept_when_old(&stage);
    }
    landed_once(&stage, &run, 1);
    stage.stop();
    met
}

/// The call that failed may have been the one that removes a working folder; then a later start does it.
fn swept_when_old(stage: &Stage) {
    stage.stop();
    let long_ago = SystemTime::now() - Duration::from_secs(60 * 86_400);
    for entry in std::fs::read_dir(stage.path("exports/staging")).expect("a folder") {
        let folder = std::fs::File::open(entry.expect("an entry").path()).expect("it opens");
        folder.set_modified(long_ago).expect("its time is set");
    }
    stage.start();
}

/// Tries points side by side; most of each is waiting. How many met their call.
fn survive_all(points: &[Point], side_by_side: usize) -> usize {
    let (next, injected) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match std::panic::catch_unwind(|| survive(*point)) {
                        Ok(Met::Injected) => drop(injected.fetch_add(1, Ordering::SeqCst)),
                        Ok(Met::NeverReached) => {}
                        Err(_) => failures.lock().expect("no panic holds it").push(*point),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic holds it");
    assert!(failures.is_empty(), "not survived: {failures:#?}");
    injected.into_inner()
}

const KILL: &str = "signal=KILL";

const fn point(call: &'static str, what: &'static str, at: u32) -> Point {
    Point { call, what, at }
}

#[test]
fn killed_at_some_system_calls_of_a_run() {
    if !has_strace() {
        return;
    }
    let points = [
        point("fdatasync", KILL, 2),
        point("fdatasync", KILL, 5),
        point("fsync", KILL, 3),
        point("rename", KILL, 3),
        point("sendto", KILL, 2),
        point("openat", KILL, 9),
    ];
    let injected = survive_all(&points, 3);
    println!(
        "{injected} of {} kills at a system call, all survived",
        points.len()
    );
    assert!(injected >= 3, "the injections did not happen");
}

#[test]
fn some_failing_system_calls_are_survived() {
    if !has_strace() {
        return;
    }
    let points = [
        point("fdatasync", "error=EIO", 3),
        point("fsync", "error=EIO", 2),
        // The first write of a thread may be the one that wakes the runtime: a broken runtime ends the process.
        point("write", "error=ENOSPC", 1),
        point("rename", "error=ENOSPC", 1),
        point("ftruncate", "error=EIO", 1),
    ];
    let injected = survive_all(&points, 2);
    println!(
        "{injected} of {} failing system calls, all survived",
        points.len()
    );
    assert!(injected >= 2, "the injections did not happen");
}

/// Every `at` of a call until a whole run has fewer of them.
fn sweep(call: &'static str, what: &'static str, most: u32) -> usize {
    const BATCH: u32 = 8;
    let mut injected = 0;
    let mut end = " until a run has no more of them";
    for from in (1..=most).step_by(BATCH as usize) {
        let points: Vec<Point> = (from..from + BATCH)
            .map(|at| point(call, what, at))
            .collect();
        let met = survive_all(&points, 4);
        injected += met;
        if met == 0 {
            break;
        }
        if from + BATCH > most {
            end = " and the later ones left out";
        }
    }
    println!("{call} {what}: {injected} injections{end}, all survived");
    injected
}

#[test]
#[ignore = "an hour long; .ci/torture runs it"]
fn killed_at_every_system_call_of_a_run() {
    if !has_strace() {
        return;
    }
    let calls = [
        "fdatasync",
        "fsync",
        "rename",
        "openat",
        "write",
        "pwrite64",
        "sendto",
        "recvfrom",
        "writev",
        "mkdir",
        "unlink",
        "ftruncate",
    ];
    let injected: usize = calls.iter().map(|call| sweep(call, KILL, 160)).sum();
    println!("{injected} kills at system calls, all survived");
}

#[test]
#[ignore = "an hour long; .ci/torture runs it"]
fn every_failing_system_call_is_survived() {
    if !has_strace() {
        return;
    }
    let faults = [
        ("write", "error=ENOSPC"),
        ("pwrite64", "error=EIO"),
        ("mkdir", "error=ENOSPC"),
        ("ftruncate", "error=EIO"),
        ("writev", "error=ECONNRESET"),
        ("recvfrom", "error=ECONNRESET"),
        ("sendto", "error=ECONNRESET"),
        ("fdatasync", "error=EIO"),
        ("fsync", "error=EIO"),
        ("rename", "error=EIO"),
        ("openat", "error=EIO"),
    ];
    let injected: usize = faults
        .iter()
        .map(|(call, what)| sweep(call, what, 160))
        .sum();
    println!("{injected} errors injected, all survived");
}
