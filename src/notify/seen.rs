//! How things stand at one look.

use crate::roster::Snapshot;
use chrono::{DateTime, Utc};

/// How the daemon itself is; the composition root knows it.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// OAuth client credentials: their tokens' ends need nobody.
    pub credential_renews: bool,
    pub credential_expires_at: Option<DateTime<Utc>>,
    pub credential_refused: bool,
    /// The quota refusal that still stands, in words.
    pub quota: Option<String>,
    /// What the last reload was refused for, in words.
    pub reload_fault: Option<String>,
    /// Jobs carry a callback address.
    pub callbacks_expected: bool,
    /// Below the landing folder.
    pub free_bytes: Option<u64>,
}

/// Everything that [`super::decide::look`] compares with what was told.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub snapshot: Snapshot,
    pub health: Health,
}
