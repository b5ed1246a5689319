//! What is asked of a ledger: whose cells, which days, and which of them could be there by now.

use super::{Fate, Ledger, Line};
use crate::run::CellSpan;
use crate::schedule::Window;
use chrono::{Days as DayCount, NaiveDate};
use std::collections::BTreeSet;

/// The six states of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellState {
    Landed,
    Empty,
    Missing,
    Failed,
    /// An operator left the property out.
    Excluded,
    /// No fire has asked for it yet.
    NotDue,
}

impl CellState {
    pub fn as_str(self) -> &'static str {
        match self {
            CellState::Landed => "landed",
            CellState::Empty => "empty",
            CellState::Missing => "missing",
            CellState::Failed => "failed",
            CellState::Excluded => "excluded",
            CellState::NotDue => "not_due",
        }
    }
}

/// A set of days: windows in order, not touching each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    windows: Vec<Window>,
}

impl Days {
    pub fn insert(&mut self, window: Window) {
        let mut window = window;
        let touches = |a: Window, b: Window| {
            let after = |day: NaiveDate| day.succ_opt().unwrap_or(day);
            a.from <= after(b.to) && b.from <= after(a.to)
        };
        self.windows.retain(|known| {
            let joined = touches(*known, window);
            if joined {
                window = window.union(*known);
            }
            !joined
        });
        let at = self
            .windows
            .partition_point(|known| known.from < window.from);
        self.windows.insert(at, window);
    }

    pub fn last(&self) -> Option<NaiveDate> {
        self.windows.last().map(|window| window.to)
    }

    pub fn contains(&self, day: NaiveDate) -> bool {
        let at = self.windows.partition_point(|known| known.to < day);
        self.windows.get(at).is_some_and(|known| known.from <= day)
    }

    /// `window` cut into days that are in the set and days that are not.
    fn cut(&self, window: Window, mut piece: impl FnMut(Window, bool)) {
        let mut next = window.from;
        let first = self.windows.partition_point(|known| known.to < window.from);
        for known in self.windows[first..]
            .iter()
            .take_while(|known| known.from <= window.to)
        {
            if next < known.from {
                let to = known.from - DayCount::new(1);
                piece(Window { from: next, to }, false);
            }
            let inside = Window {
                from: known.from.max(next),
                to: known.to.min(window.to),
            };
            piece(inside, true);
            match inside.to.succ_opt() {
                Some(day) => next = day,
                None => return,
            }
        }
        if next <= window.to {
            let to = window.to;
            piece(Window { from: next, to }, false);
        }
    }
}

impl FromIterator<Window> for Days {
    fn from_iter<T: IntoIterator<Item = Window>>(windows: T) -> Days {
        let mut days = Days::default();
        windows.into_iter().for_each(|window| days.insert(window));
        days
    }
}

/// Which cells a question is about.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub window: Window,
    /// Sorted.
    pub properties: &'a [i64],
    pub excluded: &'a BTreeSet<i64>,
    /// Days that a fire has asked for by now.
    pub due: &'a Days,
}

/// Which cells a backfill is to fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Only {
    /// Never asked for, or asked for and in no file.
    #[default]
    Missing,
    Failed,
    /// Whatever has not landed: missing, failed and empty cells.
    Lacking,
    /// Landed cells too: they are exported anew.
    All,
}

impl Only {
    pub fn as_str(self) -> &'static str {
        match self {
            Only::Missing => "missing",
            Only::Failed => "failed",
            Only::Lacking => "lacking",
            Only::All => "all",
        }
    }

    pub fn wants(self, state: CellState) -> bool {
        match self {
            Only::Missing => state == CellState::Missing,
            Only::Failed => state == CellState::Failed,
            Only::Lacking => matches!(
                state,
                CellState::Missing | CellState::Failed | CellState::Empty
            ),
            Only::All => !matches!(state, CellState::Excluded | CellState::NotDue),
        }
    }
}

/// Cells counted by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub landed: u64,
    pub empty: u64,
    pub missing: u64,
    pub failed: u64,
    pub excluded: u64,
    pub not_due: u64,
}

impl Tally {
    fn add(&mut self, state: CellState, days: u32) {
        let count = match state {
            CellState::Landed => &mut self.landed,
            CellState::Empty => &mut self.empty,
            CellState::Missing => &mut self.missing,
            CellState::Failed => &mut self.failed,
            CellState::Excluded => &mut self.excluded,
            CellState::NotDue => &mut self.not_due,
        };
        *count += u64::from(days);
    }
}

