//! A state that is damaged, too new, in use, or on a full disk: refused or mended, and loudly.

use crate::stage::{DAY, PATIENCE, Process, Setup, Stage, list, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

#[path = "../../src/store/disk/tests/format1/mod.rs"]
mod format1;

/// Names and bytes of all that a daemon's start would change.
fn fingerprint(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push((path.clone(), fs::read(&path).unwrap_or_default())),
            }
        }
    }
    found.sort();
    found
}

fn landed(stage: &Stage) {
    stage.lands("daily", &DAY);
    stage.stop();
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let stage = Stage::running(Setup::default(), &[]);
    landed(&stage);
    stage.write("state/FORMAT", "99\n");
    let before = fingerprint(&stage.path("state"));
    for words in [&["run"][..], &["store", "export"], &["store", "rebuild"]] {
        let refused = stage.verb(words).exits(78);
        assert!(refused.stderr.contains("format 99"), "{}", refused.stderr);
    }
    assert!(
        fingerprint(&stage.path("state")) == before,
        "it was touched"
    );
}

#[test]
fn a_second_daemon_exits_5_and_writes_nothing() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    let journal = || fingerprint(&stage.path("state/journal"));
    let (before, position) = (journal(), stage.verb(&["status"]).json()["store"].clone());
    let mut second = stage.binary();
    second
        .args(["run", "--json", "--config"])
        .arg(stage.path("aptiqd.toml"));
    for (name, port) in [("CALLBACK", 0), ("ADMIN", 0)] {
        second.env(
            format!("APTIQD_{name}__LISTEN"),
            format!("127.0.0.1:{port}"),
        );
    }
    let refused = stage.answer(second).exits(5);
    assert!(refused.stderr.contains("in use"), "{}", refused.stderr);
    assert!(journal() == before, "it wrote");
    let status = stage.verb(&["status"]).exits(0).json();
    assert_eq!(status["store"]["position"], position["position"]);
    stage.lands("daily", &DAY);
    stage.stop();
}

fn newest(folder: PathBuf) -> PathBuf {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.pop().expect("a file")
}

/// After the damage: it starts, `status` works, what had landed is known, and `event` says what happened.
fn mended(stage: &Stage, event: &str, words: &str) {
    stage.start();
    let status = stage.verb(&["status"]).exits(0).json();
    assert_eq!(status["schedules"][0]["state"], "ok", "{status:#}");
    assert!(stage.log().contains(words), "not in the log: {words}");
    if !event.is_empty() {
        let events = stage.verb(&["events"]).exits(0).stdout;
        assert!(events.contains(event), "no {event}: {events}");
        let attention = status["attention"].to_string();
        assert!(attention.contains("\"store\""), "{attention}");
    }
    let coverage = stage.verb(&["coverage", "daily"]).exits(0).json();
    assert_eq!(coverage["cells"]["landed"], json!(3), "{coverage:#}");
    stage.lands("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    stage.stop();
}

#[test]
fn a_damaged_sled_is_refilled_and_said_so() {
    let stage = Stage::running(Setup::default(), &[]);
    landed(&stage);
    let path = stage.path("state/sled/db");
    let mut bytes = fs::read(&path).expect("a file");
    bytes.iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(&path, bytes).expect("damage");
    mended(&stage, "store_refilled", "set aside and refilled");
}

#[test]
fn a_torn_journal_is_cut_and_said_so() {
    let stage = Stage::running(Setup::default(), &[]);
    landed(&stage);
    let path = newest(stage.path("state/journal"));
    let mut bytes = fs::read(&path).expect("a file");
    // The beginning of a frame: 300 bytes of payload, and no more of it than a few.
    bytes.extend(300_u32.to_le_bytes());
    bytes.extend([
        0x17, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x17, 0x17, 0x17, 0x17,
    ]);
    bytes.extend(b"{\"entries\":[");
    fs::write(&path, bytes).expect("damage");
    mended(&stage, "", "an unfinished write was cut");
}

#[test]
fn a_journal_whose_last_frame_was_changed_is_not_taken_for_torn() {
    let stage = Stage::running(Setup::default(), &[]);
    landed(&stage);
    let path = newest(stage.path("state/journal"));
    let mut bytes = fs::read(&path).expect("a file");
    let last = bytes.len() - 9;
    bytes[last] ^= 0x20;
    fs::write(&path, bytes).expect("damage");
    mended(&stage, "journal_damaged", "the journal is damaged");
}

#[test]
fn a_journal_damaged_in_the_middle_is_set_aside_and_said_so() {
    let stage = Stage::running(Setup::default(), &[]);
    landed(&stage);
    let path = newest(stage.path("state/journal"));
    let mut bytes = fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, bytes).expect("damage");
    mended(&stage, "journal_damaged", "the journal is damaged");
}

