//! Disks that are too small, and disks that lose their power. Both need a file system of their own, and so root.

use crate::stage::{DAY, Setup, Stage, raw, text};
use crate::stopping::landed_once;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A mounted file system; unmounted when dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0.to_string_lossy()]);
    }
}

fn run(program: &str, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Mounts with these words at a folder; `None`, said aloud, where that is not allowed.
fn mounted(words: &[&str], at: &Path) -> Option<Mounted> {
    std::fs::create_dir_all(at).expect("a folder");
    let at_text = at.to_string_lossy().into_owned();
    let words: Vec<&str> = words.iter().copied().chain([at_text.as_str()]).collect();
    if rustix::process::geteuid().is_root() && run("mount", &words) {
        return Some(Mounted(at.to_owned()));
    }
    println!("skipped: mounting needs root and a kernel that lets it: mount {words:?}");
    None
}

const SMALL: [&str; 5] = ["-t", "tmpfs", "-o", "size=4m", "tmpfs"];

/// Writes zeros until the disk is full.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).expect("a file");
    let zeros = [0; 4096];
    while file.write_all(&zeros).is_ok() {}
    // What fits by the byte, too.
    while file.write_all(&[0]).is_ok() {}
}

#[test]
fn landing_on_a_full_disk_waits_and_goes_on_by_itself() {
    let stage = Stage::set(Setup::default());
    let Some(_disk) = mounted(&SMALL, &stage.path("exports")) else {
        return;
    };
    stage.schedule("daily", &[]);
    stage.start();
    fill(&stage.path("exports/filler"));
    let id = stage.begin("daily", &DAY);
    stage.recorded(&id, "fetch_broken", 1);
    let shown = stage.show(&id);
    assert_eq!(shown["run"]["state"], "running", "{shown:#}");
    assert!(
        text(&shown["run"]["reason"]).starts_with("landing folder: "),
        "{shown:#}"
    );
    assert!(stage.files("data").is_empty(), "{:?}", stage.files("data"));
    std::fs::remove_file(stage.path("exports/filler")).expect("it is there");
    landed_once(&stage, &id, 1);
    stage.stop();
}

#[test]
fn a_state_folder_that_is_full_acknowledges_nothing_and_goes_on_with_space() {
    let stage = Stage::set(Setup::faults("hold"));
    let Some(_disk) = mounted(&SMALL, &stage.path("state")) else {
        return;
    };
    stage.schedule("daily", &[]);
    stage.start();
    let id = stage.begin("daily", &DAY);
    let state = stage.until("a job", |state| state["creates"] == json!(1));
    stage.recorded(&id, "submit_accepted", 1);
    let path = callback_path(&text(&state["jobs"][0]["callback_url"]));
    fill(&stage.path("state/filler"));
    let begun = Instant::now();
    let mut acknowledged = 0_u64;
    // The journal's last block may have room for a few.
    while post(stage.callback_port, &path) == Some(202) {
        acknowledged += 1;
        assert!(
            begun.elapsed() < crate::stage::PATIENCE,
            "a full disk acknowledges for ever"
        );
    }
    // It has stopped, or is about to: nothing more can be promised.
    assert_ne!(stage.end(Signal::KILL), Some(0));
    std::fs::remove_file(stage.path("state/filler")).expect("it is there");
    stage.start();
    assert!(
        heard(&stage, &id) >= acknowledged,
        "{acknowledged} were acknowledged"
    );
    stage.control(reqwest::Method::POST, "/release", "");
    landed_once(&stage, &id, 1);
    stage.stop();
}

fn callback_path(url: &str) -> String {
    url[url.find("/cb/v1/").expect("the path")..].to_owned()
}

/// The status of one callback; `None` if there was no answer.
fn post(port: u16, path: &str) -> Option<u16> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    let answer = raw(port, request.as_bytes());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1)?.parse().ok()
}

