//! What is remembered of a schedule between its fires.

use crate::run::{RunId, RunState};
use crate::schedule::Window;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The name of a list of properties: the same ids in the same order, the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListName([u8; 16]);

impl ListName {
    pub fn of(ids: &[i64]) -> ListName {
        let mut hash = Sha256::new();
        for id in ids {
            hash.update(id.to_be_bytes());
        }
        let mut name = [0; 16];
        name.copy_from_slice(&hash.finalize()[..16]);
        ListName(name)
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<ListName> for String {
    fn from(name: ListName) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for ListName {
    type Error = String;
    fn try_from(text: String) -> Result<ListName, String> {
        let number = u128::from_str_radix(&text, 16).ok();
        let number = number.filter(|_| text.len() == 32);
        let number = number.ok_or_else(|| format!("`{text}` names no list"))?;
        Ok(ListName(number.to_be_bytes()))
    }
}

/// One record a schedule. It outlives the file: a schedule that comes back is known again. What most marks lack is boxed,
/// for there may be a hundred thousand of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Nothing before this is ever caught up.
    pub first_seen: DateTime<Utc>,
    /// Every fire up to here has its decision.
    pub decided_through: DateTime<Utc>,
    /// Fires up to here were decided once, under a clock that was set back since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_before: Option<DateTime<Utc>>,
    pub paused: Option<Box<Paused>>,
    /// The file is gone since; its fires are not decided any more.
    #[serde(default)]
    pub removed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub last_ended: Option<Box<Ended>>,
    #[serde(default)]
    pub last_landed: Option<Box<Landed>>,
    /// The latest day that is landed for every property of its run.
    #[serde(default)]
    pub data_through: Option<NaiveDate>,
    /// Name of the list of properties that the vendor gave last, where it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster: Option<ListName>,
    /// Name of the list of properties in its declaration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<ListName>,
    /// Name of the list of properties it has had, where it wants history for new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<ListName>,
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
