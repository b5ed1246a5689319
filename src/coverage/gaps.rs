//! From lacking cells to few jobs: rectangles of properties × days that hold nothing else.

use crate::run::CellSpan;
use crate::schedule::{Chunk, Window};
use chrono::{Days, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

/// Properties that lack the same days; the days fit one job, the properties may need several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub window: Window,
    /// Sorted.
    pub properties: Vec<i64>,
}

/// Cells compared when whole columns are tried as well; beyond that the other cuts must do.
const COLUMNS_MAX: usize = 4_000_000;

/// Cuts `gaps` (in order, disjoint) into groups, newest days first. Every lacking cell is in exactly
/// one, and no other cell in any. The fewest possible is a problem nobody solves fast, so it is the
/// best of several cuts: along the gaps, along a common calendar, and by days that lack the same.
pub fn groups(gaps: &[CellSpan], chunk: Chunk) -> Vec<Group> {
    let days = chunk.days.max(1);
    let cuts = [
        joined(along_gaps(gaps, days, Share::Equal), days),
        joined(along_gaps(gaps, days, Share::FullFirst), days),
        joined(along_gaps(gaps, days, Share::FullLast), days),
        joined(along_calendar(gaps, days), days),
        joined(by_days(gaps, days), days),
    ];
    let wanted: u64 = gaps.iter().map(|gap| u64::from(gap.window().len())).sum();
    // A cut that was given up holds no cell.
    let whole = cuts.into_iter().filter(|cut| cells(cut) == wanted);
    let mut best = whole
        .min_by_key(|cut| (job_count(cut, chunk), cut.len()))
        .unwrap_or_default();
    best.sort_by(|a, b| {
        let newest = |group: &Group| (group.window.to, group.window.from);
        newest(b)
            .cmp(&newest(a))
            .then_with(|| a.properties.cmp(&b.properties))
    });
    best
}

/// Jobs that the groups need.
pub fn job_count(groups: &[Group], chunk: Chunk) -> u64 {
    groups
        .iter()
        .map(|group| {
            let slices = group
                .properties
                .len()
                .div_ceil(chunk.properties.max(1) as usize);
            slices as u64 * u64::from(group.window.len().div_ceil(chunk.days.max(1)))
        })
        .sum()
}

fn cells(groups: &[Group]) -> u64 {
    groups
        .iter()
        .map(|group| group.properties.len() as u64 * u64::from(group.window.len()))
        .sum()
}

/// How a gap that is too long for one job is cut.
#[derive(Clone, Copy)]
enum Share {
    /// All as long, to a day.
    Equal,
    /// As long as a job may be, the rest last: shares its first days with gaps that begin as it does.
    FullFirst,
    /// The rest first: shares its last days with gaps that end as it does.
    FullLast,
}

impl Share {
    /// Days of the `index`th of `count` shares of `length` days, none longer than `days`.
    fn of(self, index: u32, count: u32, length: u32, days: u32) -> u32 {
        let rest = length - (count - 1) * days;
        match self {
            Share::Equal => length / count + u32::from(index < length % count),
            Share::FullFirst if index + 1 == count => rest,
            Share::FullLast if index == 0 => rest,
            Share::FullFirst | Share::FullLast => days,
        }
    }
}

/// Each gap by itself; properties with the same share go together.
fn along_gaps(gaps: &[CellSpan], days: u32, share: Share) -> Vec<Group> {
    let mut shares = Shares::default();
    for gap in gaps {
        let length = gap.window().len();
        let count = length.div_ceil(days);
        let mut from = gap.from;
        for index in 0..count {
            let long = share.of(index, count, length, days);
            let to = from + Days::new(u64::from(long - 1));
            shares.add(gap.property, Window { from, to });
            from = to + Days::new(1);
        }
    }
    shares.groups()
}

/// Long gaps are cut at the same days for all properties, counted back from the newest.
fn along_calendar(gaps: &[CellSpan], days: u32) -> Vec<Group> {
    let Some(newest) = gaps.iter().map(|gap| gap.to).max() else {
        return Vec::new();
    };
    let mut shares = Shares::default();
    for gap in gaps {
        let mut to = gap.to;
        loop {
            let back = u64::try_from((newest - to).num_days()).unwrap_or_default();
            let box_start =
                newest - Days::new(back / u64::from(days) * u64::from(days) + u64::from(days) - 1);
            let from = box_start.max(gap.from);
            shares.add(gap.property, Window { from, to });
            if from == gap.from {
                break;
            }
            to = from - Days::new(1);
        }
    }
    shares.groups()
}

