//! The writing end of a download, in one pass: written and hashed here, counted and inspected beside it; then
//! fsync, rename, fsync into raw/.

use super::disk::{Disk, disk_fault};
use super::inspect::{Inspector, Kept};
use super::partial::Partial;
use super::shape::{Shape, too_large};
use super::{FetchOrder, layout, merge};
use crate::run::{Artifact, Fault, FaultClass};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};
use tokio::sync::mpsc;

/// So often what has arrived is made durable, so that a killed process can go on from there.
const CHECKPOINT: u64 = 256 << 20;
/// Chunks that may be written and not yet inspected.
const AHEAD: usize = 16;

pub(super) fn transfer(message: impl Into<String>) -> Fault {
    Fault::new(FaultClass::Transfer, message)
}

pub(super) enum Piece {
    Bytes(Bytes),
    /// The body ended as it should.
    End,
}

/// Where the files of one part are.
#[derive(Clone)]
pub(super) struct Place {
    disk: Disk,
    order: Arc<FetchOrder>,
    pub partial: PathBuf,
    pub sidecar: PathBuf,
    facts: PathBuf,
    keys: PathBuf,
    /// Below the root.
    raw: String,
}

impl Place {
    pub fn of(disk: Disk, order: Arc<FetchOrder>) -> Place {
        let staged = |kind| layout::staged(disk.root(), &order.run, order.part, kind);
        Place {
            partial: staged("partial"),
            sidecar: staged("resume.json"),
            facts: staged("facts.json"),
            keys: staged("keys"),
            raw: layout::raw(&order.schedule, &order.run, order.part, order.format),
            disk,
            order,
        }
    }

    /// The artifact of this very job, if it was fetched before and is unharmed.
    pub fn already(&self) -> Option<Artifact> {
        let kept = Kept::load(&self.facts)?;
        if kept.job_id != self.order.job_id || kept.terms != self.order.terms {
            return None;
        }
        let (bytes, sha256) = merge::hash_file(&self.disk.root().join(&self.raw)).ok()?;
        (bytes == kept.bytes && sha256 == kept.sha256).then(|| Artifact {
            bytes,
            sha256,
            rows: kept.facts.rows,
            path: self.raw.clone(),
        })
    }

    fn forget(&self) {
        for path in [&self.partial, &self.sidecar] {
            // What cannot be removed is overwritten by the next download.
            let _ = self.disk.remove(path);
        }
    }
}

/// The writing end of a download.
pub(super) struct Intake {
    writing: Writing,
    inspector: Inspector,
}

/// What has arrived, on its way to the disk.
struct Writing {
    place: Place,
    shape: Shape,
    file: File,
    hasher: Sha256,
    bytes: u64,
    checkpoint: u64,
}

impl Intake {
    pub fn begin(place: Place, shape: Shape) -> Result<Intake, Fault> {
        place
            .disk
            .make_folder(&layout::staging(place.disk.root(), &place.order.run))?;
        let file = match &shape.resumed {
            Some(_) => OpenOptions::new()
                .read(true)
                .write(true)
                .open(&place.partial)
                .map_err(|error| disk_fault("open", &place.partial, &error))?,
            None => {
                place.disk.remove(&place.sidecar)?;
                place.disk.create(&place.partial)?
            }
        };
        let inspector = Inspector::new(place.order.format, &place.order.terms, &place.keys);
        let writing = Writing {
            place,
            file,
            hasher: Sha256::new(),
            bytes: 0,
            checkpoint: CHECKPOINT,
            shape,
        };
        let mut intake = Intake { writing, inspector };
        if let Some(known) = intake.writing.shape.resumed.clone() {
            let replayed = intake.replay(known.kept);
            intake.writing.forget_bad(replayed)?;
        }
        Ok(intake)
    }

    /// Hashes and inspects the kept bytes again; only the disk is believed about them.
    fn replay(&mut self, kept: u64) -> Result<(), Fault> {
        let Intake { writing, inspector } = self;
        let path = writing.place.partial.clone();
        let failed = |error: std::io::Error| disk_fault("read", &path, &error);
        writing.file.set_len(kept).map_err(failed)?;
        writing.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut block = vec![0; merge::BLOCK];
        loop {
            let length = writing.file.read(&mut block).map_err(failed)?;
            if length == 0 {
                break;
            }
            writing.hasher.update(&block[..length]);
            inspector.feed(&block[..length])?;
            writing.bytes += length as u64;
        }
        writing.checkpoint = writing.bytes + CHECKPOINT;
        if writing.bytes == kept {
            Ok(())
        } else {
            Err(transfer(
                "the kept part of the download is shorter than recorded",
            ))
        }
    }

    /// Takes pieces until the end; `None` if the sender broke off, with what came kept for later.
    pub fn take_all(
        mut self,
        mut pieces: mpsc::Receiver<Piece>,
    ) -> Result<Option<Artifact>, Fault> {
        let outcome = self.take_until_end(&mut pieces);
        drop(pieces);
        if self.writing.forget_bad(outcome)? {
            self.finish().map(Some)
        } else {
            self.writing.keep()?;
            Ok(None)
        }
    }

