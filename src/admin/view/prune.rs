//! `prune`: which raw files went, and which old ones must stay.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One run's raw files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedRun {
    /// Below the landing folder.
    pub path: String,
    pub files: u64,
    pub bytes: u64,
    /// When the last of them was delivered.
    pub delivered_at: DateTime<Utc>,
}

/// Old enough, but still needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRun {
    pub path: String,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    pub schema: String,
    pub dry_run: bool,
    /// `landing.raw_retention`.
    pub retention_seconds: u64,
    /// All that was removed, or would be.
    pub files: u64,
    pub bytes: u64,
    pub removed: Vec<PrunedRun>,
    pub kept: Vec<KeptRun>,
}

impl Pruned {
    pub fn new(
        removed: Vec<PrunedRun>,
        kept: Vec<KeptRun>,
        retention: Duration,
        dry_run: bool,
    ) -> Pruned {
        Pruned {
            schema: "aptiqd.prune/1".to_owned(),
            dry_run,
            retention_seconds: retention.as_secs(),
            files: removed.iter().map(|run| run.files).sum(),
            bytes: removed.iter().map(|run| run.bytes).sum(),
            removed,
            kept,
        }
    }
}
