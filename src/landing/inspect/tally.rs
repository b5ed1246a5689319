//! Counts rows as they pass: whose, of which day, and what the checks want to know.

use super::Terms;
use super::datum::{Datum, day_number, day_of_number, parse_day};
use super::facts::{Facts, Foreign, KEYS_MAX, Unique, Watched};
use crate::landing::cells::Cells;
use crate::landing::manifest::Column;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

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

    fn slot(&self, name: &str) -> usize {
        // Checked columns have slots of their own, after the two that may share their name.
        self.0[2..]
            .iter()
            .position(|known| known == name)
            .map_or(0, |at| at + 2)
    }
}

/// Hashes are already mixed.
#[derive(Default)]
struct Unmixed(u64);

impl Hasher for Unmixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

struct Watch {
    slot: usize,
    name: String,
    range: Option<(f64, f64)>,
    seen: Watched,
}

struct Keys {
    slots: Vec<usize>,
    known: HashSet<u64, BuildHasherDefault<Unmixed>>,
    seen: Unique,
}

pub(super) struct Tally {
    pub slots: Slots,
    present: Vec<bool>,
    rows: u64,
    cells: Cells,
    properties: Vec<bool>,
    days: Vec<bool>,
    first_day: i32,
    foreign_properties: Foreign,
    foreign_days: Foreign,
    unkeyed: u64,
    undated: u64,
    last_property: Option<(i64, Option<usize>)>,
    last_day: ([u8; 10], i32),
    watches: Vec<Watch>,
    keys: Option<Keys>,
    pub remarks: Vec<String>,
}

impl Tally {
    pub fn new(terms: &Terms) -> Tally {
        let slots = Slots::all(terms);
        let cells = Cells::none(&terms.properties, terms.window);
        let checks = &terms.checks;
        let mut watched: Vec<&String> = checks
            .max_null_rate
            .keys()
            .chain(checks.range.keys())
            .collect();
        watched.sort();
        watched.dedup();
        let watches = watched.into_iter().map(|name| Watch {
            slot: slots.slot(name),
            name: name.clone(),
            range: checks.range.get(name).copied(),
            seen: Watched::default(),
        });
        let keys = (!checks.unique.is_empty()).then(|| Keys {
            slots: checks.unique.iter().map(|name| slots.slot(name)).collect(),
            known: HashSet::default(),
            seen: Unique::default(),
        });
        Tally {
            present: vec![false; slots.len()],
            rows: 0,
            properties: vec![false; terms.properties.len()],
            days: vec![false; terms.window.len() as usize],
            first_day: day_number(terms.window.from),
            foreign_properties: Foreign::default(),
            foreign_days: Foreign::default(),
            unkeyed: 0,
            undated: 0,
            last_property: None,
            last_day: ([0; 10], 0),
            watches: watches.collect(),
            keys,
            remarks: Vec::new(),
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
        let property = self.property_index(&at(Slots::PROPERTY));
        let day = self.day_index(&at(Slots::DATE));
        if let Some(property) = property {
            self.properties[property] = true;
        }
        if let Some(day) = day {
            self.days[day] = true;
        }
        if let (Some(property), Some(day)) = (property, day) {
            self.cells.set_at(property, day);
        }
        for watch in &mut self.watches {
            watch.note(&at(watch.slot), &mut self.present[watch.slot]);
        }
        if let Some(keys) = &mut self.keys {
            keys.note(&at, &mut self.present);
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
        let Some(day) = self.day(datum) else {
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

    /// Days repeat from row to row; the same ten bytes are not parsed again.
    fn day(&mut self, datum: &Datum) -> Option<i32> {
        let Datum::Text(text) = datum else {
            return datum.as_day();
        };
        match text.first_chunk::<10>() {
            Some(head) if text.len() == 10 && *head == self.last_day.0 => Some(self.last_day.1),
            Some(head) => {
                let day = parse_day(text)?;
                if text.len() == 10 {
                    self.last_day = (*head, day);
                }
                Some(day)
            }
            None => None,
        }
    }

    /// The facts, and the hashes of the unique keys.
    pub fn finish(mut self, columns: Vec<Column>) -> (Facts, Vec<u64>) {
        let has_property = self.present[Slots::PROPERTY];
        let has_date = self.present[Slots::DATE];
        if self.rows > 0 {
            self.widen(has_property, has_date);
        }
        let present = &self.present;
        let watched: BTreeMap<String, Watched> = self
            .watches
            .into_iter()
            .map(|watch| {
                let present = present[watch.slot];
                (
                    watch.name,
                    Watched {
                        present,
                        ..watch.seen
                    },
                )
            })
            .collect();
        let names = self.slots.names();
        let (unique, keys) = match self.keys {
            None => (None, Vec::new()),
            Some(mut keys) => {
                let absent = keys.slots.iter().filter(|slot| !present[**slot]);
                keys.seen.absent = absent.map(|slot| names[*slot].clone()).collect();
                (Some(keys.seen), keys.known.into_iter().collect())
            }
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
            remarks: self.remarks,
        };
        (facts, keys)
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
    fn note(&mut self, datum: &Datum, present: &mut bool) {
        *present |= *datum != Datum::Absent;
        if datum.is_null() {
            self.seen.nulls += 1;
            return;
        }
        let Some((low, high)) = self.range else {
            return;
        };
        let Some(number) = datum.as_number().filter(|number| !number.is_nan()) else {
            self.seen.unreadable += 1;
            return;
        };
        self.seen.min = Some(self.seen.min.map_or(number, |min| min.min(number)));
        self.seen.max = Some(self.seen.max.map_or(number, |max| max.max(number)));
        if number < low || number > high {
            self.seen.outside += 1;
        }
    }
}

impl Keys {
    fn note<'d>(&mut self, at: &impl Fn(usize) -> Datum<'d>, present: &mut [bool]) {
        if self.known.len() >= KEYS_MAX {
            return;
        }
        let mut hasher = DefaultHasher::new();
        for &slot in &self.slots {
            let datum = at(slot);
            present[slot] |= datum != Datum::Absent;
            datum.hash(&mut hasher);
        }
        self.seen.checked += 1;
        if !self.known.insert(hasher.finish()) {
            self.seen.duplicates += 1;
            if self.seen.first.len() < 5 {
                let key: Vec<String> = self.slots.iter().map(|slot| at(*slot).shown()).collect();
                self.seen.first.push(key.join(", "));
            }
        }
    }
}