    /// Inspection goes on beside the writing, on the same bytes in memory.
    fn take_until_end(&mut self, pieces: &mut mpsc::Receiver<Piece>) -> Result<bool, Fault> {
        let Intake { writing, inspector } = self;
        thread::scope(|scope| {
            let (ahead, chunks) = sync_channel::<Bytes>(AHEAD);
            let inspecting =
                scope.spawn(move || chunks.iter().try_for_each(|chunk| inspector.feed(&chunk)));
            let written = writing.write_all(pieces, &ahead, scope);
            drop(ahead);
            let inspected = inspecting.join();
            inspected.unwrap_or_else(|panic| resume_unwind(panic))?;
            written
        })
    }

    fn finish(self) -> Result<Artifact, Fault> {
        let Intake { writing, inspector } = self;
        let place = &writing.place;
        // A Parquet file is read now: meanwhile the disk gets its bytes.
        let (found, synced) = thread::scope(|scope| {
            let syncing = scope.spawn(|| place.disk.sync_file(&writing.file, &place.partial));
            (inspector.finish(&place.partial), made(Some(syncing)))
        });
        let (facts, keys) = match found.and_then(|found| synced.map(|()| found)) {
            Err(fault) => {
                if fault.class != FaultClass::Disk {
                    place.forget();
                }
                return Err(fault);
            }
            Ok(found) => found,
        };
        let sha256 = merge::hex(&writing.hasher.finalize());
        if writing
            .shape
            .sha256
            .as_ref()
            .is_some_and(|first| *first != sha256)
        {
            place.forget();
            return Err(transfer(
                "the answer has no length, and two downloads of it differ",
            ));
        }
        let (rows, bytes) = (facts.rows, writing.bytes);
        if let Some(keys) = keys {
            keys.save(&place.keys)?;
        }
        place.disk.seal(&writing.file, &place.partial)?;
        let raw = place.disk.root().join(&place.raw);
        place
            .disk
            .make_folder(raw.parent().unwrap_or(place.disk.root()))?;
        place.disk.rename(&place.partial, &raw)?;
        let terms = &place.order.terms;
        Kept::new(&place.order.job_id, &sha256, bytes, terms, facts)
            .save(&place.disk, &place.facts)?;
        place.disk.proven().remember(&raw, &sha256);
        place.disk.remove(&place.sidecar)?;
        Ok(Artifact {
            bytes,
            sha256,
            rows,
            path: place.raw.clone(),
        })
    }
}

impl Writing {
    /// Whether the end came; `false` also if inspection has found enough. Checkpoints are made beside it.
    fn write_all<'scope>(
        &mut self,
        pieces: &mut mpsc::Receiver<Piece>,
        ahead: &SyncSender<Bytes>,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<bool, Fault> {
        let mut making = None;
        let written = loop {
            match pieces.blocking_recv() {
                None => break Ok(false),
                Some(Piece::End) => break self.whole().map(|()| true),
                Some(Piece::Bytes(chunk)) => {
                    if ahead.send(chunk.clone()).is_err() {
                        break Ok(false);
                    }
                    if let Err(fault) = self.take(&chunk) {
                        break Err(fault);
                    }
                }
            }
            if self.bytes >= self.checkpoint {
                self.checkpoint = self.bytes + CHECKPOINT;
                if let Err(fault) = made(making.take()) {
                    break Err(fault);
                }
                making = match self.checkpoint() {
                    Ok(checkpoint) => {
                        checkpoint.map(|checkpoint| scope.spawn(|| checkpoint.make()))
                    }
                    Err(fault) => break Err(fault),
                };
            }
        };
        made(making)?;
        written
    }

    fn take(&mut self, chunk: &Bytes) -> Result<(), Fault> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.shape.bytes_max {
            return Err(too_large(self.shape.bytes_max));
        }
        self.file
            .write_all(chunk)
            .map_err(|error| disk_fault("write", &self.place.partial, &error))?;
        self.hasher.update(chunk);
        Ok(())
    }

    fn whole(&self) -> Result<(), Fault> {
        match self.shape.length {
            Some(length) if length != self.bytes => Err(transfer(format!(
                "the download ended after {} of {length} bytes",
                self.bytes
            ))),
            _ => Ok(()),
        }
    }

    /// Bytes that were found to be wrong are not gone on from.
    fn forget_bad<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &outcome
            && fault.class != FaultClass::Disk
        {
            self.place.forget();
        }
        outcome
    }

    /// Makes what came durable, so that the next download can go on from it.
    fn keep(&self) -> Result<(), Fault> {
        self.checkpoint()?.map_or(Ok(()), Checkpoint::make)
    }

    /// Of what has come until now; `None` if no download could go on from it.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        if self.shape.etag.is_none() || self.bytes == 0 {
            return Ok(None);
        }
        let file = self.file.try_clone();
        Ok(Some(Checkpoint {
            file: file.map_err(|error| disk_fault("open", &self.place.partial, &error))?,
            place: self.place.clone(),
            known: Partial {
                job_id: self.place.order.job_id.clone(),
                etag: self.shape.etag.clone(),
                length: self.shape.length,
                kept: self.bytes,
            },
        }))
    }
}

/// What came of a checkpoint that is being made.
fn made(making: Option<ScopedJoinHandle<Result<(), Fault>>>) -> Result<(), Fault> {
    let done = making.map(ScopedJoinHandle::join);
    done.map_or(Ok(()), |done| {
        done.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Bytes that the next download can go on from, once they are on the disk.
struct Checkpoint {
    file: File,
    place: Place,
    known: Partial,
}

impl Checkpoint {
    fn make(self) -> Result<(), Fault> {
        let Checkpoint { file, place, known } = self;
        place.disk.sync_file(&file, &place.partial)?;
        known.save(&place.disk, &place.sidecar)
    }
}
