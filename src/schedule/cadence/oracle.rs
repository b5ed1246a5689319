//! An independent answer to "when does this fire?": walk every minute of UTC, look at the wall clock, apply the rule
//! of clock changes by its words. It shares nothing with the code under test.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

/// What an expression means, told a second time.
pub(super) struct Meaning {
    pub text: String,
    /// Whether a wall-clock minute matches.
    pub matches: Box<dyn Fn(NaiveDateTime) -> bool>,
    pub wildcard_hour: bool,
}

pub(super) fn wall(t: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    t.with_timezone(&zone).naive_local()
}

/// All fires in `(from, to]`, both whole minutes.
pub(super) fn fires(
    meaning: &Meaning,
    zone: Tz,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Vec<DateTime<Utc>> {
    let minute = TimeDelta::minutes(1);
    // A clock set back by up to a day before `from` still makes repeats after it.
    let mut now = from - TimeDelta::days(2);
    let mut shown = wall(now, zone);
    let mut latest = shown;
    let mut fires = Vec::new();
    while now < to {
        now += minute;
        let before = std::mem::replace(&mut shown, wall(now, zone));
        let mut fire = (meaning.matches)(shown) && (meaning.wildcard_hour || shown > latest);
        if !meaning.wildcard_hour {
            let mut skipped = before + minute;
            while skipped < shown {
                fire |= (meaning.matches)(skipped) && skipped > latest;
                skipped += minute;
            }
        }
        latest = latest.max(shown);
        if fire && now > from {
            fires.push(now);
        }
    }
    fires
}

/// Every instant in `[from, to)` at which the zone's offset changes.
pub(super) fn transitions(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let offset = |t: DateTime<Utc>| wall(t, zone) - t.naive_utc();
    let step = TimeDelta::hours(12);
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        let (mut low, mut high) = (at, at + step);
        if offset(low) != offset(high) {
            while high - low > TimeDelta::minutes(1) {
                let middle = low + TimeDelta::minutes((high - low).num_minutes() / 2);
                if offset(middle) == offset(at) {
                    low = middle
                } else {
                    high = middle
                }
            }
            found.push(high);
        }
        at += step;
    }
    found
}
