//! The one thread that writes: it takes whatever waits, appends it with one `fdatasync`, applies it, answers all.

use super::Shared;
use crate::store::journal::{Framed, Writer};
use crate::store::state::Applied;
use crate::store::{Commit, Error, Sequence};
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
pub fn run(shared: &Arc<Shared>, mut writer: Writer, mut receiver: mpsc::Receiver<Waiting>) {
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
            None => handle_batch(shared, &mut writer, &mut batch),
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

fn handle_batch(shared: &Arc<Shared>, writer: &mut Writer, batch: &mut Vec<Waiting>) {
    match write(shared, writer, batch) {
        Ok(ends) => {
            for (waiting, end) in batch.drain(..).zip(ends) {
                drop(waiting.answer.send(Ok(end)));
            }
        }
        Err(reason) => {
            shared.stop(&reason);
            refuse(batch, &reason);
        }
    }
}

/// The last sequence of each commit, once all are durable and applied.
fn write(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    batch: &[Waiting],
) -> Result<Vec<Sequence>, String> {
    let mut first = writer.next();
    let framed = |waiting: &'_ Waiting| -> u32 { waiting.commit.events.len() as u32 };
    let frames: Vec<Framed<'_>> = batch
        .iter()
        .map(|waiting| (waiting.payload.as_slice(), framed(waiting)))
        .collect();
    let appended = writer
        .append(&frames)
        .map_err(|error| format!("the journal cannot be written: {error}"))?;
    let mut applied = Vec::with_capacity(batch.len());
    let mut ends = Vec::with_capacity(batch.len());
    for (waiting, offset) in batch.iter().zip(&appended.offsets) {
        let commit = &waiting.commit;
        applied.push(Applied {
            commit,
            first,
            offset: *offset,
        });
        first += commit.events.len() as Sequence;
        ends.push(first - 1);
    }
    if let Some(segment) = appended.rolled {
        shared.shelf.add(segment);
    }
    shared.pulse.begin_apply(appended.bytes);
    let outcome = shared.state().apply(&applied);
    shared.pulse.end_apply();
    outcome.map_err(|broken| shared.suspect(&broken))?;
    shared.position.store(first - 1, Ordering::Release);
    if let Some(last) = batch.last() {
        shared.note_time(last.commit.at);
    }
    Ok(ends)
}
