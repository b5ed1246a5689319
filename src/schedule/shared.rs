//! What many schedules say alike is kept once.

use super::{Checks, Columns, Compiler};
use std::sync::Arc;

/// Different values remembered of a kind; what comes later is not shared.
const KEPT_MAX: usize = 64;

/// Parts of schedules that are read one after the other.
#[derive(Default)]
pub struct Shared {
    pub cadences: Compiler,
    pub columns: Alike<Columns>,
    pub checks: Alike<Checks>,
}

/// Values of one kind.
pub struct Alike<T>(Vec<Arc<T>>);

impl<T> Default for Alike<T> {
    fn default() -> Alike<T> {
        Alike(Vec::new())
    }
}

impl<T: PartialEq> Alike<T> {
    /// The value, or an equal one that is there already.
    pub fn keep(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.0.iter().find(|known| ***known == value) {
            return Arc::clone(known);
        }
        let value = Arc::new(value);
        if self.0.len() < KEPT_MAX {
            self.0.push(Arc::clone(&value));
        }
        value
    }
}
