//! One property's days by their fate, as intervals.

use crate::schedule::Window;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// What became of a cell that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Its rows are in a landed file.
    Landed,
    /// It was delivered, with zero rows.
    Empty,
    /// It was asked for and is in no file.
    Missing,
    /// Its part was given up, or its run failed.
    Failed,
}

impl Fate {
    const ALL: [Fate; 4] = [Fate::Landed, Fate::Empty, Fate::Missing, Fate::Failed];

    fn letter(self) -> char {
        match self {
            Fate::Landed => 'l',
            Fate::Empty => 'e',
            Fate::Missing => 'm',
            Fate::Failed => 'f',
        }
    }

    /// What a cell is that was `old` and of which `self` is said now. What has landed stays in place,
    /// whatever a later run says; of the rest the latest word counts.
    fn over(self, old: Option<Fate>) -> Fate {
        match old {
            Some(Fate::Landed) => Fate::Landed,
            _ => self,
        }
    }
}

/// Consecutive days of one fate in eight bytes: the first day from the common era, and length and
/// fate in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    from: i32,
    packed: u32,
}

impl Span {
    fn new(from: i32, to: i32, fate: Fate) -> Span {
        let length = to.abs_diff(from) + 1;
        Span {
            from,
            packed: (length << 2) | fate as u32,
        }
    }

    fn fate(self) -> Fate {
        Fate::ALL[(self.packed & 3) as usize]
    }

    fn length(self) -> i32 {
        (self.packed >> 2).cast_signed()
    }

    /// The last day.
    fn to(self) -> i32 {
        self.from + self.length() - 1
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}{}", self.from, self.length(), self.fate().letter())
    }
}

/// All that is remembered of one property: ordered, disjoint, neighbours of one fate joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Line {
    spans: Vec<Span>,
}

impl Line {
    /// Intervals kept of one property; beyond that the oldest are forgotten, so that the record
    /// keeps within the store's limit.
    pub const SPANS_MAX: usize = 8_000;

    /// Says that the days of `window` met `fate`; `true` if that changed anything.
    pub fn record(&mut self, window: Window, fate: Fate) -> bool {
        self.change(window, |old| fate.over(old))
    }

    /// The same, but only for days of which nothing is known.
    pub fn record_unknown(&mut self, window: Window, fate: Fate) -> bool {
        self.change(window, |old| old.unwrap_or(fate))
    }

    /// Days of `window` that had landed are missing again.
    pub fn lose(&mut self, window: Window) -> bool {
        let known: Vec<_> = self.within(window).collect();
        let landed = known
            .into_iter()
            .filter(|(_, fate)| *fate == Some(Fate::Landed));
        landed.fold(false, |changed, (window, _)| {
            self.change(window, |_| Fate::Missing) || changed
        })
    }

    fn change(&mut self, window: Window, new: impl Fn(Option<Fate>) -> Fate) -> bool {
        let (from, to) = (day_number(window.from), day_number(window.to));
        let first = self.spans.partition_point(|span| span.to() < from);
        let last = self.spans.partition_point(|span| span.from <= to);
        let mut fresh = Vec::new();
        let mut next = from;
        for span in &self.spans[first..last] {
            if span.from < from {
                push(&mut fresh, span.from, from - 1, span.fate());
            }
            if next < span.from {
                push(&mut fresh, next, span.from - 1, new(None));
            }
            let (start, end) = (span.from.max(from), span.to().min(to));
            push(&mut fresh, start, end, new(Some(span.fate())));
            if span.to() > to {
                push(&mut fresh, to + 1, span.to(), span.fate());
            }
            next = end + 1;
        }
        if next <= to {
            push(&mut fresh, next, to, new(None));
        }
        if fresh == self.spans[first..last] {
            return false;
        }
        self.spans.splice(first..last, fresh);
        self.join_around(from, to);
        let surplus = self.spans.len().saturating_sub(Line::SPANS_MAX);
        self.spans.drain(..surplus);
        true
    }

    /// Joins the intervals that touch the changed days with their neighbours.
    fn join_around(&mut self, from: i32, to: i32) {
        for day in [to + 1, from] {
            let at = self.spans.partition_point(|span| span.from < day);
            self.join_at(at);
        }
    }

