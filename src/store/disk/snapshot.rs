//! Snapshots and exports: the whole state at one sequence as JSON Lines.
//!
//! ```text
//! {"schema":"aptiqd.store/1","sequence":7,"at":"2026-11-22T12:30:00Z"}
//! {"tree":"run","key":"owned-daily.20261122T123000Z","value":{…}}
//! {"index":"owned-daily.20261122T123000Z","sequence":6,"offset":4711}
//! {"event":{"sequence":6,"at":"…","schedule":"owned-daily","run":"…","body":{…}}}
//! {"lines":3,"sha256":"…"}
//! ```
//!
//! `index` says where in the journal beside it a run's event lies (snapshots); `event` is the event (exports).
//! The last line counts the lines between and hashes every byte before it.

use super::folder::{Folder, sync_folder};
use crate::store::state::{self, Broken, Record, State};
use crate::store::wire::{self, Line};
use crate::store::{Change, Sequence, StoredEvent};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

pub const SCHEMA: &str = "aptiqd.store/1";
const BATCH: usize = 2_000;

#[derive(Serialize, Deserialize)]
pub struct Head {
    pub schema: String,
    pub sequence: Sequence,
    pub at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct Foot {
    lines: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Index {
    index: String,
    sequence: Sequence,
    offset: u64,
}

#[derive(Serialize, Deserialize)]
struct Event {
    event: StoredEvent,
}

/// Whatever stands on a line between the first and the last.
pub enum Told {
    Record(Change),
    Index(String, Sequence, u64),
    Event(StoredEvent),
}

/// Whether the lines say where in the journal beside them an event lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Places {
    Kept,
    Left,
}

/// Writes lines and what the last one says of them.
pub struct Lines<W> {
    to: W,
    places: Places,
    hash: Sha256,
    lines: u64,
    pub bytes: u64,
}

impl<W: Write> Lines<W> {
    pub fn begin(to: W, head: &Head, places: Places) -> io::Result<Lines<W>> {
        let mut lines = Lines {
            to,
            places,
            hash: Sha256::new(),
            lines: 0,
            bytes: 0,
        };
        lines.line(head)?;
        Ok(lines)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        self.to.write_all(&bytes)
    }

    pub fn told(&mut self, told: &Told) -> io::Result<()> {
        self.lines += 1;
        match told {
            Told::Record(Change::Put { key, value }) => {
                self.line(&Line::of(key.tree, &key.key, Some(value)))
            }
            Told::Record(Change::Delete { key }) => self.line(&Line::of(key.tree, &key.key, None)),
            Told::Index(run, sequence, offset) => self.line(&Index {
                index: run.clone(),
                sequence: *sequence,
                offset: *offset,
            }),
            Told::Event(event) => self.line(&Event {
                event: event.clone(),
            }),
        }
    }

    /// A physical record, or all that are packed in it.
    pub fn record(&mut self, (key, value): &Record) -> io::Result<()> {
        let unreadable = || io::Error::other("a record has an unknown form");
        let (kind, rest) = key.split_first().ok_or_else(unreadable)?;
        if let Some(packed) = state::unpack(key, value) {
            let records = packed.map_err(|broken| io::Error::other(broken.reason))?;
            return records.iter().try_for_each(|record| self.record(record));
        }
        if *kind == state::EVENT && self.places == Places::Left {
            return Ok(());
        }
        self.lines += 1;
        if *kind == state::EVENT {
            let run = String::from_utf8_lossy(state::run_of(rest)).into_owned();
            let sequence = rest.last_chunk().ok_or_else(unreadable)?;
            let offset = value.first_chunk().ok_or_else(unreadable)?;
            return self.line(&Index {
                index: run,
                sequence: u64::from_be_bytes(*sequence),
                offset: u64::from_le_bytes(*offset),
            });
        }
        let tree = state::tree(*kind).ok_or_else(unreadable)?;
        self.line(&Line::of(tree, rest, Some(value)))
    }