#[test]
fn a_journal_and_a_sled_damaged_together_are_completed_from_the_manifests() {
    let stage = Stage::running(Setup::default(), &[]);
    landed(&stage);
    let path = newest(stage.path("state/journal"));
    let mut bytes = fs::read(&path).expect("a file");
    let early = bytes.len() / 8;
    bytes[early] ^= 0xff;
    fs::write(&path, bytes).expect("damage");
    fs::remove_dir_all(stage.path("state/sled")).expect("it goes too");
    stage.start();
    let events = stage.verb(&["events"]).exits(0).stdout;
    for event in ["events_lost", "state_behind", "run_restored"] {
        assert!(events.contains(event), "no {event}: {events}");
    }
    let coverage = stage.verb(&["coverage", "daily"]).exits(0).json();
    assert_eq!(coverage["cells"]["landed"], json!(3), "{coverage:#}");
    assert_eq!(
        stage.state()["creates"],
        json!(1),
        "nothing is exported again"
    );
    stage.lands("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    stage.stop();
}

/// A small file system of its own, gone with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this is not allowed.
    fn mount(at: &Path) -> Option<SmallDisk> {
        fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "none"])
            .arg(at)
            .output();
        mounted
            .ok()?
            .status
            .success()
            .then(|| SmallDisk(at.to_owned()))
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("filler")).expect("a file");
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).expect("room");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test left behind may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn knocks(stage: &Stage, url: &str) -> Option<(u16, String)> {
    stage.block_on(async {
        let answer = stage.request(Method::POST, url).send().await.ok()?;
        let again = answer.headers().get("retry-after");
        let again = again
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Some((answer.status().as_u16(), again.to_owned()))
    })
}

#[test]
fn on_a_full_disk_callbacks_are_told_to_come_again_until_there_is_room() {
    let setup = Setup::faults("hold").with("state.path", "\"small/state\"");
    let stage = Stage::set(setup);
    let Some(disk) = SmallDisk::mount(&stage.path("small")) else {
        println!("skipped: no file system of one's own without root");
        return;
    };
    stage.schedule("daily", &[]);
    stage.start();
    let run = stage.begin("daily", &DAY);
    stage.recorded(&run, "submit_accepted", 1);
    let url = text(&stage.state()["jobs"][0]["callback_url"]);
    disk.fill();
    // Callbacks of a few words each: some may find room in what is left of a page.
    let refused =
        (0..2_000).find_map(|_| knocks(&stage, &url).filter(|(status, _)| *status != 202));
    assert_eq!(refused.map(|(status, _)| status), Some(503));
    assert_eq!(knocks(&stage, &url).expect("it still answers").0, 503);
    assert_ne!(
        stage.ended_by_itself(),
        Some(0),
        "nothing can be acknowledged: it ends"
    );

    // Whoever starts it again while the disk is full gets a daemon that waits for room.
    let mut waiting = Process::spawn(stage.daemon_command());
    let begun = Instant::now();
    let (status, again) = loop {
        assert!(
            begun.elapsed() < PATIENCE,
            "nobody answers\n{}",
            stage.log()
        );
        match knocks(&stage, &url) {
            Some(said) => break said,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(status, 503);
    assert!(!again.is_empty(), "Retry-After");
    disk.clear();
    while knocks(&stage, &url).is_none_or(|(status, _)| status != 202) {
        assert!(
            begun.elapsed() < PATIENCE,
            "it never resumes\n{}",
            stage.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    stage.control(Method::POST, "/release", "");
    assert_eq!(stage.ended(&run)["run"]["state"], "landed");
    waiting.signal(rustix::process::Signal::TERM);
    assert_eq!(
        waiting.wait(PATIENCE).and_then(|status| status.code()),
        Some(0)
    );
}

/// By its own export: the runs that had ended in the folder of format 1, and how.
fn ended_in_format_1() -> BTreeMap<String, String> {
    let export = String::from_utf8(format1::export()).expect("text");
    let records = export
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record"));
    let records: Vec<Value> = records.collect();
    let of = |tree: &'static str| records.iter().filter(move |it| it["tree"] == tree);
    let open: Vec<String> = of("open").map(|it| text(&it["key"])).collect();
    let runs = of("run").map(|it| (text(&it["key"]), text(&it["value"]["state"])));
    runs.filter(|(id, _)| !open.contains(id)).collect()
}

#[test]
fn a_daemon_migrates_a_folder_of_the_older_format_and_goes_on_from_it() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    format1::unpack(&stage.path("state"));
    let ended = ended_in_format_1();
    assert_eq!(ended.len(), 8, "{ended:?}");
    let copies = || {
        let entries = fs::read_dir(stage.path("state")).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("format1.")).count()
    };
    for again in [false, true] {
        stage.start();
        let runs = stage.verb(&["runs", "--limit", "100"]).exits(0).json();
        let told = |id: &str| {
            let run = list(&runs["runs"]).iter().find(|run| run["id"] == id);
            text(&run.unwrap_or_else(|| panic!("{id} is lost"))["state"])
        };
        for (id, state) in &ended {
            assert_eq!(&told(id), state, "{id}, again: {again}");
        }
        let events = stage.verb(&["events", "--limit", "1000"]).exits(0).stdout;
        assert_eq!(events.matches("store_migrated").count(), 1, "{events}");
        assert_eq!(copies(), 1);
        let format = fs::read_to_string(stage.path("state/FORMAT")).expect("a format");
        assert_eq!(format, "2\n");
        stage.stop();
    }
}
