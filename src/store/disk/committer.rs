//! The one thread that writes the journal: it takes whatever waits, appends it with one `fdatasync`, answers all, and
//! hands it to the thread that lets the state follow ([`super::applier`]). Reads wait for that last step; whoever asked
//! only for it to be durable does not.

use super::Shared;
use super::applier::Durable;
use crate::store::journal::{Framed, Writer};
use crate::store::{Commit, Error, Sequence};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use tokio::sync::{mpsc, oneshot};

/// Commits that may wait; beyond it callers wait to hand theirs over.
pub const WAITING: usize = 1_024;
/// A batch takes no further commit beyond this size.
const BATCH_BYTES: usize = 8 << 20;

/// A commit, already encoded, and whoever waits for it.
pub struct Waiting {
    pub commit: Commit,
    pub payload: Vec<u8>,
    pub answer: oneshot::Sender<Result<Sequence, Error>>,
}

/// Runs until every sender is gone.
pub fn run(
    shared: &Arc<Shared>,
    mut writer: Writer,
    mut receiver: mpsc::Receiver<Waiting>,
    applier: &SyncSender<Durable>,
) {
    let mut batch = Vec::new();
    while let Some(first) = receiver.blocking_recv() {
        let mut bytes = first.payload.len();
        batch.push(first);
        while batch.len() < WAITING && bytes < BATCH_BYTES {
            let Ok(next) = receiver.try_recv() else {
                break;
            };
            bytes += next.payload.len();
            batch.push(next);
        }
        match shared.stopped() {
            Some(reason) => refuse(&mut batch, &reason),
            None => handle_batch(shared, &mut writer, &mut batch, applier),
        }
    }
}

fn refuse(batch: &mut Vec<Waiting>, reason: &str) {
    for waiting in batch.drain(..) {
        let reason = reason.to_owned();
        // Whoever asked may have gone.
        drop(waiting.answer.send(Err(Error::Stopped { reason })));
    }
}

fn handle_batch(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    batch: &mut Vec<Waiting>,
    applier: &SyncSender<Durable>,
) {
    let (placed, bytes) = match append(shared, writer, batch) {
        Ok(appended) => appended,
        Err(reason) => {
            shared.stop(&reason);
            return refuse(batch, &reason);
        }
    };
    let mut durable = Durable {
        commits: Vec::with_capacity(batch.len()),
        journal_bytes: bytes,
    };
    for (waiting, (first, offset)) in batch.drain(..).zip(placed) {
        let end = first + waiting.commit.events.len() as Sequence - 1;
        shared.note_time(waiting.commit.at);
        shared.applied.answer();
        shared.position.store(end, Ordering::Release);
        drop(waiting.answer.send(Ok(end)));
        durable.commits.push((waiting.commit, first, offset));
    }
    // It ends before its time only once the store has stopped.
    drop(applier.send(durable));
}

/// The first sequence and the place of each commit, once all are durable, and the bytes they took.
fn append(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    batch: &[Waiting],
) -> Result<(Vec<(Sequence, u64)>, u64), String> {
    let mut first = writer.next();
    let framed = |waiting: &'_ Waiting| -> u32 { waiting.commit.events.len() as u32 };
    let frames: Vec<Framed<'_>> = batch
        .iter()
        .map(|waiting| (waiting.payload.as_slice(), framed(waiting)))
        .collect();
    let appended = writer
        .append(&frames)
        .map_err(|error| format!("the journal cannot be written: {error}"))?;
    if let Some(segment) = appended.rolled {
        shared.shelf.add(segment);
    }
    let placed = batch
        .iter()
        .zip(&appended.offsets)
        .map(|(waiting, offset)| {
            let begins = first;
            first += waiting.commit.events.len() as Sequence;
            (begins, *offset)
        });
    Ok((placed.collect(), appended.bytes))
}
