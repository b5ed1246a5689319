//! The store on one machine's disk: the journal first, then the state in sled.
//!
//! ```text
//! lock  FORMAT            one process; version 2
//! journal/FIRST.log       every commit as it was made, in segments named by their first sequence: the truth
//! sled/                   what follows from them, and where the journal has each run's events
//! snapshots/SEQUENCE.jsonl
//! quarantine.TIME/        what was damaged, as it was found
//! before.TIME/            a state that `store rebuild` or `store import` replaced
//! format1.TIME/           a state of format 1, as it was before it was migrated
//! ballast                 space to give up, because sled cannot be opened on a full disk
//! sled.suspect  sled.opening    why the next opening refills sled · that an opening is under way
//! ```
//!
//! An opening proves every record that a daemon relies on when it starts, that is all but those of finished runs,
//! which lie packed; the full audit follows in the background and with every snapshot. When either finds sled to be
//! wrong the store stops, and the next opening refills it. The order of a commit is: journal, `fdatasync`,
//! answer, sled; a read waits until sled holds what was answered. Whoever is answered with an error knows nothing: the
//! commit may be there after all.
//!
//! A commit without events has no sequence of its own; it is durable and in order all the same.

mod applied;
mod applier;
mod committer;
mod folder;
mod migrate;
mod open;
mod opened;
mod place;
mod pulse;
mod revive;
mod settings;
mod snapshot;
mod tender;
mod transfer;

#[cfg(test)]
mod tests;

use super::journal::Shelf;
use super::journal::medium::{Medium, Os};
use super::state::{Broken, State};
use super::{Commit, Error, Key, Sequence, Store, StoredEvent, Tree, limit, wire};
use applied::{Over, Progress};
use chrono::{DateTime, Utc};
use committer::Waiting;
pub use folder::Ballast;
use folder::{Folder, io_error};
pub use migrate::Migrated;
pub use opened::{Opened, Revival};
pub use place::{Presence, probe, prove, put_back, set_aside};
use pulse::Pulse;
pub use settings::Settings;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot, watch};
pub use transfer::{export, import};

/// A state folder in use. Closed by [`Disk::close`], or when dropped.
pub struct Disk {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Running {
    sender: mpsc::Sender<Waiting>,
    committer: JoinHandle<()>,
    applier: JoinHandle<()>,
    tender: JoinHandle<()>,
}

/// What the handle and its threads have in common.
struct Shared {
    state: Arc<State>,
    shelf: Shelf,
    folder: Folder,
    settings: Settings,
    /// The newest durable event.
    position: AtomicU64,
    /// How far the state is behind it.
    applied: Progress,
    /// The newest commit's time: the store has no clock.
    time: Mutex<DateTime<Utc>>,
    pulse: Pulse,
    stopped: watch::Sender<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Locks, audits and, where needed, mends or refills the folder; [`Opened`] says what was found.
    ///
    /// # Errors
    /// `Locked` and `NewerFormat` before anything is written; `Io` if the disk does not let it.
    pub fn open(settings: Settings) -> Result<(Disk, Opened), Error> {
        Disk::open_on(settings, Arc::new(Os))
    }

    fn open_on(settings: Settings, medium: Arc<dyn Medium>) -> Result<(Disk, Opened), Error> {
        let parts = open::open(&settings, medium)?;
        parts.opened.log();
        let shared = Arc::new(Shared {
            state: Arc::new(parts.state),
            shelf: parts.shelf,
            folder: parts.folder,
            position: AtomicU64::new(parts.opened.position),
            applied: Progress::default(),
            time: Mutex::new(settings.now),
            pulse: Pulse::default(),
            stopped: watch::Sender::new(None),
            settings,
        });
        let (sender, receiver) = mpsc::channel(committer::WAITING);
        let (durable, following) = sync_channel(applier::WAITING);
        let [committing, applying, tending] = std::array::from_fn(|_| Arc::clone(&shared));
        let writer = parts.writer;
        let committer = spawn(&shared, "store-committer", move || {
            committer::run(&committing, writer, receiver, &durable);
        })?;
        let applier = spawn(&shared, "store-applier", move || {
            applier::run(&applying, &following);
        })?;
        let tender = spawn(&shared, "store-tender", move || tender::run(tending))?;
        let running = Running {
            sender,
            committer,
            applier,
            tender,
        };
        let disk = Disk {
            shared,
            running: Mutex::new(Some(running)),
        };
        Ok((disk, parts.opened))
    }

    /// Resolves with the reason once the store has stopped by itself: the process should end then, for the next
    /// start to mend what there is to mend.
    pub fn failed(&self) -> impl Future<Output = String> + Send + 'static {
        let mut stopped = self.shared.stopped.subscribe();
        async move {
            let waited = stopped.wait_for(Option::is_some).await;
            let reason = waited.ok().and_then(|reason| reason.clone());
            match reason {
                Some(reason) => reason,
                // The store was closed in order: there is no failure to report, ever.
                None => std::future::pending().await,
            }
        }
    }

    /// Reads all of the state and proves that nothing is missing or changed. Blocks; commits go on meanwhile.
    ///
    /// # Errors
    /// `Stopped` if it is not what was committed: the store then stops, and the next opening refills it.
    pub fn audit(&self) -> Result<(), Error> {
        tender::audit(&self.shared, std::time::Duration::ZERO)
            .map_err(|broken| self.distrust(&broken))
    }

