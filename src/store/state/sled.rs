//! The state that everything is read from. Disposable: the journal can refill it.

use super::broken::{Broken, contained};
use super::key::{self, COLD, EVENT, OPEN};
use super::ledger::{META_KEY, Meta, Sums};
use super::pack::Record;
use super::packs::Last;
use super::slack::with_slack;
use super::staging::Staging;
use super::walk::{Walk, missing};
use crate::store::{Change, Commit, Sequence};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// sled's own sweep, which gives back space; the flushes that count are ours. Rare, so that an idle daemon sleeps.
const SWEEP_MS: u64 = 60_000;

pub struct State {
    db: sled::Db,
    data: File,
    blobs: PathBuf,
    synced_blobs: Mutex<BTreeSet<PathBuf>>,
    ledger: Mutex<Ledger>,
    /// Held for writing while a batch goes in, so that no read meets a run halfway between hot and cold.
    gate: RwLock<()>,
    walking: Mutex<()>,
    pub(super) last: Last,
}

#[derive(Default)]
struct Ledger {
    meta: Meta,
    open: BTreeSet<Vec<u8>>,
    walk: Option<Walk>,
}

/// A commit and its place in the journal.
pub struct Applied<'a> {
    pub commit: &'a Commit,
    pub first: Sequence,
    pub offset: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Opens or makes the state in `path` and audits whatever a daemon relies on when it starts: everything but the
    /// records of finished runs, which [`State::walk`] covers.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<State, Broken> {
        State::open_of(path, cache_bytes, false)
    }

    /// As [`State::open`], for a state that may be of format 1: it can be walked, and nothing else.
    pub fn open_former(path: &Path, cache_bytes: u64) -> Result<State, Broken> {
        State::open_of(path, cache_bytes, true)
    }

    fn open_of(path: &Path, cache_bytes: u64, former: bool) -> Result<State, Broken> {
        contained(|| {
            let config = sled::Config::new()
                .path(path)
                .cache_capacity(cache_bytes)
                .flush_every_ms(Some(SWEEP_MS));
            // A flush makes the pool, unless opening has.
            let db = with_slack(|| {
                let db = config.open()?;
                db.flush()?;
                Ok::<_, sled::Error>(db)
            })?;
            let state = State {
                data: File::open(path.join("db"))?,
                blobs: path.join("blobs"),
                synced_blobs: Mutex::default(),
                ledger: Mutex::default(),
                gate: RwLock::default(),
                walking: Mutex::default(),
                last: Last::default(),
                db,
            };
            let ledger = state.audit(former)?;
            *lock(&state.ledger) = ledger;
            Ok(state)
        })
    }

    fn audit(&self, former: bool) -> Result<Ledger, Broken> {
        let mut ledger = Ledger::default();
        match self.db.get(META_KEY)? {
            Some(sealed) => ledger.meta = Meta::decode(&sealed, former).map_err(Broken::new)?,
            None if self.db.is_empty() => return Ok(ledger),
            None => return Err(Broken::new("its own record is missing")),
        }
        let mut seen = Sums::default();
        for found in self.db.range(vec![OPEN]..vec![COLD]) {
            let (key, sealed) = found?;
            key::unseal(&key, &sealed).map_err(Broken::new)?;
            seen.of(&key).add(&key, &sealed);
            if key[0] == OPEN {
                ledger.open.insert(key[1..].to_vec());
            }
        }
        missing(&ledger.meta.sums, &seen, COLD)?;
        Ok(ledger)
    }

    /// The last event whose changes are in.
    pub fn sequence(&self) -> Sequence {
        lock(&self.ledger).meta.sequence
    }

    /// Takes a batch of commits in, all or nothing.
    pub fn apply(&self, batch: &[Applied<'_>]) -> Result<(), Broken> {
        let Some(last) = batch.last() else {
            return Ok(());
        };
        let end = last.first + last.commit.events.len() as Sequence - 1;
        self.write(Some(end), |staging| {
            for Applied {
                commit,
                first,
                offset,
            } in batch
            {
                for change in &commit.changes {
                    staging.change(change)?;
                }
                for (entry, sequence) in commit.events.iter().zip(*first..) {
                    if let Some(run) = &entry.run {
                        staging.event(run, sequence, *offset)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Takes records of a snapshot in; the sequence stays until [`State::reach`].
    pub fn load(
        &self,
        changes: &[Change],
        events: &[(String, Sequence, u64)],
    ) -> Result<(), Broken> {
        self.write(None, |staging| {
            for change in changes {
                staging.change(change)?;
            }
            for (run, sequence, offset) in events {
                staging.event(run, *sequence, *offset)?;
            }
            Ok(())
        })
    }

    /// Declares everything up to `sequence` to be in.
    pub fn reach(&self, sequence: Sequence) -> Result<(), Broken> {
        self.write(Some(sequence), |_| Ok(()))
    }

    fn write(
        &self,
        end: Option<Sequence>,
        stage: impl FnOnce(&mut Staging<'_>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        contained(|| {
            let mut ledger = lock(&self.ledger);
            let Ledger { meta, open, walk } = &mut *ledger;
            let mut staging = Staging::over(&self.db, open);
            stage(&mut staging)?;
            let mut batch = sled::Batch::default();
            for (key, value) in staging.finish()? {
                self.put(&mut batch, meta, walk.as_mut(), key, value)?;
            }
            meta.sequence = end.unwrap_or(meta.sequence);
            batch.insert(&META_KEY, meta.encode());
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            self.db.apply_batch(batch)?;
            Ok(())
        })
    }

    fn put(
        &self,
        batch: &mut sled::Batch,
        meta: &mut Meta,
        walk: Option<&mut Walk>,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
    ) -> Result<(), Broken> {
        let old = self.db.get(&key)?;
        let new = value.map(|value| key::seal(&key, &value));
        if old.as_deref() == new.as_deref() {
            return Ok(());
        }
        if let Some(walk) = walk {
            walk.keep(&key, old.as_deref());
        }
        let sum = meta.sums.of(&key);
        if let Some(old) = &old {
            sum.remove(&key, old);
        }
        match new {
            Some(new) => {
                sum.add(&key, &new);
                batch.insert(key, new);
            }
            None => batch.remove(key),
        }
        Ok(())
    }

    /// Shows every record at one sequence, chunk by chunk, and proves that none is missing or changed.
    /// Commits go on meanwhile. Answers that sequence.
    pub fn walk(
        &self,
        mut show: impl FnMut(Sequence, Vec<Record>) -> Result<(), Broken>,
    ) -> Result<Sequence, Broken> {
        let _one = lock(&self.walking);
        let sequence = {
            let mut ledger = lock(&self.ledger);
            ledger.walk = Some(Walk::begin(&ledger.meta));
            ledger.meta.sequence
        };
        let walked = contained(|| {
            loop {
                let chunk = match &mut lock(&self.ledger).walk {
                    Some(walk) => walk.next(&self.db)?,
                    None => Vec::new(),
                };
                if chunk.is_empty() {
                    return Ok(sequence);
                }
                show(sequence, chunk)?;
            }
        });
        let walk = lock(&self.ledger).walk.take();
        match (walked, walk) {
            (Ok(sequence), Some(walk)) => walk.finish().map(|()| sequence),
            (other, _) => other,
        }
    }

    /// Brings everything applied so far to the disk. sled's own flush does not: it asks the kernel to begin
    /// writing, and never syncs the files of large nodes.
    pub fn flush(&self) -> Result<(), Broken> {
        contained(|| {
            self.db.flush()?;
            self.data.sync_data()?;
            let mut synced = lock(&self.synced_blobs);
            let found: Result<BTreeSet<PathBuf>, _> = fs::read_dir(&self.blobs)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect();
            let found = found?;
            for path in found.difference(&synced) {
                match File::open(path) {
                    Ok(file) => file.sync_all()?,
                    // sled removes what it no longer needs.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
            *synced = found;
            Ok(())
        })
    }

    pub(super) fn tree(&self) -> &sled::Tree {
        &self.db
    }

    pub(super) fn reading(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Event sequences of `run` after `after` with the offsets of their frames, oldest first.
    pub fn run_events(
        &self,
        run: &str,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, u64)>, Broken> {
        contained(|| {
            let _reading = self.reading();
            let run = run.as_bytes();
            let after = after.to_be_bytes();
            let mut events = BTreeMap::new();
            let from = [&key::of_run(EVENT, run)[..], &after].concat();
            for record in self.hot_and_cold(EVENT, &key::of_run(EVENT, run)[1..], &from[1..]) {
                let (key, value) = record?;
                let (Some(sequence), Ok(offset)) =
                    (key.last_chunk::<8>(), <[u8; 8]>::try_from(value.as_slice()))
                else {
                    return Err(Broken::new("an event's place cannot be read"));
                };
                events.insert(u64::from_be_bytes(*sequence), u64::from_le_bytes(offset));
                if events.len() == limit {
                    break;
                }
            }
            Ok(events.into_iter().collect())
        })
    }
}
