//! The whole daemon, the real binary against the simulated service: `cargo bench --bench daemon`.
//!
//! 1. From a callback to the landed file: by the journal's own times, from the turn that heard the callback to the
//!    turn that recorded the published file.
//! 2. With `APTIQD_BENCH_RUNS` (100,000) finished runs in the state: from the start of the process to `READY=1`, best
//!    and median of five, memory then, after `APTIQD_BENCH_IDLE` (20) seconds, and the CPU time used meanwhile. The store's
//!    background audit begins after five minutes: an idle time of 400 includes it.
//! 3. `coverage` of `APTIQD_BENCH_CELLS` (1,000,000) property-days through the command line: a daemon takes the history
//!    in from manifests, as it does when its state is lost; then the verb's whole process is timed, `APTIQD_BENCH_ASKED`
//!    (20) times each. One cell in a hundred is missing.
//!
//! A part whose number is set to 0 (`APTIQD_BENCH_TRIGGERS`, which the second one needs as well) is left out.

use aptiqd::roster::{Entry, Saved, Turn};
use aptiqd::run::{Run, RunId};
use aptiqd::sandbox::{self, Sandbox};
use aptiqd::schedule::Name;
use aptiqd::store::{Disk, Settings, Store, record};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const SCHEDULE: &str = "daily";
/// Those of the history whose coverage is asked for.
const PROPERTIES: u64 = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let options = sandbox::Options {
        job_time: Duration::from_millis(50),
        ..sandbox::Options::default()
    };
    let vendor = runtime
        .block_on(Sandbox::start(options))
        .expect("the sandbox starts");
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk to be measured");
    configure(folder.path(), &vendor);
    let triggers = setting("APTIQD_BENCH_TRIGGERS", 100);
    let runs = setting("APTIQD_BENCH_RUNS", 100_000);
    if triggers > 0 {
        latency(folder.path(), triggers);
    }
    if triggers > 0 && runs > 0 {
        runtime.block_on(fill(folder.path(), runs));
        start_up(folder.path(), runs);
    }
    let cells = setting("APTIQD_BENCH_CELLS", 1_000_000);
    if cells > 0 {
        let folder = tempfile::tempdir_in(".").expect("a folder on the disk to be measured");
        configure(folder.path(), &vendor);
        coverage(folder.path(), cells / PROPERTIES);
    }
    runtime.block_on(vendor.stop());
}

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a whole number"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn configure(folder: &Path, vendor: &Sandbox) {
    let secret = folder.join("client.secret");
    fs::write(&secret, vendor.client_secret()).expect("a file");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("its mode");
    let callbacks = free_port();
    let text = format!(
        "[api]\nbase_url = {:?}\ntoken_url = {:?}\nclient_id = {:?}\nclient_secret_file = \"client.secret\"\n\
         requests_per_minute = 100000\n[callback]\nlisten = \"127.0.0.1:{callbacks}\"\n\
         public_url = \"http://127.0.0.1:{callbacks}\"\n[admin]\nlisten = \"127.0.0.1:{}\"\n\
         [download]\nallowed_hosts = [\"127.0.0.1\"]\n",
        vendor.base_url(),
        vendor.token_url(),
        vendor.client_id(),
        free_port(),
    );
    fs::write(folder.join("aptiqd.toml"), text).expect("a file");
    fs::create_dir(folder.join("schedules")).expect("a folder");
    let schedule = "report = \"property\"\nformat = \"parquet\"\ncron = \"0 0 29 2 *\"\ntimezone = \"America/Chicago\"\n\
                    window = \"yesterday\"\nproperties = { ids = [99001416, 99001470, 99001471] }\n";
    fs::write(folder.join(format!("schedules/{SCHEDULE}.toml")), schedule).expect("a file");
}

fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aptiqd"));
    command.current_dir(folder).env_remove("APTIQD_LOG");
    command
}

/// A running daemon; stopped in order when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process(process, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

impl Running {
    /// From the start of the process to `READY=1`.
    fn start(folder: &Path) -> (Running, Duration) {
        let socket = folder.join("notify.sock");
        let _ = fs::remove_file(&socket);
        let notices = UnixDatagram::bind(&socket).expect("a socket");
        notices.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut command = binary(folder);
        command
            .args(["run", "--config", "aptiqd.toml"])
            .env("NOTIFY_SOCKET", &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("daemon.log")).expect("a log"));
        let begun = Instant::now();
        let running = Running(command.spawn().expect("the daemon starts"));
        let mut notice = [0; 4096];
        loop {
            let bytes = notices.recv(&mut notice).expect("a notice in time");
            if String::from_utf8_lossy(&notice[..bytes]).contains("READY=1") {
                return (running, begun.elapsed());
            }
        }
    }

    /// Resident memory now and at its most, in MiB.
    fn memory(&self) -> (f64, f64) {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("its status");
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1));
            kib.and_then(|kib| kib.parse::<f64>().ok())
                .expect("a number")
                / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// CPU time used so far; the kernel counts in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("its statistics");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .expect("a name")
            .split_whitespace()
            .collect();
        let ticks: u64 = [11, 12]
            .iter()
            .filter_map(|at| fields[*at].parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 10)
    }
}

