//! What the roster keeps within.

use std::time::Duration;

/// Every limit has a name.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Jobs upstream at once, over all runs.
    pub open_jobs_max: usize,
    /// Downloads at once.
    pub downloads: usize,
    /// Between two sweeps of the vendor's list.
    pub poll_interval: Duration,
    pub submit_settle: Duration,
}
