//! How a state folder is kept.

use chrono::{DateTime, Utc};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The state folder; made if it is missing.
    pub path: PathBuf,
    /// The time of opening: names what has to be set aside.
    pub now: DateTime<Utc>,
    /// Journal segments that a snapshot covers are dropped at this age.
    pub history: Duration,
    /// A journal segment is followed by the next at this size.
    pub segment_bytes: u64,
    /// sled's page cache.
    pub cache_bytes: u64,
    /// A snapshot is taken after this much time with commits …
    pub snapshot_every: Duration,
    /// … or this much journal, or as much as the last snapshot holds, whichever is more.
    pub snapshot_bytes: u64,
    /// How long after its last flush the state is brought to the disk again. A crash costs a replay of that much.
    pub flush_every: Duration,
    /// A full audit is made in the background this long after opening; `None`: with the snapshots only.
    pub audit_after: Option<Duration>,
    /// sled is taken for hung after this long in one call.
    pub patience: Duration,
    /// How long an earlier state of this process may hold on to sled's file.
    pub lock_patience: Duration,
    /// Space that is held back for opening sled on a full disk; 0: none.
    pub ballast_bytes: u64,
}

impl Settings {
    pub fn new(path: impl Into<PathBuf>, now: DateTime<Utc>) -> Settings {
        let day = Duration::from_secs(86_400);
        Settings {
            path: path.into(),
            now,
            history: 90 * day,
            segment_bytes: 16 << 20,
            cache_bytes: 1 << 20,
            snapshot_every: day,
            snapshot_bytes: 64 << 20,
            flush_every: Duration::from_millis(500),
            audit_after: Some(Duration::from_secs(300)),
            patience: Duration::from_secs(30),
            lock_patience: Duration::from_secs(5),
            ballast_bytes: 32 << 20,
        }
    }
}
