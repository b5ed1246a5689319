//! What manifests still say of a schedule whose state is lost.

use super::{CellSpan, Check, PublishedFile, RunId};
use crate::schedule::{Format, Name, Report, Window};
use chrono::{DateTime, NaiveDate, Utc};

/// All that one schedule's manifests say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Remains {
    pub schedule: Name,
    /// Cells whose rows are in a file that is there.
    pub landed: Vec<CellSpan>,
    /// Cells that were delivered with zero rows.
    pub empty: Vec<CellSpan>,
    /// Cells that were asked for and are in no file.
    pub missing: Vec<CellSpan>,
    /// The columns of the newest file, if there is one.
    pub columns: Vec<String>,
    /// The runs that last changed a partition, by id.
    pub runs: Vec<RunRemains>,
}

/// What is left of one run: the partitions that no later run has replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRemains {
    pub id: RunId,
    pub window: Window,
    pub report: Report,
    pub format: Format,
    pub landed_at: DateTime<Utc>,
    pub files: Vec<PublishedFile>,
    pub checks: Vec<Check>,
    /// Sorted.
    pub properties: Vec<i64>,
    pub jobs: Vec<JobRemains>,
    /// Cells of its partitions that are landed, and that are not.
    pub present: u64,
    pub absent: u64,
    /// The newest day with data.
    pub through: Option<NaiveDate>,
}

/// A job whose rows are in one of the run's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRemains {
    pub job_id: String,
    /// Sorted.
    pub property_ids: Vec<i64>,
    pub window: Window,
}
