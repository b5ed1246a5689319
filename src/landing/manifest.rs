//! What is known of a published partition, beside it on disk and never inside `data/`.

use super::cells::Cells;
use super::partition::intersection;
use super::{Delivered, layout};
use crate::run::{CellSpan, Check, Fault, FaultClass, RunId};
use crate::schedule::{Format, Name, Report, Window};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

pub(super) const SCHEMA: &str = "aptiqd.manifest/1";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// The file under `data/`; without rows there is none, and path and hash are null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub path: Option<String>,
    pub bytes: u64,
    pub sha256: Option<String>,
    pub rows: u64,
}

/// A job whose rows are in the file, or that delivered none for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEntry {
    pub job_id: String,
    /// How many.
    pub properties: usize,
    pub property_ids: Vec<i64>,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub bytes: u64,
    pub sha256: String,
    /// When its result was there; unknown in manifests of early versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<DateTime<Utc>>,
    /// Cells of this partition that it was to deliver and whose rows are not its own: it had none
    /// for them, or another job's are in the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<CellSpan>,
}

impl JobEntry {
    pub(super) fn of(part: &Delivered) -> JobEntry {
        JobEntry {
            job_id: part.job_id.clone(),
            properties: part.properties.len(),
            property_ids: part.properties.clone(),
            from: part.window.from,
            to: part.window.to,
            bytes: part.artifact.bytes,
            sha256: part.artifact.sha256.clone(),
            delivered_at: Some(part.delivered_at),
            absent: Vec::new(),
        }
    }

    pub(super) fn is_of(&self, part: &Delivered) -> bool {
        self.job_id == part.job_id && self.sha256 == part.artifact.sha256
    }

    /// The cells of a partition whose rows are this job's.
    pub(super) fn holds(&self, partition: &Cells) -> Cells {
        let mut holds = Cells::none(partition.properties(), partition.window());
        if let Some(window) = intersection(self.window(), partition.window()) {
            holds.set_rectangle(&self.property_ids, window);
        }
        self.absent.iter().for_each(|span| holds.clear_span(*span));
        holds
    }

    /// The same job, of whose rows only those of `held` are in the file.
    pub(super) fn holding(&self, held: &Cells) -> JobEntry {
        let mut asked = Cells::none(held.properties(), held.window());
        if let Some(window) = intersection(self.window(), held.window()) {
            asked.set_rectangle(&self.property_ids, window);
        }
        asked.clear(held);
        JobEntry {
            absent: asked.spans(),
            ..self.clone()
        }
    }

    pub(super) fn window(&self) -> Window {
        Window {
            from: self.from,
            to: self.to,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertySummary {
    pub requested: usize,
    pub present: usize,
    pub missing: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateSummary {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub missing: Vec<NaiveDate>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: String,
    pub schedule: Name,
    /// The run that last changed it.
    pub run: RunId,
    pub generation: u64,
    /// That run's window.
    pub window: Window,
    pub report: Report,
    pub format: Format,
    pub file: FileEntry,
    pub jobs: Vec<JobEntry>,
    pub properties: PropertySummary,
    pub dates: DateSummary,
    pub columns: Vec<Column>,
    pub checks: Vec<Check>,
    pub landed_at: DateTime<Utc>,
    /// Cells asked for that are not in the file.
    #[serde(default)]
    pub gaps: Vec<CellSpan>,
    /// Those of `gaps` that were delivered with zero rows.
    #[serde(default)]
    pub empty: Vec<CellSpan>,
}

impl Manifest {
    /// The manifest of a partition; `None` if it was never published.
    ///
    /// # Errors
    /// `Disk` if it cannot be read, `Content` if it is no manifest.
    pub(super) fn load(root: &Path, schedule: &Name, key: &str) -> Result<Option<Manifest>, Fault> {
        let path = layout::manifest(root, schedule, key);
        let unreadable = |class, reason: String| {
            Fault::new(
                class,
                format!("the manifest {} cannot be read: {reason}", path.display()),
            )
        };
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| unreadable(FaultClass::Content, error.to_string())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(FaultClass::Disk, error.to_string())),
        }
    }

    /// As [`Manifest::load`]; one that is there and is none counts as lost, since it will never become readable.
    pub(super) fn load_unless_broken(
        root: &Path,
        schedule: &Name,
        key: &str,
    ) -> Result<Option<Manifest>, Fault> {
        let loaded = Manifest::load(root, schedule, key);
        loaded.or_else(|fault| match fault.class {
            FaultClass::Content => Ok(None),
            _ => Err(fault),
        })
    }

    pub(super) fn to_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Whether it was put together from what earlier runs delivered, for want of the one on disk.
    pub(super) fn is_lost(&self) -> bool {
        self.file.rows > 0 && self.file.sha256.is_none()
    }

    /// Whether two manifests say the same, apart from when.
    pub(super) fn says_the_same(&self, other: &Manifest) -> bool {
        let mut other = other.clone();
        other.landed_at = self.landed_at;
        *self == other
    }

    /// Every property that was ever asked for, sorted.
    pub(super) fn asked_properties(&self) -> Vec<i64> {
        let jobs = self
            .jobs
            .iter()
            .flat_map(|job| job.property_ids.iter().copied());
        let gaps = self.gaps.iter().map(|span| span.property);
        let mut all: Vec<i64> = jobs.chain(gaps).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The cells whose rows in the file were delivered after `moment`. What claims to come from
    /// after `now` was stamped by a clock that was wrong, and proves nothing.
    pub(super) fn delivered_after(
        &self,
        moment: DateTime<Utc>,
        now: DateTime<Utc>,
        but: &str,
        cells: &Cells,
    ) -> Cells {
        let mut landed = Cells::none(cells.properties(), cells.window());
        self.mark_landed(&mut landed);
        let mut newer = Cells::none(cells.properties(), cells.window());
        for job in self.jobs.iter().filter(|job| job.job_id != but) {
            let at = job.delivered_at.unwrap_or(self.landed_at);
            if at > moment && at <= now {
                newer.set(&job.holds(&landed));
            }
        }
        newer.keep(&landed);
        newer
    }

    /// Sets every cell that was asked for.
    pub(super) fn mark_asked(&self, cells: &mut Cells) {
        for job in &self.jobs {
            if let Some(window) = intersection(job.window(), cells.window()) {
                cells.set_rectangle(&job.property_ids, window);
            }
        }
        for gap in &self.gaps {
            cells.set_span(*gap);
        }
    }

    /// Sets every cell whose rows are in the file.
    pub(super) fn mark_landed(&self, cells: &mut Cells) {
        self.mark_asked(cells);
        for gap in &self.gaps {
            cells.clear_span(*gap);
        }
    }
}
