//! How far the state has followed the journal. A commit is answered once it is durable, so whoever reads the state waits
//! until it holds what was answered before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Default)]
pub struct Progress {
    /// Commits that were answered; not every one has a sequence of its own.
    answered: AtomicU64,
    reached: Mutex<Reached>,
    changed: Condvar,
}

#[derive(Default)]
struct Reached {
    commits: u64,
    /// The state follows no more.
    over: bool,
}

/// The state will not hold what was waited for.
pub struct Over;

impl Progress {
    /// A commit is about to be answered, and is not yet in the state.
    pub fn answer(&self) {
        self.answered.fetch_add(1, Ordering::AcqRel);
    }

    /// The state holds so many commits more, in the order in which they were answered.
    pub fn apply(&self, commits: u64) {
        self.change(|reached| reached.commits += commits);
    }

    /// The state has been given up.
    pub fn end(&self) {
        self.change(|reached| reached.over = true);
    }

    fn change(&self, change: impl FnOnce(&mut Reached)) {
        change(&mut self.reached.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Blocks until the state holds what has been answered by now.
    pub fn settle(&self) -> Result<(), Over> {
        let answered = self.answered.load(Ordering::Acquire);
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = |reached: &mut Reached| reached.commits < answered && !reached.over;
        let reached = self.changed.wait_while(reached, behind);
        match reached.unwrap_or_else(PoisonError::into_inner).commits >= answered {
            true => Ok(()),
            false => Err(Over),
        }
    }
}
