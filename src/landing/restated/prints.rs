//! A print of the rows of each cell: their number, and a sum over their hashes that no order changes.

use super::parquet;
use crate::landing::PublishOrder;
use crate::landing::compose;
use crate::landing::inspect::{Datum, Header, RecordReader, Slots, Slotted, day_of_number};
use crate::run::Fault;
use crate::schedule::Format;
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// Cells compared; beyond that a report would say too little for its cost.
const CELLS_MAX: usize = 500_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub property: Option<i64>,
    pub day: Option<NaiveDate>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Print {
    pub rows: u64,
    sum: u64,
}

pub(super) type Prints = BTreeMap<Cell, Print>;

/// Collects prints as rows pass.
pub(super) struct Collecting {
    /// The day of all rows, where the partition is one.
    day: Option<NaiveDate>,
    prints: Prints,
    pub overflowed: bool,
}

impl Collecting {
    pub fn note(&mut self, property: &Datum, day: &Datum, hash: u64) {
        let cell = Cell {
            property: property.as_property(),
            day: self.day.or_else(|| day.as_day().and_then(day_of_number)),
        };
        if self.prints.len() >= CELLS_MAX && !self.prints.contains_key(&cell) {
            self.overflowed = true;
            return;
        }
        let print = self.prints.entry(cell).or_default();
        print.rows += 1;
        print.sum = print.sum.wrapping_add(hash);
    }
}

/// The prints of a file's cells; `None` if they are too many.
pub(super) fn prints(
    path: &Path,
    order: &PublishOrder,
    day: Option<NaiveDate>,
) -> Result<Option<Prints>, Fault> {
    let slots = compose::slots(order);
    let mut collecting = Collecting {
        day,
        prints: Prints::new(),
        overflowed: false,
    };
    match order.format {
        Format::Csv => of_csv(path, &slots, &mut collecting)?,
        Format::Jsonl => of_jsonl(path, &slots, &mut collecting)?,
        Format::Parquet => parquet::prints(path, &slots, &mut collecting)?,
    }
    Ok((!collecting.overflowed).then_some(collecting.prints))
}

fn of_csv(path: &Path, slots: &Slots, collecting: &mut Collecting) -> Result<(), Fault> {
    let mut reader = RecordReader::open(path)?;
    let Some((record, fields)) = reader.next_record()? else {
        return Ok(());
    };
    let header = Header::read(record, fields, slots)?;
    while let Some((record, fields)) = reader.next_record()? {
        let property = header.datum(Slots::PROPERTY, record, fields);
        let day = header.datum(Slots::DATE, record, fields);
        collecting.note(&property, &day, hash_of(record.trim_ascii_end()));
    }
    Ok(())
}

fn of_jsonl(path: &Path, slots: &Slots, collecting: &mut Collecting) -> Result<(), Fault> {
    let mut reader = RecordReader::open(path)?;
    let mut slotted = Slotted::new(slots.clone());
    while let Some(line) = reader.next_line()? {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let hash = hash_of(line);
        let values = slotted.read(line)?;
        collecting.note(&values[Slots::PROPERTY], &values[Slots::DATE], hash);
    }
    Ok(())
}

pub(super) fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
