//! One window of one schedule to be exported and landed.

use super::{CellSpan, Check, Fault, Part, PartNumber, PublishedFile, RunId};
use crate::schedule::{
    Accounts, Checks, Chunk, Columns, Format, Name, Partition, Report, Retry, Window,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why a run came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Cron,
    Manual,
    CatchUp,
    Backfill,
}

impl Trigger {
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Cron => "cron",
            Trigger::CatchUp => "catch_up",
            Trigger::Manual => "manual",
            Trigger::Backfill => "backfill",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for an earlier run of its schedule.
    Queued,
    /// Its properties are being asked of the vendor.
    Resolving,
    /// Its parts are open.
    Running,
    /// Every part is fetched or abandoned; the files are being written.
    Publishing,
    Landed,
    Incomplete,
    Failed,
    Cancelled,
    Skipped,
}

impl RunState {
    /// The word of the contract; the steps of a running run share one.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Resolving | RunState::Running | RunState::Publishing => "running",
            RunState::Landed => "landed",
            RunState::Incomplete => "incomplete",
            RunState::Failed => "failed",
            RunState::Cancelled => "cancelled",
            RunState::Skipped => "skipped",
        }
    }

    pub fn is_terminal(self) -> bool {
        !matches!(
            self,
            RunState::Queued | RunState::Resolving | RunState::Running | RunState::Publishing
        )
    }
}

/// Properties that only the vendor can list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    CompSets { ids: Vec<i64>, subjects_only: bool },
    Accounts(Accounts),
}

/// What the schedule said when the run began; later edits do not touch it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub report: Report,
    pub format: Format,
    pub partition: Partition,
    pub chunk: Chunk,
    pub columns: Columns,
    pub checks: Checks,
    pub retry: Retry,
    pub deadline: Duration,
    /// How long an unanswered create may still turn up.
    pub submit_settle: Duration,
    /// Whom to ask for the properties; `None`: they are known.
    pub source: Option<Source>,
}

/// Property × day cells by their fate, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    pub landed: u64,
    pub empty: u64,
    pub missing: u64,
}

/// A run's place in the backfill that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Batch {
    /// From 1, newest days first: runs start in this order.
    pub number: u32,
    /// Runs of its schedule's backfills that may be active beside it, itself included.
    pub max_active: u32,
    /// Cells that have landed are exported anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            number: 1,
            max_active: 1,
            again: false,
        }
    }
}

/// Files that a failed check keeps out of `data/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quarantine {
    Kept,
    /// Somebody wants them landed as they are.
    Accepted {
        by: String,
    },
}

/// A run with its parts. Parts and properties are stored as records of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub schedule: Name,
    pub trigger: Trigger,
    pub nominal_at: DateTime<Utc>,
    pub window: Window,
    pub state: RunState,
    /// Why it is in this state, or what holds it up.
    pub reason: Option<String>,
    pub terms: Terms,
    /// Hash of the frozen property list, under which it is stored; empty until it is known.
    pub roster: String,
    pub property_count: u32,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// The errand of the run itself (asking for properties, publishing): tries and when again.
    pub tries: u32,
    pub not_before: DateTime<Utc>,
    pub rows: u64,
    pub bytes: u64,
    pub checks: Vec<Check>,
    pub cells: Cells,
    /// Absent cells, at most [`Run::MISSING_MAX`] spans; all of them are in the manifests.
    pub missing: Vec<CellSpan>,
    /// Set once its files were kept out of `data/` because a check failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// For a run of a backfill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// How often its raw files were lost before they could be published.
    #[serde(default, skip_serializing_if = "is_none")]
    pub losses: u32,
    /// It asks for all properties that its schedule had then, so that a file whose rows cannot be told
    /// apart may hold its rows alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// What it published; stored as records of their own.
    #[serde(skip)]
    pub files: Vec<PublishedFile>,
    #[serde(skip)]
    pub parts: BTreeMap<PartNumber, Part>,
    #[serde(skip)]
    pub properties: Arc<Vec<i64>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none(count: &u32) -> bool {
    *count == 0
}

impl Run {
    /// Spans of missing cells kept in the record.
    pub const MISSING_MAX: usize = 200;

    /// When it must have ended; unknown while it waits.
    pub fn deadline_at(&self) -> Option<DateTime<Utc>> {
        let limit = chrono::TimeDelta::from_std(self.terms.deadline).ok()?;
        self.started_at
            .and_then(|start| start.checked_add_signed(limit))
    }

    /// Parts that count: those not replaced by smaller ones.
    pub fn live_parts(&self) -> impl Iterator<Item = &Part> {
        self.parts
            .values()
            .filter(|part| part.state != super::PartState::Superseded)
    }

    /// The first part's fault that says why the run cannot go on, or could not.
    pub fn first_fault(&self) -> Option<&Fault> {
        self.live_parts().find_map(|part| part.fault.as_ref())
    }
}