fn ask(folder: &Path, words: &[&str]) -> Value {
    let answer = binary(folder)
        .args(words)
        .args(["--json", "--config", "aptiqd.toml"])
        .output()
        .expect("the verb runs");
    let words = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{words}");
    serde_json::from_slice(&answer.stdout).expect("a document")
}

fn at_of(events: &[Value], name: &str) -> Option<DateTime<Utc>> {
    let event = events.iter().find(|event| event["event"] == name)?;
    event["at"].as_str()?.parse().ok()
}

fn latency(folder: &Path, triggers: u64) {
    let (_running, _) = Running::start(folder);
    let mut took: Vec<f64> = (0..triggers)
        .map(|number| {
            let day = DateTime::UNIX_EPOCH + TimeDelta::days(19_000 + number.cast_signed());
            let day = day.format("%Y-%m-%d").to_string();
            let run = ask(
                folder,
                &["trigger", SCHEDULE, "--from", &day, "--to", &day, "--wait"],
            );
            let id = run["run"]["id"].as_str().expect("a run").to_owned();
            let shown = ask(folder, &["show", &id]);
            let events = shown["events"].as_array().expect("events");
            let heard = at_of(events, "callback_heard").expect("it was called back");
            let landed = at_of(events, "run_published").expect("it was published");
            (landed - heard).as_seconds_f64() * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let quantile = |q: f64| took[((took.len() - 1) as f64 * q) as usize];
    println!(
        "callback to landed file, {triggers} runs: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(1.0)
    );
}

/// Copies of a run that really landed, each with its events, one a minute into the past.
async fn fill(folder: &Path, runs: u64) {
    let now = aptiqd::clock::now();
    let (disk, _) = Disk::open(Settings::new(folder.join("state"), now)).expect("the store opens");
    let mut template = None;
    record::recent(&disk, |run| {
        template = Some(run);
        record::Visit::Enough
    })
    .expect("the store reads");
    let template = template.expect("a run that landed");
    let template = record::run(&disk, template.id.as_str())
        .expect("it reads")
        .expect("it is there");
    let name = Name::parse(SCHEDULE).expect("a name");
    let begun = Instant::now();
    for batch in (0..runs).collect::<Vec<_>>().chunks(500) {
        let mut turn = Turn::default();
        for number in batch {
            let nominal = now - TimeDelta::minutes(60 + number.cast_signed());
            add(
                &mut turn,
                &template,
                RunId::of_fire(&name, nominal),
                nominal,
            );
        }
        disk.commit(record::commit_of(&turn, now))
            .await
            .expect("it is committed");
    }
    disk.close().expect("the store closes");
    println!(
        "{runs} finished runs made in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

fn add(turn: &mut Turn, template: &Run, id: RunId, at: DateTime<Utc>) {
    let mut run = template.clone();
    run.id = id.clone();
    run.nominal_at = at;
    run.created_at = at;
    for event in [
        "run_created",
        "submit_accepted",
        "callback_heard",
        "artifact_fetched",
        "run_published",
    ] {
        turn.entries.push(Entry {
            schedule: Some(SCHEDULE.to_owned()),
            run: Some(id.to_string()),
            body: json!({"event": event, "part": 1, "attempt": 1}),
        });
    }
    for part in run.parts.values() {
        let part = Box::new(part.clone());
        turn.saved.push(Saved::Part {
            run: id.clone(),
            part,
        });
    }
    let files = run.files.clone();
    turn.saved.push(Saved::Run {
        run: Box::new(run),
        new: true,
    });
    turn.saved.push(Saved::Files { run: id, files });
}

/// How long a person waits, process and all; the page by a plain request.
fn answers(folder: &Path) {
    let timed = |what: &str, ask: &dyn Fn()| {
        let mut times: Vec<f64> = (0..15)
            .map(|_| {
                let begun = Instant::now();
                ask();
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{what}: best {:.0} ms, median {:.0} ms, most {:.0} ms",
            times[0], times[7], times[14]
        );
    };
    for words in [
        &["runs"][..],
        &["runs", "--limit", "1000"],
        &["runs", "--state", "failed"],
        &["runs", "--since", "30d"],
        &["status"],
        &["events", "--limit", "100"],
    ] {
        timed(&format!("aptiqd {}", words.join(" ")), &|| {
            ask(folder, words);
        });
    }
    let config = fs::read_to_string(folder.join("aptiqd.toml")).expect("a file");
    let admin = config
        .split("[admin]\nlisten = \"")
        .nth(1)
        .expect("a section");
    let admin = admin.split('"').next().expect("an address");
    timed("GET /", &|| {
        let mut page = TcpStream::connect(admin).expect("the page's port");
        let request = format!("GET / HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        page.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = Vec::new();
        page.read_to_end(&mut answer).expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "no page");
    });
}

fn start_up(folder: &Path, runs: u64) {
    let mut times: Vec<f64> = (0..4)
        .map(|_| Running::start(folder).1.as_secs_f64())
        .collect();
    let (running, last) = Running::start(folder);
    times.push(last.as_secs_f64());
    times.sort_by(f64::total_cmp);
    let (ready, _) = running.memory();
    println!(
        "start to ready with {runs} finished runs: best {:.3} s, median {:.3} s; {ready:.1} MiB resident",
        times[0], times[2]
    );
    answers(folder);
    let idle = Duration::from_secs(setting("APTIQD_BENCH_IDLE", 20));
    let before = running.cpu();
    // Idle time is what is measured here.
    #[allow(clippy::disallowed_methods)]
    std::thread::sleep(idle);
    let (resident, peak) = running.memory();
    println!(
        "idle for {} s: {:.2} s CPU, {resident:.1} MiB resident, {peak:.1} MiB at its most",
        idle.as_secs(),
        (running.cpu() - before).as_secs_f64()
    );
}

/// A manifest for each of so many days, in which some properties are missing, with the file it tells of.
fn history(folder: &Path, days: u64) {
    let ids: Vec<u64> = (0..PROPERTIES)
        .map(|number| 99_000_000 + number * 7)
        .collect();
    let list: String = ids.iter().map(|id| format!("{id}\n")).collect();
    fs::write(folder.join("schedules/ids.csv"), format!("id\n{list}")).expect("a list");
    let schedule = "report = \"property\"\nformat = \"csv\"\ncron = \"0 0 29 2 *\"\ntimezone = \"America/Chicago\"\n\
                    window = \"yesterday\"\nproperties = { file = \"ids.csv\", column = \"id\" }\n";
    fs::write(folder.join(format!("schedules/{SCHEDULE}.toml")), schedule).expect("a file");
    let meta = folder.join(format!("exports/meta/{SCHEDULE}"));
    fs::create_dir_all(&meta).expect("a folder");
    let today = aptiqd::clock::now().date_naive();
    for number in 0..days {
        let day = (today - TimeDelta::days((days - number).cast_signed())).to_string();
        let path = format!("data/{SCHEDULE}/date={day}/{SCHEDULE}.csv");
        let file = folder.join("exports").join(&path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, &list).expect("a file");
        let lacks = |id: &&u64| (**id / 7 * 31 + number * 17).is_multiple_of(97);
        let missing: Vec<&u64> = ids.iter().filter(lacks).collect();
        let gaps: Vec<Value> = missing
            .iter()
            .map(|id| json!({"property": id, "from": day, "to": day}))
            .collect();
        let present = ids.len() - missing.len();
        let manifest = json!({
            "schema": "aptiqd.manifest/1", "schedule": SCHEDULE, "generation": 1,
            "run": format!("{SCHEDULE}.{}T180000Z", day.replace('-', "")),
            "window": {"from": day, "to": day}, "report": "property", "format": "csv",
            "file": {"path": path, "bytes": list.len(), "sha256": "0".repeat(64), "rows": present},
            "jobs": [{"job_id": format!("job-{number}"), "properties": ids.len(), "property_ids": ids, "from": day,
                      "to": day, "bytes": list.len(), "sha256": "0".repeat(64)}],
            "properties": {"requested": ids.len(), "present": present, "missing": missing},
            "dates": {"from": day, "to": day, "missing": []}, "columns": [], "checks": [],
            "landed_at": format!("{day}T18:05:00Z"), "gaps": gaps,
        });
        let text = serde_json::to_vec(&manifest).expect("JSON");
        fs::write(meta.join(format!("date={day}.json")), text).expect("a manifest");
    }
}

fn coverage(folder: &Path, days: u64) {
    history(folder, days);
    let (running, ready) = Running::start(folder);
    let asked = setting("APTIQD_BENCH_ASKED", 20);
    for words in [
        &["coverage", SCHEDULE][..],
        &["coverage", SCHEDULE, "--json"][..],
        &["coverage", SCHEDULE, "--missing", "--json"][..],
    ] {
        let mut bytes = 0;
        let mut took: Vec<f64> = (0..asked)
            .map(|_| {
                let begun = Instant::now();
                let answer = binary(folder)
                    .args(words)
                    .args(["--config", "aptiqd.toml"])
                    .output()
                    .expect("the verb runs");
                // Cells are missing.
                assert_eq!(answer.status.code(), Some(3), "{answer:?}");
                bytes = answer.stdout.len();
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        println!(
            "{} of {} property-days: median {:.1} ms, most {:.1} ms, process and all; {bytes} bytes",
            words.join(" "),
            days * PROPERTIES,
            took[took.len() / 2],
            took[took.len() - 1]
        );
    }
    println!(
        "taken in from {days} manifests and ready after {:.2} s; {:.1} MiB resident",
        ready.as_secs_f64(),
        running.memory().0
    );
}
