//! The only place that reads the clock.

use chrono::{DateTime, SubsecRound, Utc};

/// The wall clock, in whole milliseconds.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