/// Consecutive days that lack the same properties.
fn by_days(gaps: &[CellSpan], days: u32) -> Vec<Group> {
    let mut edges: BTreeMap<NaiveDate, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
    for gap in gaps {
        edges.entry(gap.from).or_default().0.push(gap.property);
        let after = gap.to + Days::new(1);
        edges.entry(after).or_default().1.push(gap.property);
    }
    let mut lacking: BTreeSet<i64> = BTreeSet::new();
    let mut groups = Vec::new();
    let mut compared = 0;
    let mut since = NaiveDate::MIN;
    for (day, (begin, end)) in edges {
        compared += lacking.len();
        if compared > COLUMNS_MAX {
            return Vec::new();
        }
        if !lacking.is_empty() {
            let properties: Vec<i64> = lacking.iter().copied().collect();
            let mut to = day - Days::new(1);
            loop {
                let longest = to - Days::new(u64::from(days - 1));
                let from = longest.max(since);
                groups.push(Group {
                    window: Window { from, to },
                    properties: properties.clone(),
                });
                if from == since {
                    break;
                }
                to = from - Days::new(1);
            }
        }
        for property in end {
            lacking.remove(&property);
        }
        lacking.extend(begin);
        since = day;
    }
    groups
}

/// Joins neighbours in time that lack the same properties, as far as they fit one job.
fn joined(groups: Vec<Group>, days: u32) -> Vec<Group> {
    let mut by_properties: BTreeMap<Vec<i64>, Vec<Window>> = BTreeMap::new();
    for group in groups {
        by_properties
            .entry(group.properties)
            .or_default()
            .push(group.window);
    }
    let mut joined = Vec::new();
    for (properties, mut windows) in by_properties {
        windows.sort_unstable();
        let mut merged: Vec<Window> = Vec::new();
        for window in windows {
            match merged.last_mut() {
                Some(last)
                    if last.to.succ_opt() == Some(window.from)
                        && last.union(window).len() <= days =>
                {
                    *last = last.union(window);
                }
                _ => merged.push(window),
            }
        }
        joined.extend(merged.into_iter().map(|window| Group {
            window,
            properties: properties.clone(),
        }));
    }
    joined
}

#[derive(Default)]
struct Shares {
    by_window: BTreeMap<Window, Vec<i64>>,
}

impl Shares {
    fn add(&mut self, property: i64, window: Window) {
        self.by_window.entry(window).or_default().push(property);
    }