impl Ledger {
    /// One property's days in order, joined by state.
    pub fn states(&self, property: i64, scope: &Scope) -> Vec<(Window, CellState)> {
        let mut states: Vec<(Window, CellState)> = Vec::new();
        let mut push = |window: Window, state: CellState| match states.last_mut() {
            Some((last, known)) if *known == state => last.to = window.to,
            _ => states.push((window, state)),
        };
        let excluded = scope.excluded.contains(&property);
        let lacking = |state| match excluded {
            true => CellState::Excluded,
            false => state,
        };
        let unknown = Line::default();
        let line = self.line(property).unwrap_or(&unknown);
        for (window, fate) in line.within(scope.window) {
            match fate {
                Some(Fate::Landed) => push(window, CellState::Landed),
                Some(Fate::Empty) => push(window, CellState::Empty),
                Some(Fate::Missing) => push(window, lacking(CellState::Missing)),
                Some(Fate::Failed) => push(window, lacking(CellState::Failed)),
                None => scope.due.cut(window, |window, due| {
                    let state = match due {
                        true => lacking(CellState::Missing),
                        false => CellState::NotDue,
                    };
                    push(window, state);
                }),
            }
        }
        states
    }

    /// All cells counted, and those that are to be had but are not there, by property and day.
    pub fn tally(&self, scope: &Scope) -> (Tally, Vec<CellSpan>) {
        let mut tally = Tally::default();
        let mut lacking: Vec<CellSpan> = Vec::new();
        for &property in scope.properties {
            let mut open: Option<CellSpan> = None;
            for (window, state) in self.states(property, scope) {
                tally.add(state, window.len());
                match (&mut open, state) {
                    (Some(span), CellState::Missing | CellState::Failed) => span.to = window.to,
                    (None, CellState::Missing | CellState::Failed) => {
                        open = Some(CellSpan {
                            property,
                            from: window.from,
                            to: window.to,
                        });
                    }
                    _ => lacking.extend(open.take()),
                }
            }
            lacking.extend(open);
        }
        (tally, lacking)
    }

