//! What the store costs: `cargo bench --bench store` (`-- RUNS` for another number of finished runs).
//!
//! Durable commits a second beside the least that durability can cost on the same disk: one append and one
//! `fdatasync` for as many commits of the same size. Then opening, and the memory of a store at rest.

use aptiqd::store::{Change, Commit, Disk, Entry, Key, Settings, Store, Tree};
use chrono::DateTime;
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SECONDS: Duration = Duration::from_secs(3);
const OPEN_FOR_MEMORY: &str = "APTIQD_BENCH_OPEN";

fn main() {
    if let Ok(folder) = std::env::var(OPEN_FOR_MEMORY) {
        return report_open(Path::new(&folder));
    }
    let runs = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    for committers in [1, 32, 256] {
        compare(&runtime, committers);
    }
    finished(&runtime, runs.unwrap_or(100_000));
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("aptiqd-bench-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&path));
    path
}

fn settings(path: &Path) -> Settings {
    let now = DateTime::from_timestamp_millis(1_790_000_000_000).expect("within the calendar");
    Settings::new(path, now)
}

fn put(tree: Tree, key: impl Into<Vec<u8>>, value: serde_json::Value) -> Change {
    let key = Key {
        tree,
        key: key.into(),
    };
    let value = value.to_string().into_bytes();
    Change::Put { key, value }
}

fn run_id(run: u64) -> String {
    format!("owned-daily-{:03}.20261122T{:06}Z", run % 100, run / 100)
}

fn part_key(run: &str, part: u32) -> Vec<u8> {
    [run.as_bytes(), b"\0", &part.to_be_bytes()].concat()
}

fn part(run: &str, part: u32) -> serde_json::Value {
    json!({
        "number": part, "state": "fetched", "property_ids": (0..25).map(|id| 99_001_416 + id).collect::<Vec<u64>>(),
        "from": "2026-11-21", "to": "2026-11-21",
        "attempts": [{"number": 1, "id": format!("{run}.p{part}.a1"), "job_id": "0b3a9a52-63d5-4a64-b7f9-6a4c2f8e6f11",
            "state": "succeeded", "learned_by": "callback", "submitted_at": "2026-11-22T18:30:00.123Z"}],
        "artifact": {"bytes": 81234, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "rows": 775, "path": format!("raw/owned-daily/{run}/part-{part:04}.parquet")},
    })
}

fn event(run: &str, name: &str) -> Entry {
    Entry {
        schedule: run.split('.').next().map(str::to_owned),
        run: Some(run.to_owned()),
        body: json!({"event": name, "attempt": format!("{run}.p1.a1"), "learned_by": "callback"}),
    }
}

/// What a callback commits: an event, and its part.
fn callback(run: u64, number: u64) -> Commit {
    let run = run_id(run);
    let number = (number % 28) as u32 + 1;
    Commit {
        at: DateTime::from_timestamp_millis(1_790_000_000_000).expect("within the calendar"),
        events: vec![event(&run, "callback_heard")],
        changes: vec![put(Tree::Part, part_key(&run, number), part(&run, number))],
    }
}

fn compare(runtime: &tokio::runtime::Runtime, committers: u64) {
    let folder = scratch("commit");
    let (disk, _) = Disk::open(settings(&folder)).expect("opens");
    let disk = Arc::new(disk);
    let bytes = frame_bytes(runtime, &disk, &folder);
    for run in 0..committers {
        let [opened, ..] = life(run);
        runtime.block_on(disk.commit(opened)).expect("commits");
    }
    // Alternating, because disks are noisy.
    let (mut ours, mut theirs, mut waits) = (0.0, 0.0, Vec::new());
    for _ in 0..3 {
        theirs += raw(&folder, bytes, committers);
        let (rate, mut slow) = durable(runtime, &disk, committers);
        ours += rate;
        waits.append(&mut slow);
    }
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{committers:>4} committers  {:>7.0} durable commits/s  p50 {:>6.2} ms  p99 {:>6.2} ms   raw append + fdatasync {:>7.0}/s   ratio {:.2}",
        ours / 3.0,
        at(0.5),
        at(0.99),
        theirs / 3.0,
        ours / theirs
    );
    drop(disk);
    drop(fs::remove_dir_all(folder));
}

fn frame_bytes(runtime: &tokio::runtime::Runtime, disk: &Disk, folder: &Path) -> usize {
    runtime
        .block_on(disk.commit(callback(0, 0)))
        .expect("commits");
    let segment = folder.join("journal/00000000000000000001.log");
    fs::metadata(segment).expect("a segment").len() as usize - 16
}

fn raw(folder: &Path, bytes: usize, committers: u64) -> f64 {
    let path = folder.join("raw");
    let mut file: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .expect("opens");
    let batch = vec![b'x'; bytes * committers as usize];
    let begun = Instant::now();
    let mut commits = 0;
    while begun.elapsed() < SECONDS / 3 {
        file.write_all(&batch).expect("writes");
        file.sync_data().expect("syncs");
        commits += committers;
    }
    let rate = commits as f64 / begun.elapsed().as_secs_f64();
    drop(fs::remove_file(path));
    rate
}

