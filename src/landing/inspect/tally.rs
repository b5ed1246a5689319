//! Counts rows as they pass: whose, of which day, and what the checks want to know.

use super::Terms;
use super::datum::{Datum, KnownDays, day_number, day_of_number};
use super::facts::{DayFacts, Facts, Foreign, Watched};
use super::keys::Sorted;
use super::unique::Keys;
use crate::landing::cells::Cells;
use crate::landing::manifest::Column;
use crate::run::Fault;
use std::collections::BTreeMap;
use std::path::Path;

/// The columns that inspection looks into; the first is the property's, the second the day's.
#[derive(Clone, Debug)]
pub(in crate::landing) struct Slots(Vec<String>);

impl Slots {
    pub const PROPERTY: usize = 0;
    pub const DATE: usize = 1;

    pub fn of(property: &str, date: &str) -> Slots {
        Slots(vec![property.to_owned(), date.to_owned()])
    }

    fn all(terms: &Terms) -> Slots {
        let mut slots = Slots::of(&terms.columns.property, &terms.columns.date);
        let checks = &terms.checks;
        let names = checks.unique.iter().chain(checks.max_null_rate.keys());
        for name in names.chain(checks.range.keys()) {
            if !slots.0[2..].contains(name) {
                slots.0.push(name.clone());
            }
        }
        slots
    }

    pub fn names(&self) -> &[String] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn slot(&self, name: &str) -> usize {
        // Checked columns have slots of their own, after the two that may share their name.
        self.0[2..]
            .iter()
            .position(|known| known == name)
            .map_or(0, |at| at + 2)
    }
}

struct Watch {
    slot: usize,
    name: String,
    range: Option<(f64, f64)>,
    /// A day each, and one more for rows of no day of the window.
    seen: Vec<Watched>,
}

pub(super) struct Tally {
    pub slots: Slots,
    present: Vec<bool>,
    rows: u64,
    /// By day, as in a watch.
    rows_of: Vec<u64>,
    foreign_of: BTreeMap<usize, Foreign>,
    cells: Cells,
    properties: Vec<bool>,
    days: Vec<bool>,
    first_day: i32,
    foreign_properties: Foreign,
    foreign_days: Foreign,
    unkeyed: u64,
    undated: u64,
    last_property: Option<(i64, Option<usize>)>,
    known_days: KnownDays,
    watches: Vec<Watch>,
    keys: Option<Keys>,
    pub remarks: Vec<String>,
    pub blank: Vec<String>,
}

fn watches(terms: &Terms, slots: &Slots) -> Vec<Watch> {
    let checks = &terms.checks;
    let nulls = checks.max_null_rate.keys();
    let mut names: Vec<&String> = nulls.chain(checks.range.keys()).collect();
    names.sort();
    names.dedup();
    let watch = |name: &String| Watch {
        slot: slots.slot(name),
        name: name.clone(),
        range: checks.range.get(name).copied(),
        seen: vec![Watched::default(); terms.window.len() as usize + 1],
    };
    names.into_iter().map(watch).collect()
}

impl Tally {
    /// `scratch`: where keys go that do not fit into memory.
    pub fn new(terms: &Terms, scratch: &Path) -> Tally {
        let slots = Slots::all(terms);
        let cells = Cells::none(&terms.properties, terms.window);
        let days = terms.window.len() as usize;
        let watches = watches(terms, &slots);
        let keys = (!terms.checks.unique.is_empty()).then(|| Keys::new(terms, &slots, scratch));
        Tally {
            present: vec![false; slots.len()],
            rows: 0,
            rows_of: vec![0; days + 1],
            foreign_of: BTreeMap::new(),
            properties: vec![false; terms.properties.len()],
            days: vec![false; days],
            first_day: day_number(terms.window.from),
            foreign_properties: Foreign::default(),
            foreign_days: Foreign::default(),
            unkeyed: 0,
            undated: 0,
            last_property: None,
            known_days: KnownDays::default(),
            watches,
            keys,
            remarks: Vec::new(),
            blank: Vec::new(),
            cells,
            slots,
        }
    }

    /// The file has this column, whether or not a row fills it.
    pub fn declare(&mut self, slot: usize) {
        self.present[slot] = true;
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// One row; `at` gives the value of a slot.
    pub fn row<'d>(&mut self, at: impl Fn(usize) -> Datum<'d>) {
        self.rows += 1;
        let foreign = self.foreign_properties.rows;
        let property = self.property_index(&at(Slots::PROPERTY));
        let day = self.day_index(&at(Slots::DATE));
        let bucket = day.unwrap_or(self.days.len());
        self.rows_of[bucket] += 1;
        if let Some(property) = property {
            self.properties[property] = true;
        }
        if let Some(day) = day {
            self.days[day] = true;
        }
        if let (Some(property), Some(day)) = (property, day) {
            self.cells.set_at(property, day);
        }
        if self.foreign_properties.rows > foreign {
            let name = || {
                self.last_property
                    .map_or(String::new(), |(id, _)| id.to_string())
            };
            self.foreign_of.entry(bucket).or_default().note(name);
        }
        for watch in &mut self.watches {
            watch.note(&at(watch.slot), bucket, &mut self.present[watch.slot]);
        }
        if let Some(keys) = &mut self.keys {
            keys.note(&at, bucket, &mut self.present);
        }
    }

