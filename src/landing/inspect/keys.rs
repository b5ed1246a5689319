//! Hashes of unique keys: compared in memory as far as they fit, the rest sorted on disk and merged.
//!
//! Two different keys share a hash about once in 2^64 pairs; ten million rows meet one by mistake with
//! a chance of three in a million.

use crate::landing::disk::disk_fault;
use crate::run::Fault;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::{self, File};
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Keys held in memory; with their table at most 18 MiB.
const HELD_MAX: usize = 900_000;
/// A key's bytes on disk: its hash, then the day.
const RECORD: usize = 10;

/// A key's hash, and its row's day counted from the first of the part's window.
pub(in crate::landing) type Key = (u64, u16);

/// The day of a row that has none within the window.
pub(in crate::landing) const NO_DAY: u16 = u16::MAX;

/// Hashes are already mixed.
#[derive(Default)]
struct Unmixed(u64);

impl Hasher for Unmixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Collects keys as rows pass.
pub(super) struct Collector {
    held: HashMap<u64, u16, BuildHasherDefault<Unmixed>>,
    held_max: usize,
    runs: Vec<PathBuf>,
    scratch: PathBuf,
    fault: Option<Fault>,
}

impl Collector {
    /// `scratch`: where sorted runs are put, with a number behind the name.
    pub fn new(scratch: &Path) -> Collector {
        Collector {
            held: HashMap::default(),
            held_max: HELD_MAX,
            runs: Vec::new(),
            scratch: scratch.to_owned(),
            fault: None,
        }
    }

    #[cfg(test)]
    pub fn holding(scratch: &Path, held_max: usize) -> Collector {
        Collector {
            held_max,
            ..Collector::new(scratch)
        }
    }

    /// `false` if the key is known already. One that was spilled meanwhile is found in [`Collector::sort`].
    pub fn insert(&mut self, key: u64, day: u16) -> bool {
        if self.held.contains_key(&key) {
            return false;
        }
        if self.held.len() >= self.held_max {
            self.spill();
        }
        self.held.insert(key, day);
        true
    }

    fn spill(&mut self) {
        let path = numbered(&self.scratch, self.runs.len());
        let keys = self.drain();
        if let Err(error) = write(&path, keys.iter().copied()) {
            self.fault.get_or_insert(disk_fault("write", &path, &error));
        }
        self.runs.push(path);
    }

    fn drain(&mut self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.held.drain().collect();
        keys.sort_unstable();
        keys
    }

    /// All keys in order, each once; `repeated` is told the day of each that came again.
    pub fn sort(mut self, mut repeated: impl FnMut(u16)) -> Result<Sorted, Fault> {
        if self.runs.is_empty() {
            return Ok(Sorted::Held(self.drain()));
        }
        self.spill();
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let all = self.scratch.with_extension("sorted");
        let mut sort = || -> io::Result<()> {
            let mut out = BufWriter::new(File::create(&all)?);
            let sources = self.runs.iter().map(|run| Reader::open(run));
            merge(sources.collect::<io::Result<_>>()?, |key, _, again| {
                if again {
                    repeated(key.1);
                    return Ok(());
                }
                put(&mut out, key)
            })?;
            out.flush()
        };
        sort().map_err(|error| disk_fault("sort", &all, &error))?;
        for run in &self.runs {
            // What stays is swept with the run's working folder.
            let _ = fs::remove_file(run);
        }
        Ok(Sorted::Stored(all))
    }
}

fn numbered(scratch: &Path, number: usize) -> PathBuf {
    scratch.with_extension(format!("keys-{number}"))
}

/// A part's keys, sorted.
#[derive(Debug)]
pub(in crate::landing) enum Sorted {
    Held(Vec<Key>),
    Stored(PathBuf),
}

impl Sorted {
    /// Puts them where a publish finds them.
    pub fn save(self, path: &Path) -> Result<(), Fault> {
        let saved = match self {
            Sorted::Held(keys) => write(path, keys.into_iter()),
            Sorted::Stored(from) => fs::rename(from, path),
        };
        saved.map_err(|error| disk_fault("write", path, &error))
    }
}

fn write(path: &Path, keys: impl Iterator<Item = Key>) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for key in keys {
        put(&mut out, key)?;
    }
    out.flush()
}

fn put(out: &mut impl Write, (key, day): Key) -> io::Result<()> {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&key.to_le_bytes());
    record[8..].copy_from_slice(&day.to_le_bytes());
    out.write_all(&record)
}

/// Keys of one part, read in order.
pub(in crate::landing) struct Reader {
    file: BufReader<File>,
}

impl Reader {
    pub fn open(path: &Path) -> io::Result<Reader> {
        let file = BufReader::new(File::open(path)?);
        Ok(Reader { file })
    }

    fn next_key(&mut self) -> io::Result<Option<Key>> {
        let mut record = [0; RECORD];
        match self.file.read_exact(&mut record) {
            Ok(()) => {
                let (key, day) = record.split_at(8);
                let key = u64::from_le_bytes(key.try_into().unwrap_or_default());
                Ok(Some((key, u16::from_le_bytes([day[0], day[1]]))))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Merges sorted keys; `each` gets every key in order, which reader it is from, and whether the same
/// key came before.
pub(in crate::landing) fn merge(
    mut readers: Vec<Reader>,
    mut each: impl FnMut(Key, usize, bool) -> io::Result<()>,
) -> io::Result<()> {
    let mut heads = BinaryHeap::new();
    for (at, reader) in readers.iter_mut().enumerate() {
        heads.extend(reader.next_key()?.map(|key| Reverse((key.0, at, key.1))));
    }
    let mut last = None;
    while let Some(Reverse((key, at, day))) = heads.pop() {
        each((key, day), at, last == Some(key))?;
        last = Some(key);
        let next = readers[at].next_key()?;
        heads.extend(next.map(|key| Reverse((key.0, at, key.1))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_beyond_memory_are_sorted_on_disk_and_repeats_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let scratch = folder.path().join("part-0001.keys");
        let mut keys = Collector::holding(&scratch, 100);
        let mut held = 0;
        for number in 0..1_000_u64 {
            let day = u16::try_from(number % 7).expect("small");
            held += u64::from(!keys.insert(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), day));
        }
        // One that is still held, and one that was spilled long ago.
        assert!(!keys.insert(999_u64.wrapping_mul(0x9e37_79b9_7f4a_7c15), 3));
        assert!(keys.insert(0, 5));
        let mut days = Vec::new();
        let sorted = keys.sort(|day| days.push(day)).expect("sorted");
        assert_eq!((held, days.len()), (0, 1));
        let path = folder.path().join("saved");
        sorted.save(&path).expect("saved");
        let mut seen = Vec::new();
        merge(
            vec![Reader::open(&path).expect("there")],
            |key, _, again| {
                assert!(!again);
                seen.push(key.0);
                Ok(())
            },
        )
        .expect("read");
        assert_eq!(seen.len(), 1_000);
        assert!(seen.is_sorted());
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1);
    }
}
