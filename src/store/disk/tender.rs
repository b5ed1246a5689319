//! What can wait, on a thread of its own: bringing the state to the disk, audits, snapshots, dropping old segments.

use super::Shared;
use super::pulse::Woken;
use super::revive::patiently;
use super::snapshot;
use crate::store::Sequence;
use crate::store::journal::segment::{self, Piece};
use crate::store::state::Broken;
use crate::store::wire;
use chrono::{DateTime, Utc};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Snapshots that are kept; segments are dropped only if the older one covers them.
const SNAPSHOTS: usize = 2;
/// A rest between the chunks of a background walk, so that it is not felt.
const BREATH: Duration = Duration::from_millis(2);

struct Tender {
    shared: Arc<Shared>,
    audit_at: Option<Instant>,
    journal_bytes: u64,
    last_bytes: u64,
    last_at: DateTime<Utc>,
}

/// Runs until told to stop, or until the store has.
pub fn run(shared: Arc<Shared>) {
    let audit_at = shared
        .settings
        .audit_after
        .map(|after| Instant::now() + after);
    let last_at = shared.time();
    let mut tender = Tender {
        shared,
        audit_at,
        journal_bytes: 0,
        last_bytes: 0,
        last_at,
    };
    while let Ok(true) = tender.turn() {}
}

impl Tender {
    /// One wake; false at the end.
    fn turn(&mut self) -> Result<bool, ()> {
        let wake = self
            .audit_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        let outcome = match self
            .shared
            .pulse
            .wait(self.shared.settings.flush_every, wake)
        {
            Woken::Stopping => return Ok(false),
            Woken::Applying(time) if time > self.shared.settings.patience => {
                Err(Broken::new("sled hangs: a batch did not end"))
            }
            Woken::Applying(_) => Ok(()),
            Woken::Idle => self.audit(),
            Woken::Dirty { journal_bytes } => {
                self.journal_bytes += journal_bytes;
                flush(&self.shared).and_then(|()| self.keep_house())
            }
        };
        outcome.map_err(|broken| {
            let reason = self.shared.suspect(&broken);
            self.shared.stop(&reason);
        })?;
        Ok(self.shared.stopped().is_none())
    }

    fn audit(&mut self) -> Result<(), Broken> {
        self.audit_at = None;
        audit(&self.shared, BREATH)
    }

    fn keep_house(&mut self) -> Result<(), Broken> {
        let settings = &self.shared.settings;
        let now = self.shared.time();
        let every = chrono::TimeDelta::from_std(settings.snapshot_every).unwrap_or_default();
        let much = settings.snapshot_bytes.max(self.last_bytes);
        if self.journal_bytes < much && now - self.last_at < every {
            return Ok(());
        }
        let (sequence, bytes) = self.shared.snapshot()?;
        tracing::debug!(sequence, bytes, "snapshot taken");
        self.journal_bytes = 0;
        self.last_bytes = bytes;
        self.last_at = now;
        drop_old(&self.shared, now)
    }
}

/// Flushes within the deadline.
pub fn flush(shared: &Arc<Shared>) -> Result<(), Broken> {
    let flushing = Arc::clone(shared);
    patiently(&shared.settings, "flush", move || flushing.state().flush())
}

/// Reads everything and proves that nothing is missing.
pub fn audit(shared: &Shared, breath: Duration) -> Result<(), Broken> {
    let stopped = || Broken::new("stopping");
    let walked = shared.state().walk(|_, _| {
        if shared.pulse.is_stopping() && !breath.is_zero() {
            return Err(stopped());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a thread of its own, in the background"
        )]
        thread::sleep(breath);
        Ok(())
    });
    match walked {
        Err(broken) if broken == stopped() => Ok(()),
        other => other.map(drop),
    }
}

/// Drops snapshots beyond the newest ones, and segments older than the history that the oldest kept one covers.
fn drop_old(shared: &Shared, now: DateTime<Utc>) -> Result<(), Broken> {
    let snapshots = snapshot::list(shared.folder.path())?;
    for sequence in snapshots.iter().skip(SNAPSHOTS) {
        remove(&shared.folder.join(&snapshot::name(*sequence)))?;
    }
    let Some(covered) = snapshots.get(SNAPSHOTS - 1) else {
        return Ok(());
    };
    let history =
        chrono::TimeDelta::from_std(shared.settings.history).unwrap_or(chrono::TimeDelta::MAX);
    let firsts = shared.shelf.firsts();
    for pair in firsts.windows(2) {
        let [first, next] = *pair else {
            break;
        };
        if next > covered + 1 || !older(shared, next, now, history)? {
            break;
        }
        shared.shelf.remove(first);
        remove(&shared.shelf.path(first))?;
        tracing::info!(
            first,
            "a journal segment has reached its age and was dropped"
        );
    }
    Ok(())
}

/// Whether everything before segment `first` is older than `history`.
fn older(
    shared: &Shared,
    first: Sequence,
    now: DateTime<Utc>,
    history: chrono::TimeDelta,
) -> io::Result<bool> {
    let mut begun = None;
    segment::visit(&shared.shelf.path(first), 0, |piece| {
        if let Piece::Frame(_, payload) = piece {
            begun = wire::decode_events(payload).map(|told| told.at);
        }
        ControlFlow::Break(())
    })?;
    Ok(begun.is_some_and(|begun| now - begun > history))
}

fn remove(path: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
