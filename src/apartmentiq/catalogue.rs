//! A catalogue's pages put together: how many there are, which the vendor says in more than one way or not at all.

use super::properties::field;
use super::wire::{PagePlace, place_of};
use crate::run::{Fault, FaultClass};
use serde_json::Value;
use std::collections::BTreeSet;

/// The entries of all pages read so far, each page's in its order.
#[derive(Default)]
pub(super) struct Catalogue {
    entries: Vec<Value>,
    /// Whatever tells one entry, or a property in it, from another.
    known: BTreeSet<String>,
    /// Entries, and properties listed in them: the vendor does not say which of both it counts.
    counts: (u64, u64),
    /// How many there are, by the last answer that said so.
    total: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    GoesOn {
        /// How many pages there are, where the vendor says so.
        pages: Option<u32>,
    },
    Over,
}

impl Catalogue {
    /// Takes page `number` in, from 1; `None` if the body holds no data.
    pub(super) fn add(&mut self, number: u32, mut body: Value) -> Option<Reading> {
        let place = place_of(&body);
        let (data, alone) = match body.get_mut("data").map(Value::take) {
            Some(Value::Array(data)) => (data, false),
            Some(one @ Value::Object(_)) => (vec![one], true),
            None if body.get("market_survey_items").is_some() => (vec![body], true),
            _ => return None,
        };
        let empty = data.is_empty();
        let news = data.into_iter().filter(|entry| self.learn(entry));
        let news: Vec<Value> = news.collect();
        let repeats = news.is_empty();
        self.entries.extend(news);
        self.total = place.total_count.or(self.total);
        Some(self.after(number, &place, alone, empty || repeats))
    }

    /// Whether there is another page after `number`.
    fn after(&self, number: u32, place: &PagePlace, alone: bool, brought_nothing: bool) -> Reading {
        // No pages at all, while there are entries, says nothing.
        let pages = place.total_pages.filter(|pages| *pages > 0);
        let over = match (pages, self.total) {
            (Some(pages), _) => number >= pages,
            // An entry that is no list has no pages.
            (None, None) if alone => true,
            (None, Some(_)) => self.is_complete() || brought_nothing,
            (None, None) => brought_nothing,
        };
        match over {
            true => Reading::Over,
            false => Reading::GoesOn { pages },
        }
    }

    /// Counts an entry; `false` if it and all that it lists are known.
    fn learn(&mut self, entry: &Value) -> bool {
        let name = match entry.get("id") {
            Some(Value::String(id)) => id.clone(),
            Some(id) if !id.is_null() => id.to_string(),
            _ => entry.to_string(),
        };
        let fresh = self.known.insert(name.clone());
        self.counts.0 += u64::from(fresh);
        let mut more = false;
        for list in ["subject_property_ids", "market_survey_items"] {
            let listed = field(entry, list).and_then(Value::as_array);
            for property in listed.into_iter().flatten() {
                let id = property.get("id").unwrap_or(property);
                let new = self.known.insert(format!("{name} {list} {id}"));
                self.counts.1 += u64::from(new);
                more |= new;
            }
        }
        fresh || more
    }

    fn is_complete(&self) -> bool {
        let (entries, properties) = self.counts;
        self.total
            .is_none_or(|total| entries.max(properties) >= total)
    }

    /// All entries.
    ///
    /// # Errors
    /// If the vendor counts more than it gave.
    pub(super) fn whole(self, place: &str) -> Result<Vec<Value>, Fault> {
        match self.total {
            Some(total) if !self.is_complete() => {
                let given = self.counts.0;
                let words =
                    format!("{total} entries of {place} are counted, but {given} are given");
                Err(Fault::new(FaultClass::Nonsense, words))
            }
            _ => Ok(self.entries),
        }
    }
}
