//! A rectangle of property × day cells as bits; spans outside.

use crate::run::CellSpan;
use crate::schedule::Window;
use chrono::{Days, NaiveDate};

/// Which cells of some properties (sorted) × some days are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cells {
    properties: Vec<i64>,
    window: Window,
    days: usize,
    bits: Vec<u64>,
}

impl Cells {
    /// None set. `properties` must be sorted and without duplicates.
    pub fn none(properties: &[i64], window: Window) -> Cells {
        let days = window.len() as usize;
        Cells {
            properties: properties.to_vec(),
            window,
            days,
            bits: vec![0; (properties.len() * days).div_ceil(64)],
        }
    }

    pub fn properties(&self) -> &[i64] {
        &self.properties
    }

    pub fn window(&self) -> Window {
        self.window
    }

    /// The row of a property.
    pub fn property_index(&self, property: i64) -> Option<usize> {
        self.properties.binary_search(&property).ok()
    }

    /// The column of a day.
    pub fn day_index(&self, day: NaiveDate) -> Option<usize> {
        self.window
            .contains(day)
            .then(|| usize::try_from((day - self.window.from).num_days()).unwrap_or_default())
    }

    pub fn set_at(&mut self, property: usize, day: usize) {
        let bit = property * self.days + day;
        self.bits[bit / 64] |= 1 << (bit % 64);
    }

    pub fn is_set_at(&self, property: usize, day: usize) -> bool {
        let bit = property * self.days + day;
        self.bits[bit / 64] & (1 << (bit % 64)) != 0
    }

    pub fn is_set(&self, property: i64, day: NaiveDate) -> bool {
        matches!((self.property_index(property), self.day_index(day)),
            (Some(property), Some(day)) if self.is_set_at(property, day))
    }

    /// Sets the cells of a span that lie within the rectangle.
    pub fn set_span(&mut self, span: CellSpan) {
        self.each_of(span, Cells::set_at);
    }

    pub fn clear_span(&mut self, span: CellSpan) {
        self.each_of(span, |cells, property, day| {
            let bit = property * cells.days + day;
            cells.bits[bit / 64] &= !(1 << (bit % 64));
        });
    }

    /// Sets every cell that is set in `other`, of the same rectangle.
    pub fn set(&mut self, other: &Cells) {
        self.each_word(other, |mine, theirs| mine | theirs);
    }

    /// Clears every cell that is set in `other`, of the same rectangle.
    pub fn clear(&mut self, other: &Cells) {
        self.each_word(other, |mine, theirs| mine & !theirs);
    }

    /// Clears every cell that is not set in `other`, of the same rectangle.
    pub fn keep(&mut self, other: &Cells) {
        self.each_word(other, |mine, theirs| mine & theirs);
    }

    fn each_word(&mut self, other: &Cells, act: impl Fn(u64, u64) -> u64) {
        debug_assert!(self.properties == other.properties && self.window == other.window);
        for (mine, theirs) in self.bits.iter_mut().zip(&other.bits) {
            *mine = act(*mine, *theirs);
        }
    }

    /// Whether any cell is set in both, of the same rectangle.
    pub fn overlaps(&self, other: &Cells) -> bool {
        let mut both = self.clone();
        both.keep(other);
        !both.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }

    fn each_of(&mut self, span: CellSpan, act: impl Fn(&mut Cells, usize, usize)) {
        let from = span.from.max(self.window.from);
        let to = span.to.min(self.window.to);
        let Some(property) = self.property_index(span.property) else {
            return;
        };
        if let (true, Some(first), Some(last)) =
            (from <= to, self.day_index(from), self.day_index(to))
        {
            for day in first..=last {
                act(self, property, day);
            }
        }
    }

    /// Sets the cells of `properties` × `window` that lie within the rectangle.
    pub fn set_rectangle(&mut self, properties: &[i64], window: Window) {
        for &property in properties {
            self.set_span(CellSpan {
                property,
                from: window.from,
                to: window.to,
            });
        }
    }

    pub fn count(&self) -> u64 {
        self.bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    /// How many cells there are, set or not.
    pub fn size(&self) -> u64 {
        (self.properties.len() * self.days) as u64
    }

    /// Whether a property has any cell set.
    pub fn has_property(&self, index: usize) -> bool {
        (0..self.days).any(|day| self.is_set_at(index, day))
    }

    /// Whether a day has any cell set.
    pub fn has_day(&self, day: usize) -> bool {
        (0..self.properties.len()).any(|property| self.is_set_at(property, day))
    }

    pub fn day_at(&self, index: usize) -> NaiveDate {
        self.window.from + Days::new(index as u64)
    }

    /// The set cells, by property and then by day.
    pub fn spans(&self) -> Vec<CellSpan> {
        self.spans_where(|set| set)
    }

    /// The cells that are not set.
    pub fn gaps(&self) -> Vec<CellSpan> {
        self.spans_where(|set| !set)
    }

    fn spans_where(&self, wanted: impl Fn(bool) -> bool) -> Vec<CellSpan> {
        let mut spans = Vec::new();
        for (row, &property) in self.properties.iter().enumerate() {
            let mut open: Option<usize> = None;
            for day in 0..=self.days {
                let inside = day < self.days && wanted(self.is_set_at(row, day));
                match (open, inside) {
                    (None, true) => open = Some(day),
                    (Some(first), false) => {
                        spans.push(CellSpan {
                            property,
                            from: self.day_at(first),
                            to: self.day_at(day - 1),
                        });
                        open = None;
                    }
                    _ => {}
                }
            }
        }
        spans
    }
}
