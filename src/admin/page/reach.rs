//! How far the landed data reaches: the answer to the question the page is opened for.

use super::overview::{Overview, ScheduleCells};
use crate::coverage::CellState;
use crate::roster::{CellMap, CellRow};
use chrono::{Days, NaiveDate};
use std::collections::BTreeMap;

/// The last day that most properties have, and how many have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// `None`: nothing has landed.
    pub through: Option<NaiveDate>,
    pub landed: usize,
    /// Those that an operator left out are not counted.
    pub properties: usize,
}

/// Cells of a schedule by what is to be done about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lack {
    pub missing: u64,
    pub failed: u64,
    pub landed: u64,
}

fn is_left_out(row: &CellRow) -> bool {
    row.spans
        .last()
        .is_some_and(|(_, state)| *state == CellState::Excluded)
}

fn counted(map: &CellMap) -> impl Iterator<Item = &CellRow> {
    map.rows.iter().filter(|row| !is_left_out(row))
}

/// A day is reached once half of the properties have it; until any is, the last that one has.
/// One early property does not move the date, one late property does not hold it back.
pub fn of_schedule(map: &CellMap) -> Reach {
    let properties = counted(map).count();
    let length = map.window.len() as usize;
    let day_of = |day: NaiveDate| (day - map.window.from).num_days().unsigned_abs() as usize;
    let mut changes = vec![0_i64; length + 1];
    for row in counted(map) {
        for (window, state) in &row.spans {
            if *state == CellState::Landed {
                changes[day_of(window.from).min(length)] += 1;
                changes[(day_of(window.to) + 1).min(length)] -= 1;
            }
        }
    }
    let counts = changes[..length].iter().scan(0_i64, |count, change| {
        *count += change;
        Some(usize::try_from(*count).unwrap_or(0))
    });
    let counts: Vec<usize> = counts.collect();
    let most = counts
        .iter()
        .rposition(|count| *count > 0 && count * 2 >= properties);
    let reached = most.or_else(|| counts.iter().rposition(|count| *count > 0));
    Reach {
        through: reached.map(|at| map.window.from + Days::new(at as u64)),
        landed: reached.map_or(0, |at| counts[at]),
        properties,
    }
}

/// Of the schedules that reach furthest together: a property counts if each of them has its day.
pub fn of_all(overview: &Overview) -> Reach {
    let reached: Vec<(&ScheduleCells, Reach)> = overview
        .enabled()
        .map(|schedule| (schedule, of_schedule(&schedule.map)))
        .collect();
    let through = reached.iter().filter_map(|(_, reach)| reach.through).max();
    let mut complete: BTreeMap<i64, bool> = BTreeMap::new();
    for (schedule, reach) in &reached {
        if reach.through != through {
            continue;
        }
        for row in counted(&schedule.map) {
            let has = through.is_some_and(|day| has_landed(row, day));
            *complete.entry(row.property).or_insert(true) &= has;
        }
    }
    Reach {
        through,
        landed: complete.values().filter(|complete| **complete).count(),
        properties: complete.len(),
    }
}

fn has_landed(row: &CellRow, day: NaiveDate) -> bool {
    row.spans
        .iter()
        .any(|(window, state)| *state == CellState::Landed && window.contains(day))
}

pub fn lack(map: &CellMap) -> Lack {
    map.rows
        .iter()
        .map(lack_of)
        .fold(Lack::default(), |all, one| Lack {
            missing: all.missing + one.missing,
            failed: all.failed + one.failed,
            landed: all.landed + one.landed,
        })
}

pub fn lack_of(row: &CellRow) -> Lack {
    let mut lack = Lack::default();
    for (window, state) in &row.spans {
        let days = u64::from(window.len());
        match state {
            CellState::Missing => lack.missing += days,
            CellState::Failed => lack.failed += days,
            CellState::Landed => lack.landed += days,
            _ => {}
        }
    }
    lack
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Window;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, number).unwrap()
    }

    fn row(property: i64, spans: &[(u32, u32, CellState)]) -> CellRow {
        let spans = spans.iter().map(|(from, to, state)| {
            let window = Window::new(day(*from), day(*to)).unwrap();
            (window, *state)
        });
        CellRow {
            property,
            name: None,
            spans: spans.collect(),
        }
    }

    fn map(rows: Vec<CellRow>) -> CellMap {
        let window = Window::new(day(1), day(10)).unwrap();
        CellMap { window, rows }
    }

    #[test]
    fn one_early_and_one_late_property_do_not_move_the_date() {
        use CellState::{Landed, Missing, NotDue};
        let reach = of_schedule(&map(vec![
            row(1, &[(1, 10, Landed)]),
            row(2, &[(1, 9, Landed), (10, 10, NotDue)]),
            row(3, &[(1, 9, Landed), (10, 10, NotDue)]),
            row(4, &[(1, 5, Landed), (6, 10, Missing)]),
        ]));
        assert_eq!(reach.through, Some(day(9)));
        assert_eq!((reach.landed, reach.properties), (3, 4));
    }

    #[test]
    fn what_was_left_out_is_not_counted_and_nothing_is_nothing() {
        use CellState::{Excluded, Landed, Missing};
        let reach = of_schedule(&map(vec![
            row(1, &[(1, 10, Landed)]),
            row(2, &[(1, 3, Landed), (4, 10, Excluded)]),
        ]));
        assert_eq!((reach.landed, reach.properties), (1, 1));
        assert_eq!(reach.through, Some(day(10)));
        let nothing = of_schedule(&map(vec![row(1, &[(1, 10, Missing)])]));
        assert_eq!(nothing.through, None);
        assert_eq!((nothing.landed, nothing.properties), (0, 1));
    }

    #[test]
    fn a_few_of_many_are_better_than_nothing() {
        use CellState::{Landed, Missing};
        let reach = of_schedule(&map(vec![
            row(1, &[(1, 2, Landed), (3, 10, Missing)]),
            row(2, &[(1, 10, Missing)]),
            row(3, &[(1, 10, Missing)]),
        ]));
        assert_eq!(reach.through, Some(day(2)));
        assert_eq!((reach.landed, reach.properties), (1, 3));
    }
}