    fn groups(self) -> Vec<Group> {
        let sorted = |(window, mut properties): (Window, Vec<i64>)| {
            properties.sort_unstable();
            Group { window, properties }
        };
        self.by_window.into_iter().map(sorted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(number: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day") + Days::new(number)
    }

    fn span(property: i64, from: u64, to: u64) -> CellSpan {
        CellSpan {
            property,
            from: day(from),
            to: day(to),
        }
    }

    /// The gaps of a grid given as one bit mask of days a property.
    fn gaps_of(rows: &[u32]) -> Vec<CellSpan> {
        let mut gaps = Vec::new();
        for (property, row) in rows.iter().enumerate() {
            let mut at = 0;
            while at < 32 {
                let length = (row >> at).trailing_ones();
                if length > 0 {
                    gaps.push(span(
                        property as i64,
                        u64::from(at),
                        u64::from(at + length - 1),
                    ));
                }
                at += length.max(1);
            }
        }
        gaps
    }

    /// The true minimum of a grid of `properties` × `days` cells, by trying everything.
    fn fewest(
        cells: u32,
        properties: u32,
        days: u32,
        chunk: Chunk,
        known: &mut BTreeMap<u32, u64>,
    ) -> u64 {
        if cells == 0 {
            return 0;
        }
        if let Some(known) = known.get(&cells) {
            return *known;
        }
        let first = cells.trailing_zeros();
        let (row, from) = (first / days, first % days);
        let mut best = u64::MAX;
        for length in 1..=chunk.days.min(days - from) {
            let column = ((1 << length) - 1) << from;
            for others in 0_u32..1 << properties {
                if others & (1 << row) == 0 || others.count_ones() > chunk.properties {
                    continue;
                }
                let rectangle = (0..properties)
                    .filter(|row| others & (1 << row) != 0)
                    .fold(0, |mask, row| mask | column << (row * days));
                if cells & rectangle == rectangle {
                    best = best.min(1 + fewest(cells & !rectangle, properties, days, chunk, known));
                }
            }
        }
        known.insert(cells, best);
        best
    }

    proptest! {
        #[test]
        fn groups_hold_every_lacking_cell_once_and_no_other(
            rows in proptest::collection::vec(0..1_u32 << 20, 1..30),
            properties in 1..9_u32, days in 1..12_u32,
        ) {
            let chunk = Chunk { properties, days };
            let gaps = gaps_of(&rows);
            let groups = groups(&gaps, chunk);
            let mut seen = BTreeSet::new();
            for group in &groups {
                prop_assert!(group.window.len() <= days);
                prop_assert!(group.properties.is_sorted());
                for &property in &group.properties {
                    for day in group.window.days() {
                        prop_assert!(seen.insert((property, day)));
                    }
                }
            }
            let wanted: BTreeSet<_> = gaps.iter()
                .flat_map(|gap| gap.window().days().map(|day| (gap.property, day))).collect();
            prop_assert_eq!(seen, wanted);
            prop_assert!(groups.is_sorted_by(|a, b| a.window.to >= b.window.to));
        }
    }

    /// Every grid of 3 properties × 4 days with every chunk: one job more than needed at most.
    #[test]
    fn jobs_are_few() {
        let chunks = (1..4_u32).flat_map(|properties| (1..5).map(move |days| (properties, days)));
        for (properties, days) in chunks {
            let chunk = Chunk { properties, days };
            let mut known = BTreeMap::new();
            for cells in 0..1_u32 << 12 {
                let rows: Vec<u32> = (0..3).map(|row| (cells >> (row * 4)) & 15).collect();
                let jobs = job_count(&groups(&gaps_of(&rows), chunk), chunk);
                let fewest = fewest(cells, 3, 4, chunk, &mut known);
                assert!(
                    jobs <= fewest + 1,
                    "{jobs} jobs where {fewest} do: {cells:#b}, {properties} × {days}"
                );
            }
        }
    }

    #[test]
    fn neighbours_in_time_are_joined_as_far_as_they_fit_one_job() {
        let group = |from, to, properties: &[i64]| Group {
            window: Window {
                from: day(from),
                to: day(to),
            },
            properties: properties.to_vec(),
        };
        let apart = vec![
            group(6, 7, &[1]),
            group(0, 1, &[1]),
            group(2, 3, &[1]),
            group(2, 3, &[2]),
            group(4, 4, &[1]),
        ];
        let whole = [group(0, 4, &[1]), group(6, 7, &[1]), group(2, 3, &[2])];
        assert_eq!(joined(apart.clone(), 5), whole);
        let cut = [group(0, 3, &[1]), group(4, 4, &[1])];
        assert_eq!(joined(apart, 4)[..2], cut);
    }

    #[test]
    fn one_failed_day_of_many_and_a_longer_gap_of_one() {
        let chunk = Chunk {
            properties: 25,
            days: 31,
        };
        let mut gaps: Vec<CellSpan> = (1..=700).map(|property| span(property, 5, 5)).collect();
        gaps[2] = span(3, 4, 6);
        let groups = groups(&gaps, chunk);
        assert_eq!((groups.len(), job_count(&groups, chunk)), (2, 29));
    }

    #[test]
    fn a_whole_history_is_cut_by_calendar_newest_first() {
        let chunk = Chunk {
            properties: 25,
            days: 31,
        };
        // Properties came one by one, each lacks everything since.
        let gaps: Vec<CellSpan> = (0..25)
            .map(|property| span(property, property as u64, 92))
            .collect();
        let groups = groups(&gaps, chunk);
        assert_eq!(
            groups[0].window,
            Window {
                from: day(62),
                to: day(92)
            }
        );
        assert_eq!(groups[0].properties.len(), 25);
        assert_eq!(job_count(&groups, chunk), 2 + 25);
    }
}
