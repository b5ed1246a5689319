//! What is coming: a run's parts, and a schedule's fires with what each would export.

use crate::schedule::{Accounts, Chunk, Properties, Schedule, Window};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One part of a run: some of its properties, as a range into its sorted list, over some of its days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Index of the first property.
    pub first: u32,
    /// Number of properties, at least 1.
    pub count: u32,
    pub window: Window,
}

impl Slice {
    /// The slice's properties out of the run's.
    ///
    /// # Panics
    /// If `properties` is shorter than the list that was sliced.
    pub fn of(self, properties: &[i64]) -> &[i64] {
        let first = self.first as usize;
        &properties[first..first + self.count as usize]
    }
}

/// Cuts a run into the fewest parts that fit `chunk`, of nearly equal size, by days first and properties within. The
/// same run is always cut the same way: finished parts of a retried run stay what they are.
pub fn parts(properties: &[i64], window: Window, chunk: Chunk) -> Vec<Slice> {
    let groups = shares(
        u32::try_from(properties.len()).unwrap_or(u32::MAX),
        chunk.properties,
    );
    let mut parts = Vec::new();
    for (skipped, days) in shares(window.len(), chunk.days) {
        let from = window.from + Days::new(u64::from(skipped));
        let to = from + Days::new(u64::from(days - 1));
        let window = Window { from, to };
        parts.extend(groups.iter().map(|&(first, count)| Slice {
            first,
            count,
            window,
        }));
    }
    parts
}

/// How many parts [`parts`] makes of so many properties.
pub fn count(properties: u64, window: Window, chunk: Chunk) -> u64 {
    let groups = properties.div_ceil(u64::from(chunk.properties.max(1)));
    groups * u64::from(window.len().div_ceil(chunk.days.max(1)))
}

/// Requests that a run of so many parts costs at least: a create, a status read and a result each, and the question
/// for its properties where they are asked.
pub fn requests(properties: &Properties, parts: u64) -> u64 {
    let asked = match properties {
        Properties::Listed(_) => 0,
        Properties::CompSets { ids, .. } => ids.len() as u64,
        Properties::Accounts(Accounts::All) => 2,
        Properties::Accounts(Accounts::Ids(ids)) => ids.len() as u64,
    };
    3 * parts + asked
}

/// `total` in the fewest shares of at most `most`, as (start, length); lengths differ by one at most, longer first.
fn shares(total: u32, most: u32) -> Vec<(u32, u32)> {
    let count = total.div_ceil(most.max(1));
    let mut start = 0;
    (0..count)
        .map(|index| {
            let length = total / count + u32::from(index < total % count);
            start += length;
            (start - length, length)
        })
        .collect()
}

/// A coming fire. The counts are unknown where the properties are asked of ApartmentIQ when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedFire {
    pub nominal_at: DateTime<Utc>,
    /// `nominal_at` and its jitter.
    pub fires_at: DateTime<Utc>,
    pub window: Window,
    /// Jobs it will need.
    pub parts: Option<u64>,
    pub properties: Option<u64>,
    pub property_days: Option<u64>,
}

/// The fires of a schedule at or after `from`, in order, whether it is enabled or not.
pub fn fires(schedule: &Schedule, from: DateTime<Utc>) -> impl Iterator<Item = PlannedFire> + '_ {
    let just_before = from.checked_sub_signed(TimeDelta::nanoseconds(1));
    schedule
        .cadence
        .fires(just_before.unwrap_or(from))
        .map(|nominal| planned(schedule, nominal))
}

fn planned(schedule: &Schedule, nominal_at: DateTime<Utc>) -> PlannedFire {
    let day = nominal_at.with_timezone(&schedule.timezone).date_naive();
    let window = schedule.window.window(day);
    let properties = match &schedule.properties {
        Properties::Listed(list) => Some(list.len() as u64),
        Properties::CompSets { .. } | Properties::Accounts(_) => None,
    };
    PlannedFire {
        nominal_at,
        fires_at: schedule.fires_at(nominal_at),
        window,
        parts: properties.map(|count| self::count(count, window, schedule.chunk)),
        properties,
        property_days: properties.map(|count| count * u64::from(window.len())),
    }
}

/// The instants of whole local days, `first` to `last`, both included.
pub fn local_days(zone: Tz, first: NaiveDate, last: NaiveDate) -> Range<DateTime<Utc>> {
    let after = last.succ_opt().unwrap_or(last);
    midnight(zone, first)..midnight(zone, after)
}

