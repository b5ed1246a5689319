//! Which days a schedule's fires ask for, and by when.

use super::plan;
use crate::coverage::Days;
use crate::schedule::{Schedule, Window, WindowRule};
use chrono::{DateTime, Days as DayCount, NaiveDate, TimeDelta, Utc};

/// Fires are not looked for further back than this.
const BACK_MAX: DayCount = DayCount::new(50 * 366);

/// The windows of the fires up to `now` that may reach `from` or a later day, oldest first; one for
/// all fires of a local day, which ask for the same.
pub(super) fn fire_windows(
    schedule: &Schedule,
    from: NaiveDate,
    now: DateTime<Utc>,
) -> Vec<Window> {
    let zone = schedule.timezone;
    let ahead = match schedule.window {
        WindowRule::Offsets { to, .. } => to.max(0).unsigned_abs(),
        _ => 0,
    };
    let today = now.with_timezone(&zone).date_naive();
    let earliest = today.checked_sub_days(BACK_MAX).unwrap_or(today);
    let start = from.checked_sub_days(DayCount::new(ahead));
    let start = start.unwrap_or(earliest).max(earliest);
    let instant = TimeDelta::nanoseconds(1);
    let mut after = plan::local_days(zone, start, start).start - instant;
    let mut windows = Vec::new();
    while let Some(nominal) = schedule.cadence.next(after).filter(|at| *at <= now) {
        let day = nominal.with_timezone(&zone).date_naive();
        windows.push(schedule.window.window(day));
        after = (plan::local_days(zone, day, day).end - instant).max(nominal);
    }
    windows.retain(|window| window.to >= from);
    windows
}

/// The days that fires have asked for by now, from `from` on.
pub(super) fn due_by_fires(schedule: &Schedule, from: NaiveDate, now: DateTime<Utc>) -> Days {
    fire_windows(schedule, from, now).into_iter().collect()
}

/// The last day that could be there by now, whether a fire asked for it or not: what a fire of
/// today exports, or one of yesterday while today's is still to come.
pub(super) fn due_through(schedule: &Schedule, now: DateTime<Utc>) -> NaiveDate {
    let today = now.with_timezone(&schedule.timezone).date_naive();
    let yesterday = today.pred_opt().unwrap_or(today);
    if let WindowRule::Fixed(window) = schedule.window {
        return window.to.min(yesterday);
    }
    let hours = plan::local_days(schedule.timezone, today, today);
    let first = schedule
        .cadence
        .next(hours.start - TimeDelta::nanoseconds(1))
        .filter(|nominal| *nominal < hours.end);
    let day = match first {
        Some(nominal) if nominal > now => yesterday,
        _ => today,
    };
    schedule.window.window(day).to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::tests::schedule;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn a_day_is_due_once_its_fire_has_come() {
        let daily = schedule("daily", "30 12 * * *");
        assert_eq!(
            due_through(&daily, at("2026-11-22T12:29:59Z")),
            day("2026-11-20")
        );
        assert_eq!(
            due_through(&daily, at("2026-11-22T12:30:00Z")),
            day("2026-11-21")
        );
        let often = schedule("often", "*/5 * * * *");
        assert_eq!(
            due_through(&often, at("2026-11-22T12:29:59Z")),
            day("2026-11-21")
        );
        // A cadence that is rarer than its window's days: an operator can have them any day.
        let rare = schedule("rare", "0 0 1 1 *");
        assert_eq!(
            due_through(&rare, at("2026-11-22T12:00:00Z")),
            day("2026-11-21")
        );
    }

    #[test]
    fn of_two_fires_a_day_the_first_decides() {
        let twice = schedule("twice", "0 0,12 * * *");
        assert_eq!(
            due_through(&twice, at("2026-11-22T06:00:00Z")),
            day("2026-11-21")
        );
    }

    #[test]
    fn a_window_that_reaches_ahead_is_found_from_its_last_days() {
        let mut weekly = schedule("weekly", "0 6 * * 1");
        weekly.window = WindowRule::Offsets { from: 0, to: 3 };
        let windows = fire_windows(&weekly, day("2026-11-19"), at("2026-11-22T12:00:00Z"));
        let reaching: Vec<_> = windows
            .iter()
            .map(|window| (window.from, window.to))
            .collect();
        assert_eq!(reaching, [(day("2026-11-16"), day("2026-11-19"))]);
    }

    #[test]
    fn fires_ask_for_their_windows_only() {
        let weekly = schedule("weekly", "0 6 * * 1");
        let days = due_by_fires(&weekly, day("2026-11-01"), at("2026-11-22T12:00:00Z"));
        let asked: Vec<NaiveDate> = Window::new(day("2026-11-01"), day("2026-11-30"))
            .expect("in order")
            .days()
            .filter(|day| days.contains(*day))
            .collect();
        assert_eq!(
            asked,
            [day("2026-11-01"), day("2026-11-08"), day("2026-11-15")]
        );
        let often = schedule("often", "* * * * *");
        let windows = fire_windows(&often, day("2026-11-01"), at("2026-11-05T00:00:00Z"));
        assert_eq!(windows.len(), 4, "one a day: {windows:?}");
    }
}
