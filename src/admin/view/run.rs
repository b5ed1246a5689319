//! RUN, PART, FILE and CHECK, and the documents that carry them.

use super::Event;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// The states of the contract. A run's inner steps share `running`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    Queued,
    Running,
    Landed,
    Incomplete,
    Failed,
    Cancelled,
    Skipped,
}

impl RunState {
    pub const ALL: [RunState; 7] = [
        RunState::Queued,
        RunState::Running,
        RunState::Landed,
        RunState::Incomplete,
        RunState::Failed,
        RunState::Cancelled,
        RunState::Skipped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Running => "running",
            RunState::Landed => "landed",
            RunState::Incomplete => "incomplete",
            RunState::Failed => "failed",
            RunState::Cancelled => "cancelled",
            RunState::Skipped => "skipped",
        }
    }

    pub fn parse(word: &str) -> Option<RunState> {
        RunState::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
    }

    pub fn is_terminal(self) -> bool {
        !matches!(self, RunState::Queued | RunState::Running)
    }
}

/// Calendar days, first and last inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Window {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PartCount {
    pub total: u64,
    /// Fetched.
    pub done: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Run {
    pub id: String,
    pub schedule: String,
    /// `cron`, `catch_up`, `manual` or `backfill`.
    pub trigger: String,
    pub nominal_at: DateTime<Utc>,
    pub window: Window,
    pub state: RunState,
    /// Why it is in this state, or what holds it up.
    pub reason: Option<String>,
    pub parts: PartCount,
    pub rows: u64,
    pub bytes: u64,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attempt {
    pub number: u32,
    /// ApartmentIQ's id, once one is adopted.
    pub job_id: Option<String>,
    pub state: String,
    /// `callback`, `poll` or `reconcile`: how the end of the job was learned.
    pub learned_by: Option<String>,
    /// The vendor's words, verbatim.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Artifact {
    pub bytes: u64,
    /// Lowercase hex.
    pub sha256: String,
    pub rows: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Part {
    pub number: u32,
    /// How many properties.
    pub properties: u64,
    pub property_ids: Vec<i64>,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub state: String,
    pub attempts: Vec<Attempt>,
    pub artifact: Option<Artifact>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct File {
    /// Below the landing folder.
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
    pub rows: u64,
    pub generation: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckResult {
    pub name: String,
    /// `pass`, `warn` or `fail`.
    pub status: String,
    pub observed: serde_json::Value,
    pub expected: serde_json::Value,
}

/// `runs`: newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Runs {
    pub schema: String,
    pub runs: Vec<Run>,
    /// Where older runs go on, as `after` of another request; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunDetail {
    pub schema: String,
    pub run: Run,
    pub parts: Vec<Part>,
    pub files: Vec<File>,
    pub checks: Vec<CheckResult>,
    pub events: Vec<Event>,
}

/// `trigger`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Triggered {
    pub schema: String,
    pub run: Run,
    /// Nothing was done: the run is what would have been made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Of a dry run: what it would ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property_days: Option<u64>,
}

/// `backfill`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Backfill {
    pub schema: String,
    /// Newest days first.
    pub runs: Vec<Run>,
    /// Nothing was done: the runs are what would have been made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Cells that the runs ask for.
    #[serde(default, skip_serializing_if = "is_none")]
    pub property_days: u64,
    /// Of a dry run: what it would cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<BackfillPlan>,
    /// Cells that lack as well, but are too many runs for one backfill.
    #[serde(default, skip_serializing_if = "is_none")]
    pub left: u64,
    /// Cells asked for that nobody can have yet: their days, or the windows they belong to, are not over.
    #[serde(default, skip_serializing_if = "is_none")]
    pub not_due: u64,
}

/// What a backfill would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackfillPlan {
    pub parts: u64,
    /// A create and a result a part; sweeps of the list serve many.
    pub requests: u64,
    pub property_days: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Runs {
    pub fn new(runs: Vec<Run>) -> Runs {
        let schema = "aptiqd.runs/1".to_owned();
        Runs {
            schema,
            runs,
            next: None,
        }
    }
}

impl RunDetail {
    pub fn new(run: Run) -> RunDetail {
        RunDetail {
            schema: "aptiqd.run/1".to_owned(),
            run,
            parts: Vec::new(),
            files: Vec::new(),
            checks: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl Triggered {
    pub fn new(run: Run) -> Triggered {
        let schema = "aptiqd.trigger/1".to_owned();
        Triggered {
            schema,
            run,
            dry_run: false,
            properties: None,
            property_days: None,
        }
    }
}

impl Backfill {
    pub fn new(runs: Vec<Run>) -> Backfill {
        let schema = "aptiqd.backfill/1".to_owned();
        Backfill {
            schema,
            runs,
            dry_run: false,
            property_days: 0,
            plan: None,
            left: 0,
            not_due: 0,
        }
    }
}