/// The first instant of a local day, which a clock change may move away from 0:00.
fn midnight(zone: Tz, day: NaiveDate) -> DateTime<Utc> {
    let wall = day.and_time(chrono::NaiveTime::MIN);
    let found = zone.from_local_datetime(&wall).earliest();
    let found = found.or_else(|| GapInfo::new(&wall, &zone)?.end);
    found.map_or_else(|| wall.and_utc(), |at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Property;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn window(from: &str, to: &str) -> Window {
        Window::new(day(from), day(to)).unwrap()
    }

    fn counts(properties: usize, days: u64, chunk: Chunk) -> Vec<(u32, u32)> {
        let ids: Vec<i64> = (0..properties as i64).collect();
        let from = day("2026-11-01");
        let window = Window::new(from, from + Days::new(days - 1)).unwrap();
        parts(&ids, window, chunk)
            .iter()
            .map(|slice| (slice.count, slice.window.len()))
            .collect()
    }

    #[test]
    fn parts_are_few_and_even() {
        let chunk = Chunk {
            properties: 25,
            days: 31,
        };
        assert_eq!(counts(700, 30, chunk), vec![(25, 30); 28]);
        assert_eq!(counts(26, 1, chunk), [(13, 1), (13, 1)]);
        assert_eq!(counts(1, 32, chunk), [(1, 16), (1, 16)]);
        assert_eq!(
            counts(51, 33, chunk),
            [(17, 17), (17, 17), (17, 17), (17, 16), (17, 16), (17, 16)]
        );
        assert_eq!(counts(0, 3, chunk), []);
    }

    #[test]
    fn a_run_costs_three_requests_a_part_and_those_for_its_properties() {
        let listed = Properties::Listed(vec![Property { id: 1, name: None }]);
        let sets = Properties::CompSets {
            ids: vec![7, 8],
            subjects_only: false,
        };
        let accounts = |accounts| Properties::Accounts(accounts);
        for (properties, wanted) in [
            (listed, 12),
            (sets, 14),
            (accounts(Accounts::All), 14),
            (accounts(Accounts::Ids(vec![5])), 13),
        ] {
            assert_eq!(requests(&properties, 4), wanted, "{properties:?}");
        }
    }

    proptest! {
        #[test]
        fn every_cell_is_in_exactly_one_part(
            properties in 1..120usize, days in 1..90u64, most in 1..40u32, long in 1..40u32,
        ) {
            let ids: Vec<i64> = (0..properties as i64).map(|n| n * 7).collect();
            let from = day("2026-01-15");
            let window = Window::new(from, from + Days::new(days - 1)).unwrap();
            let chunk = Chunk { properties: most, days: long };
            let parts = parts(&ids, window, chunk);
            let mut cells = BTreeSet::new();
            for slice in &parts {
                prop_assert!((1..=most).contains(&slice.count) && (1..=long).contains(&slice.window.len()));
                for &id in slice.of(&ids) {
                    for day in slice.window.days() {
                        prop_assert!(window.contains(day) && cells.insert((id, day)));
                    }
                }
            }
            prop_assert_eq!(cells.len(), properties * days as usize);
            let fewest = properties.div_ceil(most as usize) * (days as usize).div_ceil(long as usize);
            prop_assert_eq!(parts.len(), fewest);
            let sizes: BTreeSet<u32> = parts.iter().map(|slice| slice.count).collect();
            prop_assert!(sizes.last().unwrap() - sizes.first().unwrap() <= 1);
        }
    }

    #[test]
    fn a_plan_counts_what_its_parts_are() {
        let mut schedule = crate::schedule::tests::schedule("plan", "30 12 2 * *");
        schedule.window = crate::schedule::WindowRule::PreviousMonth;
        schedule.properties =
            Properties::Listed((1..=60).map(|id| Property { id, name: None }).collect());
        let from = "2026-11-02T12:30:00Z".parse().unwrap();
        let plan: Vec<PlannedFire> = fires(&schedule, from).take(2).collect();
        assert_eq!(plan[0].nominal_at, from);
        assert_eq!(plan[0].window, window("2026-10-01", "2026-10-31"));
        assert_eq!(plan[1].window, window("2026-11-01", "2026-11-30"));
        for fire in &plan {
            let ids: Vec<i64> = (1..=60).collect();
            let parts = parts(&ids, fire.window, schedule.chunk);
            assert_eq!(fire.parts, Some(parts.len() as u64));
            assert_eq!(fire.property_days, Some(60 * u64::from(fire.window.len())));
        }
        schedule.properties = Properties::CompSets {
            ids: vec![1],
            subjects_only: false,
        };
        let asked = fires(&schedule, from).next().unwrap();
        assert_eq!(
            (asked.parts, asked.properties, asked.property_days),
            (None, None, None)
        );
    }

    #[test]
    fn a_local_day_begins_where_its_zone_says() {
        let zone = chrono_tz::Africa::Cairo; // no midnight on 24 April 2026
        let days = local_days(zone, day("2026-04-24"), day("2026-04-24"));
        assert_eq!(
            days.start,
            "2026-04-23T22:00:00Z".parse::<DateTime<Utc>>().unwrap()
        );
        assert_eq!(days.end - days.start, TimeDelta::hours(23));
    }
}
