//! What inspection found, in the form that is kept beside a fetched part.

use super::Terms;
use crate::landing::disk::{Disk, disk_fault};
use crate::landing::manifest::Column;
use crate::run::{CellSpan, Fault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Most keys that are compared for uniqueness; with its table, about 20 MiB.
pub(in crate::landing) const KEYS_MAX: usize = 1_800_000;

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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::landing) struct Unique {
    /// Rows compared; beyond `KEYS_MAX` keys no more are.
    pub checked: u64,
    pub duplicates: u64,
    pub first: Vec<String>,
    /// Key columns that the file does not have.
    pub absent: Vec<String>,
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

const VERSION: u32 = 1;

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

/// Keeps the hashes of a part's unique keys beside its facts.
pub(in crate::landing) fn write_keys(path: &Path, keys: &[u64]) -> Result<(), Fault> {
    let bytes: Vec<u8> = keys.iter().flat_map(|key| key.to_le_bytes()).collect();
    fs::write(path, bytes).map_err(|error| disk_fault("write", path, &error))
}

pub(in crate::landing) fn read_keys(path: &Path) -> Option<Vec<u64>> {
    let bytes = fs::read(path).ok()?;
    let (keys, rest) = bytes.as_chunks::<8>();
    rest.is_empty()
        .then(|| keys.iter().map(|key| u64::from_le_bytes(*key)).collect())
}
