//! Which calendar days a fire exports, in whole local days of the schedule's zone.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Calendar days, first and last inclusive; `from <= to` always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Window {
    /// `None` if `to` lies before `from`.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Option<Window> {
        (from <= to).then_some(Window { from, to })
    }

    pub fn day(day: NaiveDate) -> Window {
        Window { from: day, to: day }
    }

    /// Number of days, at least 1.
    pub fn len(self) -> u32 {
        u32::try_from((self.to - self.from).num_days() + 1).unwrap_or(u32::MAX)
    }

    pub fn is_empty(self) -> bool {
        false
    }

    pub fn contains(self, day: NaiveDate) -> bool {
        self.from <= day && day <= self.to
    }

    pub fn overlaps(self, other: Window) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// The smallest window that holds both.
    pub fn union(self, other: Window) -> Window {
        Window {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }

    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        self.from.iter_days().take(self.len() as usize)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

/// The declared form of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowRule {
    Yesterday,
    /// The N days that end yesterday; N ≥ 1.
    LastDays(u32),
    /// Monday to Sunday of the week before the fire's.
    PreviousWeek,
    PreviousMonth,
    /// The first of yesterday's month to yesterday.
    MonthToDate,
    /// Offsets in days from the day of the fire; `from <= to`.
    Offsets {
        from: i64,
        to: i64,
    },
    Fixed(Window),
}

impl WindowRule {
    /// The most days that a fire exports.
    pub fn longest(self) -> u32 {
        match self {
            WindowRule::Yesterday => 1,
            WindowRule::LastDays(days) => days.max(1),
            WindowRule::PreviousWeek => 7,
            WindowRule::PreviousMonth | WindowRule::MonthToDate => 31,
            WindowRule::Offsets { from, to } => u32::try_from(to - from + 1).unwrap_or(1),
            WindowRule::Fixed(window) => window.len(),
        }
    }

    /// The days a fire on local day `day` exports.
    ///
    /// # Panics
    /// Never for days between years 1 and 9999, which is what `check` admits.
    pub fn window(self, day: NaiveDate) -> Window {
        let yesterday = day - Days::new(1);
        match self {
            WindowRule::Yesterday => Window::day(yesterday),
            WindowRule::LastDays(n) => Window {
                from: day - Days::new(u64::from(n.max(1))),
                to: yesterday,
            },
            WindowRule::PreviousWeek => {
                let monday = day - Days::new(u64::from(day.weekday().num_days_from_monday()));
                Window {
                    from: monday - Days::new(7),
                    to: monday - Days::new(1),
                }
            }
            WindowRule::PreviousMonth => {
                let first = day - Days::new(u64::from(day.day0()));
                Window {
                    from: first - Months::new(1),
                    to: first - Days::new(1),
                }
            }
            WindowRule::MonthToDate => Window {
                from: yesterday - Days::new(u64::from(yesterday.day0())),
                to: yesterday,
            },
            WindowRule::Offsets { from, to } => Window {
                from: day + chrono::TimeDelta::days(from),
                to: day + chrono::TimeDelta::days(to),
            },
            WindowRule::Fixed(window) => window,
        }
    }
}
