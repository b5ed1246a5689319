//! Schedules in the roster: at rest, and all firing in the same second.

use crate::folder::Loaded as Folder;
use crate::heap;
use crate::watch::Watch;
use aptiqd::roster::{Effect, Limits, Loaded, Roster};
use aptiqd::schedule::Schedule;
use aptiqd::store::{Disk, Settings, Store, record};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

fn limits(open_jobs_max: usize) -> Limits {
    Limits {
        open_jobs_max,
        downloads: 4,
        poll_interval: Duration::from_secs(30),
        submit_settle: Duration::from_secs(600),
    }
}

/// What a schedule takes in the memory of a daemon with nothing to do.
pub fn idle(folder: Folder) {
    let count = folder.schedules.len();
    let now = "2026-11-23T12:00:00Z".parse().expect("an instant");
    let watch = Watch::start();
    let (roster, turn) = Roster::load(limits(32), Loaded::default(), folder.schedules, now);
    let took = watch.took();
    drop(turn);
    let own = (heap::live() - folder.before) as f64 / count as f64;
    let text = folder.text as f64 / count as f64;
    println!(
        "memory {own:.0} bytes a schedule in a roster at rest, {:.0} beyond its text of {text:.0} (goal 1024)",
        own - text
    );
    println!("declare {count} schedules in {took}");
    drop(roster);
}

fn crowd(count: usize) -> Vec<Schedule> {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..count {
        let text = format!(
            "report = \"property\"\nformat = \"parquet\"\ncron = \"30 12 * * *\"\ntimezone = \"America/Chicago\"\n\
             window = \"yesterday\"\nproperties = {{ ids = [{}] }}\n",
            number + 1
        );
        let path = folder.path().join(format!("crowd-{number:06}.toml"));
        std::fs::write(path, text).expect("a file");
    }
    aptiqd::config::load_folder(folder.path()).expect("sound schedules")
}

/// From the second in which all fire to the commit that makes the last submit intent durable, turn by turn as the
/// engine takes them.
pub fn measure(count: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let schedules = crowd(count);
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk to be measured");
    let fire: DateTime<Utc> = "2026-11-23T18:30:00Z".parse().expect("an instant");
    let start = fire - TimeDelta::minutes(10);
    let settings = Settings::new(folder.path().join("state"), start);
    let (disk, _) = Disk::open(settings).expect("a store");
    let (mut roster, turn) = Roster::load(limits(count), Loaded::default(), schedules, start);
    let commit = |turn: &aptiqd::roster::Turn| {
        let commit = record::commit_of(turn, fire);
        runtime.block_on(disk.commit(commit)).expect("a commit");
    };
    commit(&turn);
    let watch = Watch::start();
    let (mut intents, mut turns, mut first) = (0, 0, None);
    while roster.poll_deadline().is_some_and(|(at, _)| at <= fire) {
        let turn = roster.handle(Vec::new(), fire);
        let submits = |effect: &&Effect| matches!(effect, Effect::SubmitJob { .. });
        intents += turn.effects.iter().filter(submits).count();
        commit(&turn);
        turns += 1;
        first.get_or_insert(watch.took());
    }
    let took = watch.took();
    println!(
        "crowd  {intents} submit intents of one second durable in {took}, {turns} turns, the first after {} \
         (goal 1 s)",
        first.unwrap_or(took)
    );
    assert_eq!(intents, count);
}
