//! What the tender waits for, told by the committer without ever waiting itself.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Beat {
    dirty: bool,
    stopping: bool,
    applying: Option<Instant>,
    journal_bytes: u64,
}

#[derive(Default)]
pub struct Pulse {
    beat: Mutex<Beat>,
    changed: Condvar,
}

/// Why the tender woke.
pub enum Woken {
    /// There is something to bring to the disk; so much journal was written since last asked.
    Dirty {
        journal_bytes: u64,
    },
    /// The committer has been in one call of sled for this long.
    Applying(Duration),
    Idle,
    Stopping,
}

impl Pulse {
    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin_apply(&self, journal_bytes: u64) {
        let mut beat = self.lock();
        beat.applying = Some(Instant::now());
        beat.journal_bytes += journal_bytes;
        let asleep = !std::mem::replace(&mut beat.dirty, true);
        drop(beat);
        if asleep {
            self.changed.notify_all();
        }
    }

    pub fn end_apply(&self) {
        self.lock().applying = None;
    }

    pub fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    pub fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Sleeps until something was applied and then for `rest`, so that much is brought to the disk at once;
    /// at most until `wake`, if nothing happens.
    pub fn wait(&self, rest: Duration, wake: Option<Duration>) -> Woken {
        let mut beat = self.lock();
        if !beat.dirty && !beat.stopping {
            beat = match wake {
                None => self
                    .changed
                    .wait_while(beat, |beat| !beat.dirty && !beat.stopping)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(wake) => {
                    self.changed
                        .wait_timeout_while(beat, wake, |beat| !beat.dirty && !beat.stopping)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        if beat.dirty && !beat.stopping {
            beat = self
                .changed
                .wait_timeout_while(beat, rest, |beat| !beat.stopping)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if beat.stopping {
            return Woken::Stopping;
        }
        if let Some(since) = beat.applying.filter(|since| since.elapsed() > rest) {
            return Woken::Applying(since.elapsed());
        }
        match std::mem::take(&mut beat.dirty) {
            true => Woken::Dirty {
                journal_bytes: std::mem::take(&mut beat.journal_bytes),
            },
            false => Woken::Idle,
        }
    }
}