    /// The cells that a backfill is to fill, by property and day.
    pub fn gaps(&self, scope: &Scope, only: Only) -> Vec<CellSpan> {
        let mut gaps: Vec<CellSpan> = Vec::new();
        let wanted = |property: &&i64| !scope.excluded.contains(property);
        for &property in scope.properties.iter().filter(wanted) {
            let wanted = self.states(property, scope);
            for (window, _) in wanted.into_iter().filter(|(_, state)| only.wants(*state)) {
                match gaps.last_mut() {
                    Some(last)
                        if last.property == property && last.to.succ_opt() == Some(window.from) =>
                    {
                        last.to = window.to;
                    }
                    _ => gaps.push(CellSpan {
                        property,
                        from: window.from,
                        to: window.to,
                    }),
                }
            }
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(number: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day") + DayCount::new(number)
    }

    fn window(from: u64, length: u64) -> Window {
        Window::new(day(from), day(from + length - 1)).expect("in order")
    }

    proptest! {
        /// Windows in any order make one set, kept as few windows that do not touch.
        #[test]
        fn a_set_of_days_is_its_days(
            inserted in proptest::collection::vec((0..40_u64, 1..9_u64), 0..12), from in 0..40_u64, long in 1..12_u64,
        ) {
            let days: Days = inserted.iter().map(|&(from, length)| window(from, length)).collect();
            let within = |number: u64| inserted.iter().any(|(from, length)| (*from..from + length).contains(&number));
            for number in 0..60 {
                prop_assert_eq!(days.contains(day(number)), within(number));
            }
            let last = (0..60).rev().find(|number| within(*number));
            prop_assert_eq!(days.last(), last.map(day));
            let apart = |two: &[Window]| two[0].to.succ_opt() < Some(two[1].from);
            prop_assert!(days.windows.windows(2).all(apart));
            let mut pieces = Vec::new();
            days.cut(window(from, long), |piece, inside| pieces.push((piece, inside)));
            let mut next = day(from);
            for (piece, inside) in &pieces {
                prop_assert_eq!(piece.from, next);
                prop_assert!(piece.from <= piece.to);
                prop_assert!(piece.days().all(|day| days.contains(day) == *inside));
                next = piece.to + DayCount::new(1);
            }
            prop_assert_eq!(next, day(from + long));
        }

        #[test]
        fn a_tally_is_what_a_grid_counts(
            facts in proptest::collection::vec((0..6_i64, 0..30_u64, 1..15_u64, 0..4_usize), 0..40),
            excluded in proptest::collection::btree_set(0..6_i64, 0..3),
            due in proptest::collection::vec((0..40_u64, 1..9_u64), 0..6),
        ) {
            let fates = [Fate::Landed, Fate::Empty, Fate::Missing, Fate::Failed];
            let mut ledger = Ledger::default();
            for (property, from, length, fate) in facts {
                let Window { from, to } = window(from, length);
                ledger.record(CellSpan { property, from, to }, fates[fate]);
            }
            let due: Days = due.into_iter().map(|(from, length)| window(from, length)).collect();
            let properties: Vec<i64> = (0..7).collect();
            let scope = Scope { window: window(2, 40), properties: &properties, excluded: &excluded, due: &due };
            let mut expected = Tally::default();
            let mut lacking = BTreeSet::new();
            let mut empty = BTreeSet::new();
            let mut landed = BTreeSet::new();
            for &property in &properties {
                for day in scope.window.days() {
                    let out = excluded.contains(&property);
                    let state = match ledger.line(property).and_then(|line| line.at(day)) {
                        Some(Fate::Landed) => CellState::Landed,
                        Some(Fate::Empty) => CellState::Empty,
                        None if !due.contains(day) => CellState::NotDue,
                        _ if out => CellState::Excluded,
                        Some(Fate::Failed) => CellState::Failed,
                        _ => CellState::Missing,
                    };
                    expected.add(state, 1);
                    if matches!(state, CellState::Missing | CellState::Failed) {
                        lacking.insert((property, day));
                    }
                    if state == CellState::Empty && !out {
                        empty.insert((property, day));
                    }
                    if state == CellState::Landed && !out {
                        landed.insert((property, day));
                    }
                }
            }
            for property in 0..7 {
                let states = ledger.states(property, &scope);
                prop_assert!(states.windows(2).all(|two| two[0].1 != two[1].1), "{states:?} are not joined");
            }
            let (tally, spans) = ledger.tally(&scope);
            prop_assert_eq!(tally, expected);
            let cells = |spans: &[CellSpan]| -> BTreeSet<(i64, NaiveDate)> {
                spans.iter().flat_map(|span| span.window().days().map(|day| (span.property, day))).collect()
            };
            prop_assert_eq!(cells(&spans), lacking.clone());
            prop_assert!(spans.is_sorted());
            lacking.append(&mut empty);
            prop_assert_eq!(cells(&ledger.gaps(&scope, Only::Lacking)), lacking.clone());
            lacking.append(&mut landed);
            prop_assert_eq!(cells(&ledger.gaps(&scope, Only::All)), lacking);
            let of_kind: u64 = [Only::Missing, Only::Failed].iter()
                .map(|only| cells(&ledger.gaps(&scope, *only)).len() as u64).sum();
            prop_assert_eq!(of_kind, tally.missing + tally.failed);
        }
    }

    /// Ten thousand properties, five years, three reports, each property with a gap in a hundred days.
    #[test]
    fn a_large_portfolio_is_small_in_memory() {
        let mut bytes = 0;
        let mut ledger = Ledger::default();
        for property in 0..10_000_i64 {
            let mut line = Line::default();
            line.record(window(0, 1_826), Fate::Missing);
            for gap in 0..18_u64 {
                let from = gap * 101 + property.unsigned_abs() % 7;
                line.record(window(from, 100), Fate::Landed);
            }
            ledger.insert(property, line);
        }
        bytes += 3 * ledger.bytes();
        assert!(bytes < 32 * 1024 * 1024, "{bytes}");
        let properties: Vec<i64> = (0..10_000).collect();
        let due = Days::from_iter([window(0, 1_826)]);
        let scope = Scope {
            window: window(0, 1_826),
            properties: &properties,
            excluded: &BTreeSet::new(),
            due: &due,
        };
        let (tally, _) = ledger.tally(&scope);
        assert_eq!(tally.landed + tally.missing, 18_260_000);
    }
}