    fn property_index(&mut self, datum: &Datum) -> Option<usize> {
        if *datum == Datum::Absent {
            self.unkeyed += 1;
            return None;
        }
        self.present[Slots::PROPERTY] = true;
        let Some(id) = datum.as_property() else {
            self.unkeyed += 1;
            return None;
        };
        let index = match self.last_property {
            Some((last, index)) if last == id => index,
            _ => self.cells.property_index(id),
        };
        self.last_property = Some((id, index));
        if index.is_none() {
            self.foreign_properties.note(|| id.to_string());
        }
        index
    }

    fn day_index(&mut self, datum: &Datum) -> Option<usize> {
        if *datum == Datum::Absent {
            self.undated += 1;
            return None;
        }
        self.present[Slots::DATE] = true;
        let day = match datum {
            Datum::Text(text) => self.known_days.parse(text),
            other => other.as_day(),
        };
        let Some(day) = day else {
            self.undated += 1;
            return None;
        };
        let index = usize::try_from(i64::from(day) - i64::from(self.first_day))
            .ok()
            .filter(|index| *index < self.days.len());
        if index.is_none() {
            self.foreign_days
                .note(|| day_of_number(day).map_or_else(|| day.to_string(), |day| day.to_string()));
        }
        index
    }

    /// The facts, and the hashes of the unique keys.
    pub fn finish(mut self, columns: Vec<Column>) -> Result<(Facts, Option<Sorted>), Fault> {
        let has_property = self.present[Slots::PROPERTY];
        let has_date = self.present[Slots::DATE];
        if self.rows > 0 {
            self.widen(has_property, has_date);
        }
        let (unique, duplicates, keys) = match self.keys.take() {
            None => (None, Vec::new(), None),
            Some(keys) => {
                let (unique, duplicates, keys) = keys.finish(&self.slots, &self.present)?;
                (Some(unique), duplicates, Some(keys))
            }
        };
        let watched = self.watched();
        let days = match has_date {
            true => self.by_day(&duplicates),
            false => BTreeMap::new(),
        };
        let facts = Facts {
            rows: self.rows,
            columns,
            has_property,
            has_date,
            cells: self.cells.spans(),
            foreign_properties: self.foreign_properties,
            foreign_days: self.foreign_days,
            unkeyed: if has_property { self.unkeyed } else { 0 },
            undated: if has_date { self.undated } else { 0 },
            watched,
            unique,
            days,
            blank: self.blank,
            remarks: self.remarks,
        };
        Ok((facts, keys))
    }

    /// Every watched column over all rows.
    fn watched(&self) -> BTreeMap<String, Watched> {
        let total = |watch: &Watch| {
            let mut sum = Watched {
                present: self.present[watch.slot],
                ..Watched::default()
            };
            watch.seen.iter().for_each(|seen| sum.add(seen));
            (watch.name.clone(), sum)
        };
        self.watches.iter().map(total).collect()
    }

    fn by_day(&self, duplicates: &[u64]) -> BTreeMap<chrono::NaiveDate, DayFacts> {
        let of_day = |day: usize| {
            let watched = self.watches.iter().map(|watch| {
                let mut seen = watch.seen[day].clone();
                seen.present = self.present[watch.slot];
                (watch.name.clone(), seen)
            });
            DayFacts {
                rows: self.rows_of[day],
                duplicates: duplicates.get(day).copied().unwrap_or_default(),
                foreign_properties: self.foreign_of.get(&day).cloned().unwrap_or_default(),
                watched: watched.collect(),
            }
        };
        let filled = (0..self.days.len()).filter(|day| self.rows_of[*day] > 0);
        filled
            .map(|day| (self.cells.day_at(day), of_day(day)))
            .collect()
    }

    /// Without one of the two columns, its rows may be of any of its values.
    fn widen(&mut self, has_property: bool, has_date: bool) {
        if has_property && has_date {
            return;
        }
        for property in 0..self.properties.len() {
            for day in 0..self.days.len() {
                if (!has_property || self.properties[property]) && (!has_date || self.days[day]) {
                    self.cells.set_at(property, day);
                }
            }
        }
    }
}

impl Watch {
    fn note(&mut self, datum: &Datum, bucket: usize, present: &mut bool) {
        let seen = &mut self.seen[bucket];
        *present |= *datum != Datum::Absent;
        if datum.is_null() {
            seen.nulls += 1;
            return;
        }
        let Some((low, high)) = self.range else {
            return;
        };
        let Some(number) = datum.as_number().filter(|number| !number.is_nan()) else {
            seen.unreadable += 1;
            return;
        };
        seen.min = Some(seen.min.map_or(number, |min| min.min(number)));
        seen.max = Some(seen.max.map_or(number, |max| max.max(number)));
        if number < low || number > high {
            seen.outside += 1;
        }
    }
}
