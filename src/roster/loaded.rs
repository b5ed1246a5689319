//! What the roster begins with.

use super::{Doubt, Exclusion, Mark};
use crate::coverage::Ledger;
use crate::run::Run;
use crate::schedule::Name;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the store remembers, as the roster begins.
#[derive(Debug, Default)]
pub struct Loaded {
    pub marks: BTreeMap<Name, Mark>,
    /// Runs with work left, with their parts and properties.
    pub open: Vec<Run>,
    pub ledgers: BTreeMap<Name, Ledger>,
    /// Properties as the vendor listed them last, of schedules that ask it.
    pub rosters: BTreeMap<Name, Arc<Vec<i64>>>,
    /// Properties that a schedule has had, where it wants history for new ones.
    pub seen: BTreeMap<Name, Arc<Vec<i64>>>,
    pub excluded: BTreeMap<i64, Exclusion>,
    /// The state may not know all there is.
    pub doubt: Option<Doubt>,
    /// What is known to lie outside the vendor's contract.
    pub drift: BTreeSet<String>,
    /// Callbacks have been missing since then.
    pub silent_since: Option<DateTime<Utc>>,
}
