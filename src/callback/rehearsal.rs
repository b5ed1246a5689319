//! Callbacks that we send ourselves, to see whether they come through and as what.

use crate::run::AttemptId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What came to an address that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub method: String,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// The rehearsals under way. Nothing is kept of any other callback.
#[derive(Debug, Default)]
pub struct Rehearsals {
    /// How many, so that the listener need not lock for each callback.
    open: AtomicUsize,
    heard: Mutex<BTreeMap<AttemptId, Option<Heard>>>,
}

impl Rehearsals {
    /// From now on, what comes to this attempt's address is kept.
    pub fn expect(&self, attempt: AttemptId) {
        let mut heard = self.heard();
        heard.insert(attempt, None);
        self.open.store(heard.len(), Ordering::Release);
    }

    /// What came, if anything did; ends the rehearsal.
    pub fn end(&self, attempt: &AttemptId) -> Option<Heard> {
        let mut heard = self.heard();
        let came = heard.remove(attempt).flatten();
        self.open.store(heard.len(), Ordering::Release);
        came
    }

    pub(super) fn is_expected(&self, attempt: &AttemptId) -> bool {
        self.open.load(Ordering::Acquire) > 0 && self.heard().contains_key(attempt)
    }

    pub(super) fn note(&self, attempt: &AttemptId, came: Heard) {
        if let Some(heard) = self.heard().get_mut(attempt) {
            *heard = Some(came);
        }
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Option<Heard>>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