fn durable(
    runtime: &tokio::runtime::Runtime,
    disk: &Arc<Disk>,
    committers: u64,
) -> (f64, Vec<Duration>) {
    let total = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let waits = runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for committer in 0..committers {
            let (disk, total) = (Arc::clone(disk), Arc::clone(&total));
            all.spawn(async move {
                let mut waits = Vec::new();
                while begun.elapsed() < SECONDS {
                    let number = total.fetch_add(1, Ordering::Relaxed);
                    let asked = Instant::now();
                    disk.commit(callback(committer, number))
                        .await
                        .expect("commits");
                    waits.push(asked.elapsed());
                }
                waits
            });
        }
        all.join_all().await
    });
    let waits: Vec<Duration> = waits.into_iter().flatten().collect();
    (waits.len() as f64 / begun.elapsed().as_secs_f64(), waits)
}

/// A run from fire to landed in four commits: one to six parts, a week apart in size as schedules are.
fn life(run: u64) -> [Commit; 4] {
    let id = run_id(run);
    let at = DateTime::from_timestamp_millis(1_790_000_000_000 + run as i64 * 1000)
        .expect("within the calendar");
    let parts = 1 + (run % 3) as u32 + if run.is_multiple_of(50) { 25 } else { 0 };
    let record = |state: &str| {
        put(
            Tree::Run,
            id.clone(),
            json!({
                "id": id, "schedule": "owned-daily", "trigger": "cron", "nominal_at": at, "state": state, "reason": null,
                "window": {"from": "2026-11-21", "to": "2026-11-21"}, "parts": {"total": parts, "done": parts},
                "rows": 775, "bytes": 81234, "created_at": at, "finished_at": at,
                "files": [{"path": "data/owned-daily/date=2026-11-21/owned-daily.parquet", "bytes": 81234, "rows": 775,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "generation": 1}],
                "terms": {"deadline": "6h", "attempts": 4, "partition": "date", "format": "parquet", "report": "property"},
            }),
        )
    };
    let open = Key {
        tree: Tree::Open,
        key: id.clone().into_bytes(),
    };
    let recent = [
        &(at.timestamp_millis() as u64).to_be_bytes()[..],
        id.as_bytes(),
    ]
    .concat();
    let parts = |name: &str| Commit {
        at,
        events: vec![event(&id, name)],
        changes: (1..=parts)
            .map(|number| put(Tree::Part, part_key(&id, number), part(&id, number)))
            .collect(),
    };
    let schedule = put(
        Tree::Schedule,
        format!("owned-daily-{:03}", run % 100),
        json!({"watermark": at}),
    );
    let opened = Change::Put {
        key: open.clone(),
        value: Vec::new(),
    };
    [
        Commit {
            at,
            events: vec![event(&id, "fire_due")],
            changes: vec![
                record("queued"),
                opened,
                put(Tree::Recent, recent, json!(0)),
                schedule,
            ],
        },
        parts("submit_accepted"),
        parts("artifact_fetched"),
        Commit {
            at,
            events: vec![event(&id, "run_published")],
            changes: vec![record("landed"), Change::Delete { key: open }],
        },
    ]
}

fn finished(runtime: &tokio::runtime::Runtime, runs: u64) {
    let folder = scratch("finished");
    let (disk, _) = Disk::open(settings(&folder)).expect("opens");
    let disk = Arc::new(disk);
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..256 {
            let (disk, next) = (Arc::clone(&disk), Arc::clone(&next));
            all.spawn(async move {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        break;
                    }
                    for commit in life(run) {
                        disk.commit(commit).await.expect("commits");
                    }
                }
            });
        }
        all.join_all().await;
    });
    println!(
        "{runs} finished runs made in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    Arc::into_inner(disk)
        .expect("the only handle")
        .close()
        .expect("closes");
    for what in ["journal", "sled", "snapshots"] {
        println!("  {what}: {} MB", size(&folder.join(what)) >> 20);
    }
    for round in ["first", "second"] {
        println!("{round} opening:");
        let status = Command::new(std::env::current_exe().expect("our own path"))
            .env(OPEN_FOR_MEMORY, &folder)
            .status();
        assert!(status.expect("starts").success());
    }
    fs::remove_dir_all(folder.join("sled")).expect("removes");
    println!("refill from the newest snapshot and the journal:");
    let status = Command::new(std::env::current_exe().expect("our own path"))
        .env(OPEN_FOR_MEMORY, &folder)
        .status();
    assert!(status.expect("starts").success());
    if std::env::var_os("APTIQD_BENCH_KEEP").is_none() {
        drop(fs::remove_dir_all(folder));
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let mb = |name| line(name).unwrap_or_default() as f64 / 1024.0;
    format!("{:.1} MiB, at most {:.1} MiB", mb("VmRSS"), mb("VmHWM"))
}

fn report_open(folder: &Path) {
    let begun = Instant::now();
    let (disk, opened) = Disk::open(settings(folder)).expect("opens");
    println!(
        "  open {:.3} s ({:?}), memory {}",
        begun.elapsed().as_secs_f64(),
        opened.revival,
        memory()
    );
    let begun = Instant::now();
    let newest = disk
        .scan(Tree::Recent, b"", None, true, 100)
        .expect("scans");
    for (key, _) in &newest {
        let run = Key {
            tree: Tree::Run,
            key: key[8..].to_vec(),
        };
        disk.read(&run).expect("reads").expect("is there");
    }
    println!(
        "  the newest 100 runs {:.1} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
    let begun = Instant::now();
    disk.audit().expect("is whole");
    println!(
        "  full audit {:.3} s, memory {}",
        begun.elapsed().as_secs_f64(),
        memory()
    );
    let begun = Instant::now();
    disk.close().expect("closes");
    println!("  close {:.3} s", begun.elapsed().as_secs_f64());
}
