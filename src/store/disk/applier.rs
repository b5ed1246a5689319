//! Lets the state follow the journal, on a thread of its own, so that what is to be durable need not wait for sled.

use super::Shared;
use crate::store::state::{Applied, Broken};
use crate::store::{Commit, Sequence};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Batches that may wait; beyond it the journal waits too.
pub const WAITING: usize = 4;

/// Commits that are in the journal.
pub struct Durable {
    /// Each with its first sequence and the place of its frame.
    pub commits: Vec<(Commit, Sequence, u64)>,
    pub journal_bytes: u64,
}

/// Whoever waits for the state must not wait for a thread that is gone.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.applied.end();
    }
}

/// Runs until the committer is gone, or the state is not to be trusted. What was answered is let in even if the journal
/// has failed since: it may still be read.
pub fn run(shared: &Arc<Shared>, receiver: &Receiver<Durable>) {
    let _ending = Ending(shared);
    while let Ok(durable) = receiver.recv() {
        let answered = durable.commits.len() as u64;
        if let Err(broken) = apply(shared, durable) {
            let reason = shared.suspect(&broken);
            return shared.stop(&reason);
        }
        shared.applied.apply(answered);
    }
}

fn apply(shared: &Shared, durable: Durable) -> Result<(), Broken> {
    shared.pulse.begin_apply(durable.journal_bytes);
    let applied: Vec<Applied<'_>> = durable
        .commits
        .iter()
        .map(|(commit, first, offset)| Applied {
            commit,
            first: *first,
            offset: *offset,
        })
        .collect();
    let outcome = shared.state().apply(&applied);
    shared.pulse.end_apply();
    outcome
}