    /// Takes a snapshot now. Blocks; commits go on meanwhile. Answers its sequence.
    pub fn snapshot(&self) -> Result<Sequence, Error> {
        self.shared.settled()?;
        let taken = self.shared.snapshot();
        let (sequence, _) = taken.map_err(|broken| self.distrust(&broken))?;
        Ok(sequence)
    }

    /// Lets what waits become durable, brings the state to the disk, ends the threads and unlocks. Blocks.
    ///
    /// # Errors
    /// `Stopped` if the store had stopped before.
    pub fn close(self) -> Result<(), Error> {
        self.shut();
        match self.shared.stopped() {
            Some(reason) => Err(Error::Stopped { reason }),
            None => Ok(()),
        }
    }

    fn shut(&self) {
        let Some(running) = lock(&self.running).take() else {
            return;
        };
        drop(running.sender);
        self.shared.pulse.stop();
        let threads = [running.committer, running.applier, running.tender];
        let ended = threads.map(JoinHandle::join);
        if ended.iter().any(Result::is_err) {
            self.shared.stop("a thread of the store panicked");
        }
        if self.shared.stopped().is_none()
            && let Err(broken) = tender::flush(&self.shared)
        {
            let reason = self.shared.suspect(&broken);
            self.shared.stop(&reason);
        }
    }

    fn distrust(&self, broken: &Broken) -> Error {
        let reason = self.shared.suspect(broken);
        self.shared.stop(&reason);
        Error::Stopped { reason }
    }

    /// For reads: `broken` is what sled said.
    fn unreadable(&self, tree: Tree, broken: &Broken) -> Error {
        let reason = self.shared.suspect(broken);
        self.shared.stop(&reason);
        Error::Record { tree, reason }
    }

    async fn hand_over(&self, commit: Commit) -> Result<Sequence, Error> {
        limit::check(&commit)?;
        let payload = wire::encode(&commit).map_err(|error| {
            io_error("encode a commit for", self.shared.folder.path())(error.into())
        })?;
        limit::within(payload.len(), limit::COMMIT_BYTES)?;
        let closed = || Error::Stopped {
            reason: self.shared.stopped().unwrap_or_else(|| "closed".to_owned()),
        };
        let sender = lock(&self.running)
            .as_ref()
            .map(|running| running.sender.clone());
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            commit,
            payload,
            answer,
        };
        let sender = sender.ok_or_else(closed)?;
        sender.send(waiting).await.map_err(|_| closed())?;
        drop(sender);
        answered.await.map_err(|_| closed())?
    }
}

fn spawn(
    shared: &Arc<Shared>,
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    let named = thread::Builder::new().name(name.to_owned());
    let watched = Arc::clone(shared);
    let thread = named.spawn(move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
            watched.stop("a thread of the store panicked");
        }
    });
    thread.map_err(io_error("start a thread for", shared.folder.path()))
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Shared {
    fn state(&self) -> &State {
        &self.state
    }

    fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    fn stop(&self, reason: &str) {
        let first = self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            stopped.get_or_insert_with(|| reason.to_owned());
            first
        });
        if first {
            // A sled that went wrong could hang or panic when it ends: this one never does.
            std::mem::forget(Arc::clone(&self.state));
            tracing::error!(
                reason,
                "the store has stopped: nothing more is acknowledged"
            );
        }
    }

    /// Has the next opening refill the state, unless only space is missing. Answers the reason for people.
    fn suspect(&self, broken: &Broken) -> String {
        if !broken.full
            && let Err(error) = self
                .folder
                .replace(revive::SUSPECT, broken.reason.as_bytes())
        {
            tracing::error!(%error, "cannot mark the state as suspect");
        }
        format!("the state is not to be trusted: {}", broken.reason)
    }

    fn snapshot(&self) -> Result<(Sequence, u64), Broken> {
        snapshot::take(&self.folder, self.state(), self.time())
    }

    /// The state as it is to be read: it holds all that was answered.
    fn settled(&self) -> Result<&State, Error> {
        let settled = self.applied.settle();
        settled.map_err(|Over| Error::Stopped {
            reason: self.stopped().unwrap_or_else(|| "closed".to_owned()),
        })?;
        Ok(&self.state)
    }

    fn time(&self) -> DateTime<Utc> {
        *lock(&self.time)
    }

    fn note_time(&self, at: DateTime<Utc>) {
        let mut time = lock(&self.time);
        *time = at.max(*time);
    }
}

impl Store for Disk {
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Sequence, Error>> + Send {
        self.hand_over(commit)
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let read = self.shared.settled()?.read(key);
        read.map_err(|broken| self.unreadable(key.tree, &broken))
    }

    fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let state = self.shared.settled()?;
        let found = state.scan(tree, prefix, after, backwards, limit);
        found.map_err(|broken| self.unreadable(tree, &broken))
    }

    fn events(
        &self,
        run: Option<&str>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Error> {
        let shelf = &self.shared.shelf;
        let unreadable = |source: io::Error| io_error("read", shelf.folder())(source);
        let Some(run) = run else {
            return shelf
                .events(after, self.position(), limit)
                .map_err(unreadable);
        };
        let places = self.shared.settled()?.run_events(run, after, limit);
        let places = places.map_err(|broken| self.unreadable(Tree::Run, &broken))?;
        let mut events = Vec::with_capacity(places.len());
        for (sequence, offset) in places {
            events.extend(shelf.event(sequence, offset).map_err(unreadable)?);
        }
        Ok(events)
    }

    fn position(&self) -> Sequence {
        self.shared.position.load(Ordering::Acquire)
    }

    fn audit(&self) -> Result<(), Error> {
        Disk::audit(self)
    }
}
