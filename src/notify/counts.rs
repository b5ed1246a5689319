//! What became of notices, by receiver: for metrics and status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Delivered,
    /// A try failed and another one follows.
    Retried,
    /// Every try failed.
    GivenUp,
    /// The receiver's queue was full, or it is not configured any more.
    Dropped,
}

impl Outcome {
    pub const ALL: [Outcome; 4] = [
        Outcome::Delivered,
        Outcome::Retried,
        Outcome::GivenUp,
        Outcome::Dropped,
    ];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Retried => "retried",
            Outcome::GivenUp => "given_up",
            Outcome::Dropped => "dropped",
        }
    }
}

/// Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    outcomes: BTreeMap<(String, Outcome), u64>,
    /// Why a receiver's last try failed, while it does.
    failing: BTreeMap<String, String>,
}

impl Counts {
    /// All outcomes of every known receiver, those that never came as 0.
    pub fn outcomes(&self) -> Vec<(String, &'static str, u64)> {
        let inner = self.inner();
        let counts = inner.outcomes.iter();
        counts
            .map(|((receiver, outcome), count)| (receiver.clone(), outcome.as_str(), *count))
            .collect()
    }

    /// Receivers that cannot be reached at present, and why.
    pub fn failing(&self) -> Vec<(String, String)> {
        let inner = self.inner();
        let failing = inner.failing.iter();
        failing
            .map(|(name, why)| (name.clone(), why.clone()))
            .collect()
    }

    pub(super) fn know(&self, receiver: &str) {
        for outcome in Outcome::ALL {
            let key = (receiver.to_owned(), outcome);
            self.inner().outcomes.entry(key).or_default();
        }
    }

    pub(super) fn add(&self, receiver: &str, outcome: Outcome) {
        let key = (receiver.to_owned(), outcome);
        *self.inner().outcomes.entry(key).or_default() += 1;
    }

    /// Notes how the last try went; `true` if that is news.
    pub(super) fn note(&self, receiver: &str, fault: Option<&str>) -> bool {
        let mut inner = self.inner();
        match fault {
            Some(why) => {
                let before = inner.failing.insert(receiver.to_owned(), why.to_owned());
                before.is_none()
            }
            None => inner.failing.remove(receiver).is_some(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