    /// Joins the interval at `at` with the one before it, if they are one.
    fn join_at(&mut self, at: usize) {
        let (Some(before), Some(here)) = (at.checked_sub(1), self.spans.get(at).copied()) else {
            return;
        };
        let Some(earlier) = self.spans.get(before).copied() else {
            return;
        };
        if earlier.to() + 1 == here.from && earlier.fate() == here.fate() {
            self.spans[before] = Span::new(earlier.from, here.to(), here.fate());
            self.spans.remove(at);
        }
    }

    /// The days of `window` in order, each with what is known of it; the windows join without a gap.
    pub fn within(&self, window: Window) -> impl Iterator<Item = (Window, Option<Fate>)> + '_ {
        let (from, to) = (day_number(window.from), day_number(window.to));
        let first = self.spans.partition_point(|span| span.to() < from);
        let known = self.spans[first..]
            .iter()
            .take_while(move |span| span.from <= to);
        let mut next = from;
        let mut pieces = Vec::new();
        for span in known {
            if next < span.from {
                pieces.push((next, span.from - 1, None));
            }
            let end = span.to().min(to);
            pieces.push((span.from.max(from), end, Some(span.fate())));
            next = end + 1;
        }
        if next <= to {
            pieces.push((next, to, None));
        }
        pieces
            .into_iter()
            .filter_map(|(from, to, fate)| Some((window_of(from, to)?, fate)))
    }

    /// What is known of one day.
    pub fn at(&self, day: NaiveDate) -> Option<Fate> {
        self.within(Window::day(day)).next()?.1
    }

    /// Whether every day of `window` has landed.
    pub fn has_landed(&self, window: Window) -> bool {
        self.within(window)
            .all(|(_, fate)| fate == Some(Fate::Landed))
    }

    /// The first and the last day of which anything is known.
    pub fn extent(&self) -> Option<Window> {
        window_of(self.spans.first()?.from, self.spans.last()?.to())
    }

    /// Bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Line>() + self.spans.capacity() * size_of::<Span>()
    }

    pub fn shrink(&mut self) {
        self.spans.shrink_to_fit();
    }
}

fn push(spans: &mut Vec<Span>, from: i32, to: i32, fate: Fate) {
    match spans.last_mut() {
        Some(last) if last.fate() == fate && last.to() + 1 == from => {
            *last = Span::new(last.from, to, fate);
        }
        _ => spans.push(Span::new(from, to, fate)),
    }
}

fn day_number(day: NaiveDate) -> i32 {
    day.num_days_from_ce()
}

fn window_of(from: i32, to: i32) -> Option<Window> {
    let day = NaiveDate::from_num_days_from_ce_opt;
    Window::new(day(from)?, day(to)?)
}

/// The stored form: the first day, then lengths with the letter of their fate; `.` is a day of which
/// nothing is known. `{"from":"2026-11-01","cells":"30l1m"}`.
#[derive(Serialize, Deserialize)]
struct Stored {
    from: NaiveDate,
    cells: String,
}

/// A stored line that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no line of cells")]
pub struct LineFault(String);

impl From<Line> for Stored {
    fn from(line: Line) -> Stored {
        use std::fmt::Write;
        let from = line.extent().map(|extent| extent.from).unwrap_or_default();
        let mut cells = String::new();
        let mut next = line.spans.first().map_or(0, |span| span.from);
        for span in &line.spans {
            if next < span.from {
                let _ = write!(cells, "{}.", span.from - next);
            }
            let _ = write!(cells, "{}{}", span.length(), span.fate().letter());
            next = span.to() + 1;
        }
        Stored { from, cells }
    }
}

impl TryFrom<Stored> for Line {
    type Error = LineFault;
    fn try_from(stored: Stored) -> Result<Line, LineFault> {
        let fault = || LineFault(stored.cells.chars().take(80).collect());
        let mut spans = Vec::new();
        let mut next = day_number(stored.from);
        for word in stored.cells.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let kind = word.chars().last().ok_or_else(fault)?;
            let length: i32 = word[..word.len() - kind.len_utf8()]
                .parse()
                .map_err(|_| fault())?;
            let end = next.checked_add(length).ok_or_else(fault)?;
            if length < 1 || NaiveDate::from_num_days_from_ce_opt(end).is_none() {
                return Err(fault());
            }
            let fate = Fate::ALL.into_iter().find(|fate| fate.letter() == kind);
            match fate {
                Some(fate) => push(&mut spans, next, end - 1, fate),
                None if kind == '.' => {}
                None => return Err(fault()),
            }
            next = end;
        }
        Ok(Line { spans })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Days;
    use proptest::prelude::*;

