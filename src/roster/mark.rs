//! What is remembered of a schedule between its fires.

use crate::run::{RunId, RunState};
use crate::schedule::Window;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// One record a schedule. It outlives the file: a schedule that comes back is known again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Nothing before this is ever caught up.
    pub first_seen: DateTime<Utc>,
    /// Every fire up to here has its decision.
    pub decided_through: DateTime<Utc>,
    /// Fires up to here were decided once, under a clock that was set back since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_before: Option<DateTime<Utc>>,
    pub paused: Option<Paused>,
    /// The file is gone since; its fires are not decided any more.
    #[serde(default)]
    pub removed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub last_ended: Option<Ended>,
    #[serde(default)]
    pub last_landed: Option<Landed>,
    /// The latest day that is landed for every property of its run.
    #[serde(default)]
    pub data_through: Option<NaiveDate>,
    /// Name of the list of properties that the vendor gave last, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster: Option<String>,
    /// Name of the list of properties in its declaration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<String>,
    /// Name of the list of properties it has had, where it wants history for new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Its files were seen to have no date column, so that its parts are one day long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_day_parts: bool,
    /// Its files were seen to have no column that tells properties apart, so that its runs ask for all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole_partitions: bool,
    /// Fires that ended as skips since the last run, by any reason.
    #[serde(default)]
    pub skips: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    pub since: DateTime<Utc>,
    pub reason: String,
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub run: RunId,
    pub state: RunState,
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    pub run: RunId,
    pub at: DateTime<Utc>,
    pub window: Window,
}

impl Mark {
    pub fn new(now: DateTime<Utc>) -> Mark {
        Mark {
            first_seen: now,
            decided_through: now,
            decided_before: None,
            paused: None,
            removed_at: None,
            last_ended: None,
            last_landed: None,
            data_through: None,
            roster: None,
            listed: None,
            seen: None,
            one_day_parts: false,
            whole_partitions: false,
            skips: 0,
        }
    }
}
