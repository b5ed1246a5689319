//! Watches whether the keys that must be unique are.

use super::Terms;
use super::datum::Datum;
use super::facts::Unique;
use super::keys::{Collector, NO_DAY, Sorted};
use super::tally::Slots;
use crate::landing::partition::ordinal;
use crate::run::Fault;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

pub(super) struct Keys {
    slots: Vec<usize>,
    known: Collector,
    seen: Unique,
    /// By day, and one more for rows of no day of the window.
    duplicates: Vec<u64>,
    /// The partition of each day: keys are unique within one file.
    partitions: Vec<i32>,
}

impl Keys {
    pub fn new(terms: &Terms, slots: &Slots, scratch: &Path) -> Keys {
        let unique = terms.checks.unique.iter();
        let days = terms.window.days();
        let partitions = days.map(|day| ordinal(terms.partition, day));
        let duplicates = vec![0; terms.window.len() as usize + 1];
        Keys {
            slots: unique.map(|name| slots.slot(name)).collect(),
            known: Collector::new(scratch),
            seen: Unique::default(),
            duplicates,
            partitions: partitions.collect(),
        }
    }

    pub fn note<'d>(
        &mut self,
        at: &impl Fn(usize) -> Datum<'d>,
        bucket: usize,
        present: &mut [bool],
    ) {
        let mut hasher = DefaultHasher::new();
        self.partitions.get(bucket).hash(&mut hasher);
        for &slot in &self.slots {
            let datum = at(slot);
            present[slot] |= datum != Datum::Absent;
            datum.hash(&mut hasher);
        }
        let day = match self.partitions.get(bucket) {
            Some(_) => u16::try_from(bucket).unwrap_or(NO_DAY),
            None => NO_DAY,
        };
        if !self.known.insert(hasher.finish(), day) {
            self.seen.duplicates += 1;
            self.duplicates[bucket] += 1;
            if self.seen.first.len() < 5 {
                let key: Vec<String> = self.slots.iter().map(|slot| at(*slot).shown()).collect();
                self.seen.first.push(key.join(", "));
            }
        }
    }

    pub fn finish(
        mut self,
        slots: &Slots,
        present: &[bool],
    ) -> Result<(Unique, Vec<u64>, Sorted), Fault> {
        let absent = self.slots.iter().filter(|slot| !present[**slot]);
        self.seen.absent = absent.map(|slot| slots.names()[*slot].clone()).collect();
        let (seen, duplicates) = (&mut self.seen, &mut self.duplicates);
        let last = duplicates.len() - 1;
        let sorted = self.known.sort(|day| {
            seen.duplicates += 1;
            duplicates[usize::from(day).min(last)] += 1;
        })?;
        Ok((self.seen, self.duplicates, sorted))
    }
}
