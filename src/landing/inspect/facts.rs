//! What inspection found, in the form that is kept beside a fetched part.

use super::Terms;
use crate::landing::disk::Disk;
use crate::landing::manifest::Column;
use crate::run::{CellSpan, Fault};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Rows of something nobody asked for; the first twenty of them by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::landing) struct Foreign {
    pub rows: u64,
    pub first: Vec<String>,
}

impl Foreign {
    pub fn note(&mut self, name: impl FnOnce() -> String) {
        self.rows += 1;
        if self.first.len() < 20 {
            let name = name();
            if !self.first.contains(&name) {
                self.first.push(name);
            }
        }
    }

    pub fn add(&mut self, other: &Foreign) {
        self.rows += other.rows;
        for name in &other.first {
            if self.first.len() < 20 && !self.first.contains(name) {
                self.first.push(name.clone());
            }
        }
    }
}

/// How often a checked column held nothing, and what numbers it held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::landing) struct Watched {
    pub present: bool,
    pub nulls: u64,
    /// Values that are no numbers; counted for `range` only.
    pub unreadable: u64,
    pub outside: u64,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl Watched {
    /// Counts the same column of other rows as well.
    pub fn add(&mut self, other: &Watched) {
        let joined = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        self.present |= other.present;
        self.nulls += other.nulls;
        self.unreadable += other.unreadable;
        self.outside += other.outside;
        self.min = joined(self.min, other.min, f64::min);
        self.max = joined(self.max, other.max, f64::max);
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::landing) struct Unique {
    /// Rows whose key is among those of an earlier row of the same partition.
    pub duplicates: u64,
    pub first: Vec<String>,
    /// Key columns that the file does not have.
    pub absent: Vec<String>,
}

/// The rows of one day of a part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::landing) struct DayFacts {
    pub rows: u64,
    pub duplicates: u64,
    pub foreign_properties: Foreign,
    pub watched: BTreeMap<String, Watched>,
}

/// A cache: if it is lost, the raw file is read again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::landing) struct Facts {
    pub rows: u64,
    pub columns: Vec<Column>,
    pub has_property: bool,
    pub has_date: bool,
    /// Cells with rows; without one of the columns, all that its values could have been.
    pub cells: Vec<CellSpan>,
    pub foreign_properties: Foreign,
    pub foreign_days: Foreign,
    /// Rows whose property cannot be read as one.
    pub unkeyed: u64,
    /// Rows whose day cannot be read as one.
    pub undated: u64,
    pub watched: BTreeMap<String, Watched>,
    pub unique: Option<Unique>,
    /// Days of the window that have rows, if the file says which row is of which day.
    pub days: BTreeMap<NaiveDate, DayFacts>,
    /// Columns of a Parquet file whose every value is null, as far as its footer tells.
    pub blank: Vec<String>,
    /// Oddities that change nothing: a byte order mark, no newline at the end.
    pub remarks: Vec<String>,
}

/// Facts with what they are facts of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::landing) struct Kept {
    version: u32,
    /// The job that delivered the file.
    pub job_id: String,
    pub sha256: String,
    pub bytes: u64,
    pub terms: Terms,
    pub facts: Facts,
}

const VERSION: u32 = 2;

impl Kept {
    pub fn new(job_id: &str, sha256: &str, bytes: u64, terms: &Terms, facts: Facts) -> Kept {
        Kept {
            version: VERSION,
            job_id: job_id.to_owned(),
            sha256: sha256.to_owned(),
            bytes,
            terms: terms.clone(),
            facts,
        }
    }

    pub fn save(&self, disk: &Disk, path: &Path) -> Result<(), Fault> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        disk.replace(&path.with_extension("facts.new"), path, &text)
    }

    /// `None` if there is none that this version can read.
    pub fn load(path: &Path) -> Option<Kept> {
        let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (kept.version == VERSION).then_some(kept)
    }
}

impl Facts {
    /// Whether every row has a day within the window it was asked for.
    pub fn dated(&self) -> bool {
        self.has_date && self.undated == 0 && self.foreign_days.rows == 0
    }
}
