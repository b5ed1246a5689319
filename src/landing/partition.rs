//! Which files a run's days fall into.

use crate::schedule::{Partition, Window};
use chrono::{Datelike, Days, Months, NaiveDate};

/// One published file's key and all days that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// `date=2026-11-22`, `month=2026-11-01`, `window=2026-11-01_2026-11-30`.
    pub key: String,
    pub window: Window,
}

/// The slices that `window` touches, oldest first.
pub(super) fn slices(partition: Partition, window: Window) -> Vec<Slice> {
    match partition {
        Partition::Window => vec![Slice {
            key: format!("window={}_{}", window.from, window.to),
            window,
        }],
        Partition::Date => window
            .days()
            .map(|day| Slice {
                key: format!("date={day}"),
                window: Window::day(day),
            })
            .collect(),
        Partition::Month => {
            let mut first = first_of_month(window.from);
            let mut months = Vec::new();
            while first <= window.to {
                let next = first + Months::new(1);
                months.push(Slice {
                    key: format!("month={first}"),
                    window: Window {
                        from: first,
                        to: next - Days::new(1),
                    },
                });
                first = next;
            }
            months
        }
    }
}

/// A number that days share if and only if they fall into the same file.
pub(super) fn ordinal(partition: Partition, day: NaiveDate) -> i32 {
    match partition {
        Partition::Window => 0,
        Partition::Date => day.num_days_from_ce(),
        Partition::Month => day.year() * 12 + day.month0().cast_signed(),
    }
}

/// The name of the folders' key, which readers take for a column.
pub(super) fn key_name(partition: Partition) -> &'static str {
    match partition {
        Partition::Window => "window",
        Partition::Date => "date",
        Partition::Month => "month",
    }
}

fn first_of_month(day: NaiveDate) -> NaiveDate {
    day - Days::new(u64::from(day.day0()))
}

/// The days that both windows have.
pub(super) fn intersection(a: Window, b: Window) -> Option<Window> {
    Window::new(a.from.max(b.from), a.to.min(b.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str) -> Window {
        Window {
            from: from.parse().expect("day"),
            to: to.parse().expect("day"),
        }
    }

    #[test]
    fn months_cover_the_window_and_are_whole() {
        let slices = slices(Partition::Month, window("2026-01-31", "2026-03-01"));
        let keys: Vec<&str> = slices.iter().map(|slice| slice.key.as_str()).collect();
        assert_eq!(
            keys,
            ["month=2026-01-01", "month=2026-02-01", "month=2026-03-01"]
        );
        assert_eq!(slices[1].window, window("2026-02-01", "2026-02-28"));
    }

    #[test]
    fn days_and_windows_have_the_keys_of_the_contract() {
        let days = window("2026-11-29", "2026-12-01");
        let keys: Vec<String> = slices(Partition::Date, days)
            .into_iter()
            .map(|s| s.key)
            .collect();
        assert_eq!(
            keys,
            ["date=2026-11-29", "date=2026-11-30", "date=2026-12-01"]
        );
        assert_eq!(
            slices(Partition::Window, days)[0].key,
            "window=2026-11-29_2026-12-01"
        );
    }
}
