//! One schedule's cells.

use super::{Fate, Line};
use crate::run::CellSpan;
use crate::schedule::Window;
use std::collections::BTreeMap;

/// Property × day cells of one schedule, as a line of intervals per property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    lines: BTreeMap<i64, Line>,
}

impl Ledger {
    /// A line as it was remembered.
    pub fn insert(&mut self, property: i64, mut line: Line) {
        line.shrink();
        self.lines.insert(property, line);
    }

    pub fn line(&self, property: i64) -> Option<&Line> {
        self.lines.get(&property)
    }

    /// Says that the cells of `span` met `fate`; `true` if that changed anything.
    pub fn record(&mut self, span: CellSpan, fate: Fate) -> bool {
        let line = self.lines.entry(span.property).or_default();
        line.record(span.window(), fate)
    }

    /// The same, but only for cells of which nothing is known.
    pub fn record_unknown(&mut self, span: CellSpan, fate: Fate) -> bool {
        let line = self.lines.entry(span.property).or_default();
        line.record_unknown(span.window(), fate)
    }

    /// Says that the rows of `span`, where they had landed, are there no more.
    pub fn lose(&mut self, span: CellSpan) -> bool {
        let line = self.lines.get_mut(&span.property);
        line.is_some_and(|line| line.lose(span.window()))
    }

    /// The days of `window` by property, each with what is known of it.
    pub fn known_within(&self, window: Window) -> impl Iterator<Item = (Window, Option<Fate>)> {
        self.lines
            .values()
            .flat_map(move |line| line.within(window))
    }

    /// Every property that was ever asked for, in order.
    pub fn properties(&self) -> impl Iterator<Item = i64> + '_ {
        self.lines.keys().copied()
    }

    /// From the first to the last day that was ever asked for.
    pub fn extent(&self) -> Option<Window> {
        let extents = self.lines.values().filter_map(Line::extent);
        extents.reduce(Window::union)
    }

    /// Bytes it takes in memory, the map's own left out.
    pub fn bytes(&self) -> usize {
        self.lines
            .values()
            .map(|line| size_of::<i64>() + line.bytes())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    fn span(property: i64, from: u32, to: u32) -> CellSpan {
        let day = |number| NaiveDate::from_ymd_opt(2026, 11, number).expect("a day");
        CellSpan {
            property,
            from: day(from),
            to: day(to),
        }
    }

    #[test]
    fn a_cells_state_is_told_in_the_contracts_words() {
        use crate::coverage::{CellState as S, Only};
        let all = [
            S::Landed,
            S::Empty,
            S::Missing,
            S::Failed,
            S::Excluded,
            S::NotDue,
        ];
        assert_eq!(
            all.map(S::as_str),
            [
                "landed", "empty", "missing", "failed", "excluded", "not_due"
            ]
        );
        for only in [Only::Missing, Only::Failed, Only::Lacking, Only::All] {
            assert_eq!(serde_json::json!(only), only.as_str());
        }
    }

    #[test]
    fn what_is_known_of_a_window_is_told_property_by_property() {
        let mut ledger = Ledger::default();
        ledger.record(span(7, 3, 5), Fate::Landed);
        ledger.record(span(2, 4, 9), Fate::Failed);
        let known: Vec<_> = ledger.known_within(span(0, 4, 6).window()).collect();
        let expected = [
            (span(0, 4, 6).window(), Some(Fate::Failed)),
            (span(0, 4, 5).window(), Some(Fate::Landed)),
            (span(0, 6, 6).window(), None),
        ];
        assert_eq!(known, expected);
        assert_eq!(ledger.properties().collect::<Vec<_>>(), [2, 7]);
        assert!(ledger.bytes() >= 2 * (size_of::<i64>() + size_of::<Line>()));
    }

    #[test]
    fn it_says_whether_anything_was_new() {
        let mut ledger = Ledger::default();
        assert!(ledger.record_unknown(span(1, 3, 5), Fate::Missing));
        assert!(!ledger.record_unknown(span(1, 3, 5), Fate::Missing));
        assert!(!ledger.record_unknown(span(1, 4, 4), Fate::Empty));
        assert!(ledger.record(span(1, 4, 4), Fate::Landed));
        assert!(!ledger.record(span(1, 4, 4), Fate::Landed));
        assert!(ledger.lose(span(1, 3, 5)));
        assert!(!ledger.lose(span(1, 3, 5)), "nothing is landed any more");
        assert!(!ledger.lose(span(2, 3, 5)), "never asked for");
        assert_eq!(ledger.properties().collect::<Vec<_>>(), [1]);
        assert_eq!(ledger.extent(), Some(span(1, 3, 5).window()));
    }
}