/// Callbacks that the journal holds of a run: its own events, and those of turns in the same millisecond, which
/// changed nothing and are told together.
fn heard(stage: &Stage, id: &str) -> u64 {
    let events = stage.verb(&["events", "--limit", "1000"]).exits(0).json();
    let events = events["events"].as_array().cloned().unwrap_or_default();
    assert!(events.len() < 1_000, "there may be more");
    let count = |event: &Value| match event["event"].as_str() {
        Some("callback_heard") if event["run"] == json!(id) => event["detail"]["count"].as_u64(),
        Some("callbacks_repeated") => {
            let attempts = event["detail"]["attempts"].as_object();
            let of_run = attempts.into_iter().flatten();
            let of_run = of_run.filter(|(attempt, _)| attempt.starts_with(id));
            Some(of_run.filter_map(|(_, count)| count.as_u64()).sum())
        }
        _ => None,
    };
    events.iter().filter_map(count).sum()
}

/// `EXT4_IOC_SHUTDOWN` without flushing the log: what is not on the disk is gone, as when the power fails.
fn cut_power(at: &Path) -> bool {
    const SHUTDOWN: rustix::ioctl::Opcode = rustix::ioctl::opcode::read::<u32>(b'X', 125);
    const NO_LOG_FLUSH: u32 = 2;
    let Ok(folder) = std::fs::File::open(at) else {
        return false;
    };
    // SAFETY: the call reads one u32 through the pointer that `Setter` gives it, as its definition says.
    #[allow(
        unsafe_code,
        reason = "an ioctl of the kernel that no safe wrapper knows; the number is its whole argument"
    )]
    unsafe {
        let order = rustix::ioctl::Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH);
        rustix::ioctl::ioctl(&folder, order).is_ok()
    }
}

/// A daemon whose state lies on a disk that loses its power while callbacks come in.
///
/// What counts is acknowledged before the cut begins: the kernel takes a while to shut a file system down.
fn lose_power(seed: u64) -> Option<u64> {
    let stage = Stage::set(Setup::faults("hold"));
    let image = stage.path("disk.img");
    let file = std::fs::File::create(&image).expect("a file");
    file.set_len(96 << 20).expect("a sparse file");
    let image = image.to_string_lossy().into_owned();
    if !run("mkfs.ext4", &["-q", "-F", &image]) {
        println!("skipped: no mkfs.ext4");
        return None;
    }
    let words = ["-o", "loop", image.as_str()];
    let disk = mounted(&words, &stage.path("state"))?;
    stage.schedule("daily", &[]);
    stage.start();
    let id = stage.begin("daily", &DAY);
    let state = stage.until("a job", |state| state["creates"] == json!(1));
    stage.recorded(&id, "submit_accepted", 1);
    let path = callback_path(&text(&state["jobs"][0]["callback_url"]));
    let (acknowledged, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (cut, before) = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) && post(stage.callback_port, &path) == Some(202)
                {
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // A moment, not a wait for something: the power may fail at any instruction.
        std::thread::sleep(Duration::from_millis(50 + seed * 37 % 400));
        let before = acknowledged.load(Ordering::SeqCst);
        let cut = cut_power(&stage.path("state"));
        over.store(true, Ordering::SeqCst);
        (cut, before)
    });
    let _ = stage.end(Signal::KILL);
    drop(disk);
    if !cut {
        println!("skipped: this kernel shuts no file system down");
        return None;
    }
    let _disk = mounted(&words, &stage.path("state")).expect("it is mounted again");
    stage.start();
    let during = acknowledged.into_inner() - before;
    let kept = heard(&stage, &id);
    println!(
        "seed {seed}: {before} acknowledged before the cut, {during} while it went on, {kept} kept"
    );
    assert!(
        kept >= before,
        "seed {seed}: {before} acknowledged before the cut, {kept} kept"
    );
    stage.control(reqwest::Method::POST, "/release", "");
    landed_once(&stage, &id, 1);
    stage.stop();
    drop(stage);
    Some(before)
}

fn lose_power_often(times: u64) {
    let mut total = 0;
    for seed in 0..times {
        let Some(acknowledged) = lose_power(seed) else {
            return;
        };
        total += acknowledged;
    }
    println!("{times} power cuts, {total} acknowledged callbacks, 0 lost");
    assert!(
        total > 0,
        "nothing was acknowledged before the power failed"
    );
}

#[test]
fn no_acknowledged_callback_is_lost_when_the_power_fails() {
    lose_power_often(2);
}

#[test]
#[ignore = "minutes long; .ci/torture runs it"]
fn no_acknowledged_callback_is_lost_in_forty_power_cuts() {
    lose_power_often(40);
}
