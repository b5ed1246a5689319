//! What was downloaded and what was published.

use crate::schedule::Window;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// A part's downloaded file, proven: whole, of the right format, hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub bytes: u64,
    /// Lowercase hex.
    pub sha256: String,
    pub rows: u64,
    /// Below the landing folder: `raw/SCHEDULE/RUN/part-0001.parquet`.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    Pass,
    Warn,
    Fail,
}

/// One check with what was seen and what was wanted, also when it passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub status: CheckStatus,
    pub observed: serde_json::Value,
    pub expected: serde_json::Value,
}

/// A file under `data/`, as it is after the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFile {
    /// Below the landing folder.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    pub rows: u64,
    /// How often the partition has been replaced; 1 for the first.
    pub generation: u64,
}

/// Days of one property, inclusive, that share a fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CellSpan {
    pub property: i64,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl CellSpan {
    pub fn window(self) -> Window {
        Window {
            from: self.from,
            to: self.to,
        }
    }
}

/// How complete the published files are, cell by cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Landed,
    Incomplete,
    /// A failed check with `on_fail = "quarantine"`: nothing was published.
    Quarantined,
}

/// What a publish did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    pub verdict: Verdict,
    /// Why it is not `landed`, for people.
    pub reason: Option<String>,
    pub files: Vec<PublishedFile>,
    pub rows: u64,
    pub bytes: u64,
    pub checks: Vec<Check>,
    /// Whether the delivered rows name their day; `None` without rows, or where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names_days: Option<bool>,
    /// Cells found in the files (or, without the columns, asked for and delivered with rows).
    pub landed: Vec<CellSpan>,
    /// Cells of parts that were delivered with zero rows.
    pub empty: Vec<CellSpan>,
    /// Cells asked for that are in no file.
    pub missing: Vec<CellSpan>,
    /// Cells, whoever asked for them, whose rows were in a file and are no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<CellSpan>,
    /// Events that follow from it, each an object with at least `event`: rows restated, columns
    /// changed, files kept aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<serde_json::Value>,
}
