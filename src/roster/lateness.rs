//! Whether a schedule's data is older than its `[freshness]` allows.

use super::ScheduleNow;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// How late: for how long nothing has landed, and what would be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// `warn_after` has passed.
    Warn { age: Duration, limit: Duration },
    /// `error_after` has passed.
    Error { age: Duration, limit: Duration },
}

impl ScheduleNow {
    /// `None` without `[freshness]` and while the data is fresh. Before its first data a schedule ages from when it was
    /// first seen.
    pub fn lateness(&self, at: DateTime<Utc>) -> Option<Lateness> {
        let freshness = self.schedule.freshness.as_deref()?;
        let age = (at - self.aging_since()).to_std().ok()?;
        let (warn, error) = (freshness.warn_after, freshness.error_after);
        if age >= error {
            Some(Lateness::Error { age, limit: error })
        } else if age >= warn {
            Some(Lateness::Warn { age, limit: warn })
        } else {
            None
        }
    }

    /// When it becomes late, a little and badly, unless data lands before.
    pub fn late_at(&self) -> Vec<DateTime<Utc>> {
        let since = self.aging_since();
        let after = |limit: Duration| since.checked_add_signed(TimeDelta::from_std(limit).ok()?);
        let freshness = self.schedule.freshness.iter();
        freshness
            .flat_map(|limits| [after(limits.warn_after), after(limits.error_after)])
            .flatten()
            .collect()
    }

    fn aging_since(&self) -> DateTime<Utc> {
        let landed = self.mark.last_landed.as_ref();
        landed.map_or(self.mark.first_seen, |landed| landed.at)
    }
}