    pub fn finish(mut self) -> io::Result<W> {
        let foot = Foot {
            lines: self.lines,
            sha256: wire::hex(&self.hash.clone().finalize()),
        };
        self.line(&foot)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// Reads what [`Lines`] wrote. Nothing of it is proven before `Ok` is returned.
pub fn read(
    mut from: impl BufRead,
    mut show: impl FnMut(&Head, Told) -> Result<(), Broken>,
) -> Result<Head, Broken> {
    let cut_short = || Broken::new("it is cut short");
    let mut hash = Sha256::new();
    let mut lines = 0;
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes)?;
    let head: Head = serde_json::from_slice(&bytes).map_err(|_| cut_short())?;
    if head.schema != SCHEMA {
        return Err(Broken::new(format!("its schema is not {SCHEMA}")));
    }
    loop {
        hash.update(&bytes);
        bytes.clear();
        from.read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Err(cut_short());
        }
        if bytes.starts_with(b"{\"lines\"") {
            let foot: Foot = serde_json::from_slice(&bytes).map_err(|_| cut_short())?;
            if foot.lines != lines || foot.sha256 != wire::hex(&hash.finalize()) {
                return Err(Broken::new("its checksum does not match"));
            }
            return Ok(head);
        }
        lines += 1;
        let told = parse(&bytes)
            .ok_or_else(|| Broken::new(format!("its line {} cannot be read", lines + 1)))?;
        show(&head, told)?;
    }
}

fn parse(bytes: &[u8]) -> Option<Told> {
    if bytes.starts_with(b"{\"index\"") {
        let index: Index = serde_json::from_slice(bytes).ok()?;
        return Some(Told::Index(index.index, index.sequence, index.offset));
    }
    if bytes.starts_with(b"{\"event\"") {
        let event: Event = serde_json::from_slice(bytes).ok()?;
        return Some(Told::Event(event.event));
    }
    let line: Line = serde_json::from_slice(bytes).ok()?;
    line.change().map(Told::Record)
}

/// Sequences of the snapshots in the folder, newest first.
pub fn list(folder: &Path) -> io::Result<Vec<Sequence>> {
    let mut sequences = Vec::new();
    match fs::read_dir(folder.join("snapshots")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(entries) => {
            for entry in entries {
                let name = entry?.file_name();
                let digits = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
                sequences.extend(digits.and_then(|digits| digits.parse::<Sequence>().ok()));
            }
        }
    }
    sequences.sort_unstable_by(|a, b| b.cmp(a));
    Ok(sequences)
}

pub fn name(sequence: Sequence) -> String {
    format!("snapshots/{sequence:020}.jsonl")
}

/// Writes a snapshot of `state` and audits it on the way; visible once it is whole and on the disk.
pub fn take(folder: &Folder, state: &State, at: DateTime<Utc>) -> Result<(Sequence, u64), Broken> {
    let snapshots = folder.join("snapshots");
    fs::create_dir_all(&snapshots)?;
    folder.sync()?;
    let beside: PathBuf = snapshots.join("snapshot.tmp");
    let mut file = Some(BufWriter::new(File::create(&beside)?));
    let mut lines = None;
    let mut begin = |sequence| {
        let to = file.take().ok_or_else(|| io::Error::other("begun twice"))?;
        let schema = SCHEMA.to_owned();
        let head = Head {
            schema,
            sequence,
            at,
        };
        Lines::begin(to, &head, Places::Kept)
    };
    let sequence = state.walk(|sequence, records| {
        let lines = match &mut lines {
            Some(lines) => lines,
            none => none.insert(begin(sequence)?),
        };
        for record in &records {
            lines.record(record)?;
        }
        Ok(())
    })?;
    let lines = match lines {
        Some(lines) => lines,
        None => begin(sequence)?,
    };
    let bytes = lines.bytes;
    let written = lines.finish()?;
    written.get_ref().sync_all()?;
    fs::rename(&beside, folder.join(&name(sequence)))?;
    sync_folder(&snapshots)?;
    Ok((sequence, bytes))
}

/// Fills an empty state from the snapshot; answers its sequence.
pub fn fill(state: &State, path: &Path) -> Result<Sequence, Broken> {
    let mut changes = Vec::new();
    let mut events = Vec::new();
    let reader = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let head = read(reader, |_, told| {
        match told {
            Told::Record(change) => changes.push(change),
            Told::Index(run, sequence, offset) => events.push((run, sequence, offset)),
            Told::Event(_) => {}
        }
        if changes.len() + events.len() >= BATCH {
            state.load(&changes, &events)?;
            changes.clear();
            events.clear();
        }
        Ok(())
    })?;
    state.load(&changes, &events)?;
    state.reach(head.sequence)?;
    Ok(head.sequence)
}
