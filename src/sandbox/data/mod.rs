//! The content of a job's file: made from seed, property and day, so that the same order gives the same bytes.

mod catalogue;
mod floorplans;
mod property;
mod sink;
mod units;

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::NaiveDate;

pub use catalogue::Property;
use sink::Sink;

/// What a job reports on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    Floorplans,
    Property,
    Units,
}

/// The form of a job's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Jsonl,
    Parquet,
}

impl Report {
    pub fn name(self) -> &'static str {
        match self {
            Report::Floorplans => "floorplans",
            Report::Property => "property",
            Report::Units => "units",
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Report::Floorplans => floorplans::COLUMNS,
            Report::Property => property::COLUMNS,
            Report::Units => units::COLUMNS,
        }
    }
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv",
            Format::Jsonl => "application/x-ndjson",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Another format, for a service that delivers the wrong one.
    pub fn other(self) -> Format {
        match self {
            Format::Csv => Format::Jsonl,
            Format::Jsonl | Format::Parquet => Format::Csv,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    /// With so many digits after the point.
    Float(usize),
    Text,
    Date,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    name: &'static str,
    kind: Kind,
    nullable: bool,
}

const fn key(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: false,
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: true,
    }
}

#[derive(Debug, Clone)]
enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(Cow<'static, str>),
    Date(NaiveDate),
}

impl Value {
    fn text(text: impl Into<Cow<'static, str>>) -> Value {
        Value::Text(text.into())
    }
}

/// Rounds to so many digits after the point.
fn rounded(value: f64, digits: i32) -> Value {
    let scale = 10f64.powi(digits);
    Value::Float((value * scale).round() / scale)
}

/// Everything a file's bytes follow from.
#[derive(Debug, Clone)]
pub struct Content {
    pub seed: u64,
    pub report: Report,
    pub format: Format,
    pub property_ids: Vec<i64>,
    pub from: NaiveDate,
    /// Inclusive.
    pub to: NaiveDate,
    /// Rows of the units report for each property and day.
    pub units_per_day: u32,
    /// How often the figures have been restated; another number gives other bytes.
    pub restated: u64,
}

impl Content {
    /// Writes the file, one row at a time.
    ///
    /// # Errors
    /// Only what `out` reports.
    pub fn write<W: Write + Send>(&self, out: W) -> io::Result<()> {
        let mut sink = Sink::new(self.format, self.report.columns(), out)?;
        for &id in &self.property_ids {
            let property = Property::new(self.seed, id);
            let mut day = self.from;
            while day <= self.to {
                self.write_day(&property, day, &mut sink)?;
                let Some(next) = day.succ_opt() else { break };
                day = next;
            }
        }
        sink.finish()
    }

    fn write_day<W: Write + Send>(
        &self,
        property: &Property,
        day: NaiveDate,
        sink: &mut Sink<W>,
    ) -> io::Result<()> {
        match self.report {
            Report::Property => sink.row(property::row(self, property, day)),
            Report::Floorplans => (0..property.floorplans)
                .try_for_each(|n| sink.row(floorplans::row(self, property, day, n))),
            Report::Units => (0..self.units_per_day)
                .try_for_each(|n| sink.row(units::row(self, property, day, n))),
        }
    }
}

#[cfg(test)]
mod tests;
