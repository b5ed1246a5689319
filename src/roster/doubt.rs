//! A state that may not know all there is: why, and how far its mending has come.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why the state is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was made anew, and nothing has landed either: most likely a first start.
    New,
    /// It was made anew, while the landing folder knows of runs.
    Rebuilt,
    /// It is older than what was done: restored from a copy, or events of it are lost.
    Behind,
}

/// Kept in the store until the vendor's list has been reconciled with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    pub cause: Cause,
    pub since: DateTime<Utc>,
    /// The manifests have been taken in; the vendor's list is still to come.
    pub manifests_read: bool,
}

impl Doubt {
    /// Its record's key among the settings.
    pub const KEY: &str = "doubt";

    /// Something is known to have been lost.
    pub fn is_grave(&self) -> bool {
        self.cause != Cause::New
    }
}