    fn first() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day")
    }

    fn window(from: u64, length: u64) -> Window {
        let from = first() + Days::new(from);
        Window::new(from, from + Days::new(length - 1)).expect("in order")
    }

    fn fates() -> impl Strategy<Value = Fate> {
        (0..4_usize).prop_map(|at| Fate::ALL[at])
    }

    proptest! {
        /// The line is what a naive grid with the rules of merging is, and is as short as can be.
        #[test]
        fn a_line_is_its_grid(
            facts in proptest::collection::vec((0..50_u64, 1..20_u64, fates(), any::<bool>()), 0..40),
        ) {
            let mut line = Line::default();
            let mut grid: Vec<Option<Fate>> = vec![None; 80];
            for (from, length, fate, only_unknown) in facts {
                let before = grid.clone();
                for cell in &mut grid[from as usize..(from + length) as usize] {
                    *cell = match (*cell, only_unknown) {
                        (Some(Fate::Landed), _) => Some(Fate::Landed),
                        (Some(known), true) => Some(known),
                        _ => Some(fate),
                    };
                }
                let window = window(from, length);
                let changed = match only_unknown {
                    true => line.record_unknown(window, fate),
                    false => line.record(window, fate),
                };
                prop_assert_eq!(changed, before != grid);
            }
            for (at, cell) in grid.iter().enumerate() {
                prop_assert_eq!(line.at(first() + Days::new(at as u64)), *cell);
            }
            let runs = grid.chunk_by(|a, b| a == b).filter(|run| run[0].is_some());
            prop_assert_eq!(line.spans.len(), runs.count());
            let pieces: Vec<_> = line.within(window(3, 70)).collect();
            let total: u32 = pieces.iter().map(|(window, _)| window.len()).sum();
            prop_assert_eq!(total, 70);
            // No piece begins or ends where its neighbour says the same, and none is empty.
            for (piece, fate) in &pieces {
                let same = |day: NaiveDate| grid[(day - first()).num_days() as usize] == *fate;
                prop_assert!(piece.days().all(same));
            }
            prop_assert!(pieces.windows(2).all(|two| two[0].1 != two[1].1));
            for from in [0, 5, 40] {
                let landed = grid[from..from + 9].iter().all(|cell| *cell == Some(Fate::Landed));
                prop_assert_eq!(line.has_landed(window(from as u64, 9)), landed);
            }
            let text = serde_json::to_string(&line).expect("a text");
            prop_assert_eq!(serde_json::from_str::<Line>(&text).expect("a line"), line);
        }

        #[test]
        fn no_text_of_a_record_panics(cells in "[0-9]{0,11}[lemf.x]{0,2}[0-9]{0,3}[lemf]?") {
            let _ = Line::try_from(Stored { from: first(), cells });
        }
    }

    #[test]
    fn a_single_day_joins_both_its_neighbours() {
        for days in [[4, 5, 6], [6, 5, 4], [5, 4, 6], [4, 6, 5]] {
            let mut line = Line::default();
            let add = |&day: &u64| line.record(window(day, 1), Fate::Landed);
            assert!(days.iter().all(add));
            assert_eq!(line.spans.len(), 1, "{days:?}");
        }
    }

    #[test]
    fn the_stored_form_is_frozen() {
        let mut line = Line::default();
        line.record(window(0, 30), Fate::Landed);
        line.record(window(30, 1), Fate::Missing);
        line.record(window(33, 2), Fate::Failed);
        line.record(window(35, 1), Fate::Empty);
        let text = serde_json::to_string(&line).expect("a text");
        assert_eq!(text, r#"{"from":"2026-01-01","cells":"30l1m2.2f1e"}"#);
    }

    #[test]
    fn the_longest_line_keeps_within_the_limit_of_a_record() {
        let mut line = Line::default();
        for day in 0..Line::SPANS_MAX as u64 + 100 {
            let fate = if day % 2 == 0 {
                Fate::Landed
            } else {
                Fate::Missing
            };
            line.record(window(day, 1), fate);
        }
        assert_eq!(line.spans.len(), Line::SPANS_MAX);
        let text = serde_json::to_string(&line).expect("a text");
        assert!(text.len() < 60 * 1024, "{}", text.len());
    }
}
