//! The only place that reads the clock.

use chrono::{DateTime, SubsecRound, Utc};

/// The wall clock, in whole milliseconds.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
