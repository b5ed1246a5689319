//! What one list of checks is about: all that a run delivered, or what of it is in one file.

use super::Evidence;
use crate::landing::PublishOrder;
use crate::landing::cells::Cells;
use crate::landing::compose::{Found, Target};
use crate::landing::disk::disk_fault;
use crate::landing::inspect::{Foreign, KeyReader, NO_DAY, Watched, merge_keys};
use crate::landing::layout;
use crate::landing::manifest::Manifest;
use crate::landing::merge::Merged;
use crate::landing::partition::intersection;
use crate::run::{Fault, PartNumber};
use crate::schedule::Window;
use chrono::{Days, NaiveDate};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// So many earlier partitions make a median.
const HISTORY: usize = 28;

/// A part, as far as it is looked at.
pub(super) struct Seen<'a> {
    pub part: &'a Found<'a>,
    /// All of it, or only its rows of some days.
    pub whole: bool,
    pub rows: u64,
    pub duplicates: u64,
    pub watched: BTreeMap<String, Watched>,
    pub foreign_properties: Foreign,
}

impl<'a> Seen<'a> {
    fn whole(part: &'a Found<'a>) -> Seen<'a> {
        let facts = &part.facts;
        Seen {
            part,
            whole: true,
            rows: facts.rows,
            duplicates: facts.unique.as_ref().map_or(0, |unique| unique.duplicates),
            watched: facts.watched.clone(),
            foreign_properties: facts.foreign_properties.clone(),
        }
    }

    fn within(part: &'a Found<'a>, window: Window) -> Seen<'a> {
        if intersection(part.part.window, window) == Some(part.part.window) {
            return Seen::whole(part);
        }
        let mut seen = Seen {
            part,
            whole: false,
            rows: 0,
            duplicates: 0,
            watched: BTreeMap::new(),
            foreign_properties: Foreign::default(),
        };
        for (_, day) in part.facts.days.range(window.from..=window.to) {
            seen.rows += day.rows;
            seen.duplicates += day.duplicates;
            seen.foreign_properties.add(&day.foreign_properties);
            for (name, column) in &day.watched {
                seen.watched.entry(name.clone()).or_default().add(column);
            }
        }
        seen
    }
}

pub(super) struct Scope<'a> {
    pub order: &'a PublishOrder,
    /// Cells that were asked for, and those of them that are there.
    pub asked: Cells,
    pub landed: Cells,
    pub parts: Vec<Seen<'a>>,
    /// Each file with its rows; 0 if it has none.
    pub files: Vec<(&'a str, u64)>,
    /// Rows whose key is also in another part.
    pub repeated: u64,
}

impl<'a> Scope<'a> {
    pub fn of_run(evidence: &Evidence<'a>, repeats: &Repeats) -> Scope<'a> {
        let order = evidence.order;
        let mut asked = Cells::none(&order.properties, order.window);
        asked.set_rectangle(&order.properties, order.window);
        let rows = |file: &Option<Merged>| file.as_ref().map_or(0, |file| file.rows);
        let targets = evidence.composition.targets.iter();
        let files = targets
            .zip(evidence.files)
            .map(|(target, file)| (target.slice.key.as_str(), rows(file)));
        Scope {
            order,
            asked,
            landed: evidence.delivered.clone(),
            parts: evidence.found.iter().map(Seen::whole).collect(),
            files: files.collect(),
            repeated: repeats.total,
        }
    }

    pub fn of_file(
        evidence: &Evidence<'a>,
        target: &'a Target,
        file: Option<&Merged>,
        repeats: &Repeats,
    ) -> Scope<'a> {
        let (asked, landed) = target.cells(evidence.order);
        let window = target.slice.window;
        let near = evidence.found.iter();
        let near = near.filter(|part| part.part.window.overlaps(window));
        Scope {
            order: evidence.order,
            asked,
            landed,
            parts: near.map(|part| Seen::within(part, window)).collect(),
            files: vec![(&target.slice.key, file.map_or(0, |file| file.rows))],
            repeated: repeats.within(window),
        }
    }

    /// Rows that the run delivered.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    pub fn with_rows(&self) -> impl Iterator<Item = &Seen<'a>> {
        self.parts.iter().filter(|part| part.part.facts.rows > 0)
    }

    /// A watched column over all parts; `None` if none of them was asked about it.
    pub fn watched(&self, name: &str) -> Option<Watched> {
        let mut columns = self.with_rows().filter_map(|part| part.watched.get(name));
        let mut sum = columns.next()?.clone();
        columns.for_each(|column| sum.add(column));
        Some(sum)
    }
}

/// Rows whose unique key is in an earlier part too.
#[derive(Default)]
pub(super) struct Repeats {
    total: u64,
    by_day: BTreeMap<NaiveDate, u64>,
}

impl Repeats {
    /// Compares the keys of all parts that have rows, in flat memory.
    pub fn find(
        order: &PublishOrder,
        found: &[Found],
        path: impl Fn(PartNumber) -> PathBuf,
    ) -> Result<Repeats, Fault> {
        let mut repeats = Repeats::default();
        let parts: Vec<&Found> = found.iter().filter(|part| part.facts.rows > 0).collect();
        if parts.len() < 2 {
            return Ok(repeats);
        }
        let mut readers = Vec::with_capacity(parts.len());
        for part in &parts {
            let path = path(part.part.number);
            let reader = KeyReader::open(&path);
            readers.push(reader.map_err(|error| disk_fault("read", &path, &error))?);
        }
        let merged = merge_keys(readers, |(_, day), at, again| {
            if again {
                repeats.note(parts[at], day);
            }
            Ok(())
        });
        let folder = layout::staging(Path::new(""), &order.run);
        merged.map_err(|error| disk_fault("read the keys of", &folder, &error))?;
        Ok(repeats)
    }

    fn note(&mut self, part: &Found, day: u16) {
        self.total += 1;
        let first = part.part.window.from;
        let day = match day {
            NO_DAY => None,
            day => first.checked_add_days(Days::new(u64::from(day))),
        };
        *self.by_day.entry(day.unwrap_or(first)).or_default() += 1;
    }

    fn within(&self, window: Window) -> u64 {
        self.by_day
            .range(window.from..=window.to)
            .map(|(_, count)| count)
            .sum()
    }
}

/// Rows of the newest earlier files of the schedule, in order of size.
#[derive(Default)]
pub(super) struct History(pub Vec<u64>);

impl History {
    pub fn read(root: &Path, order: &PublishOrder, except: &HashSet<&str>) -> History {
        let mut keys = layout::keys(root, &order.schedule).unwrap_or_default();
        keys.retain(|key| !except.contains(key.as_str()));
        let newest = keys.iter().rev().take(HISTORY);
        let mut rows: Vec<u64> = newest
            .filter_map(|key| Manifest::load(root, &order.schedule, key).ok().flatten())
            .map(|manifest| manifest.file.rows)
            .filter(|rows| *rows > 0)
            .collect();
        rows.sort_unstable();
        History(rows)
    }

    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn median(&self) -> Option<f64> {
        let rows = &self.0;
        let middle = rows.len() / 2;
        match rows.len() {
            0 => None,
            even if even.is_multiple_of(2) => Some((rows[middle - 1] + rows[middle]) as f64 / 2.0),
            _ => Some(rows[middle] as f64),
        }
    }
}
