//! The store against a disk that does what disks do. The reference is the in-memory store given the same commits.

mod corruption;
mod crash;
mod damage;
mod faults;
mod format1;
mod journal;
mod migration;
mod model;
mod order;
mod snapshots;

use super::*;
use crate::store::{Change, Memory, sample};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

pub fn settings(path: &Path) -> Settings {
    let now = DateTime::from_timestamp_millis(1_790_000_000_000).expect("within the calendar");
    Settings {
        segment_bytes: 4096,
        cache_bytes: 1 << 20,
        ballast_bytes: 0,
        audit_after: None,
        flush_every: Duration::from_millis(20),
        ..Settings::new(path, now)
    }
}

pub fn open(path: &Path) -> (Disk, Opened) {
    Disk::open(settings(path)).expect("the folder opens")
}

/// A new folder, in memory where there is such a file system: nothing here cuts the power, so a real `fdatasync` only costs time.
pub fn place() -> TempDir {
    TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().expect("a folder"))
}

/// Commits `numbers` of the sample to both.
pub async fn commit(disk: &Disk, memory: &Memory, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let expected = memory.commit(sample::commit(number)).await.unwrap();
        assert_eq!(disk.commit(sample::commit(number)).await.unwrap(), expected);
    }
}

/// As [`commit`], many at once and in order: one `fdatasync` for all.
pub async fn commit_together(disk: &Disk, memory: &Memory, numbers: std::ops::Range<u64>) {
    let answers = together(
        numbers
            .clone()
            .map(|number| disk.commit(sample::commit(number))),
    );
    for (number, answer) in numbers.zip(answers.await) {
        let expected = memory.commit(sample::commit(number)).await.unwrap();
        assert_eq!(answer.unwrap(), expected);
    }
}

/// A closed folder that holds the sample's commits `0..commits`.
pub async fn folder(commits: u64) -> (TempDir, Memory) {
    let folder = place();
    let memory = Memory::new();
    let (disk, opened) = open(folder.path());
    assert_eq!(opened.revival, Revival::Made);
    commit(&disk, &memory, 0..commits).await;
    disk.close().unwrap();
    (folder, memory)
}

/// The sample's first commits that hold no event beyond `position`.
pub async fn prefix(position: Sequence) -> Memory {
    let memory = Memory::new();
    let mut number = 0;
    while memory.position() < position {
        memory.commit(sample::commit(number)).await.unwrap();
        number += 1;
    }
    assert_eq!(memory.position(), position, "not the end of a commit");
    memory
}

pub fn everything(store: &impl Store) -> Vec<(Tree, Vec<u8>, Vec<u8>)> {
    let tree = |tree| {
        let records = store.scan(tree, b"", None, false, usize::MAX).unwrap();
        records
            .into_iter()
            .map(move |(key, value)| (tree, key, value))
    };
    Tree::ALL.into_iter().flat_map(tree).collect()
}

pub fn assert_same_state(disk: &Disk, memory: &Memory) {
    assert_eq!(everything(disk), everything(memory));
    disk.audit().unwrap();
}

pub fn assert_same(disk: &Disk, memory: &Memory) {
    assert_same_state(disk, memory);
    assert_eq!(disk.position(), memory.position());
    let all = memory.events(None, 0, usize::MAX).unwrap();
    assert_eq!(disk.events(None, 0, usize::MAX).unwrap(), all);
    let step = all.len() / 40 + 4;
    for number in (0..all.len() as u64).step_by(step) {
        let run = sample::run(number);
        let of_run = memory.events(Some(&run), 0, usize::MAX).unwrap();
        assert_eq!(disk.events(Some(&run), 0, usize::MAX).unwrap(), of_run);
    }
}

/// The journal's segments, oldest first.
pub fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A small generator, so that a seed in a failure's message is all that is needed to see it again.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }
}

/// Polls them in order, so that what they ask for is asked for in order.
pub async fn together<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = all.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in pinned.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        match outputs.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
