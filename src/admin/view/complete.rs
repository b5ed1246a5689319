//! What is there and what is lacking: `coverage` is beside `plan`; here the rest of it.

use super::{CheckResult, File, Part, Run};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// `POST …/backfill`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BackfillRequest {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// `missing` (the default), `failed`, `lacking` (what has not landed) or `all` (landed cells anew, too).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Runs of the schedule's backfills at once; 2 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active: Option<u32>,
    /// The oldest days first, rather than the newest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oldest_first: bool,
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /api/v1/properties/{id}/exclude`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExcludeRequest {
    pub reason: String,
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /api/v1/properties/{id}/include`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct IncludeRequest {
    pub reason: Option<String>,
    pub dry_run: bool,
}

/// How old data is for its schedule's own measure; worse sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AgeLevel {
    Error,
    Warn,
    Ok,
    /// The schedule has no `[freshness]`: its age is told, not judged.
    Unset,
}

/// How old the newest landed data of a schedule is, by its own measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Age {
    pub schedule: String,
    pub level: AgeLevel,
    /// Since a run of it last landed; since it was first seen, if none ever has.
    pub since: DateTime<Utc>,
    pub age_seconds: u64,
    /// `null` without a measure.
    pub warn_after_seconds: Option<u64>,
    /// `null` without a measure.
    pub error_after_seconds: Option<u64>,
    pub last_success: Option<DateTime<Utc>>,
    /// The last day of which data has landed.
    pub data_through: Option<NaiveDate>,
}

/// `freshness`: all schedules that are enabled, worst first, those without a measure last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Freshness {
    pub schema: String,
    pub schedules: Vec<Age>,
}

/// An operator's decision to leave a property out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Exclusion {
    pub reason: String,
    pub by: String,
    pub since: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Property {
    pub id: i64,
    pub name: Option<String>,
    /// That export it.
    pub schedules: Vec<String>,
    pub excluded: Option<Exclusion>,
}

/// `properties`: by id; of an act, the one it was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Properties {
    pub schema: String,
    pub properties: Vec<Property>,
}

/// A job whose rows are in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JobOfFile {
    pub job_id: String,
    /// How many.
    pub properties: u64,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub sha256: String,
}

/// `why`: from a file or a cell back to the decision it came from, or what stands in its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Why {
    pub schema: String,
    /// The file asked about, below the landing folder.
    pub path: Option<String>,
    pub schedule: String,
    /// The cell asked about.
    pub property: Option<i64>,
    pub date: Option<NaiveDate>,
    /// A cell's state in `coverage`, which goes by what has landed. A landed file's is `landed`, or `gone` or `changed`
    /// if it is not there as it landed; a raw one's `delivered` or `gone`; `quarantined`, if checks keep it out.
    pub state: String,
    /// In a sentence.
    pub because: String,
    /// The command that mends it, where one does.
    pub mend: Option<String>,
    pub excluded: Option<Exclusion>,
    /// When a fire will ask for it, if one will.
    pub next_fire: Option<DateTime<Utc>>,
    /// The decision: which fire, trigger or backfill it came from.
    pub run: Option<Run>,
    /// Its parts with their attempts, jobs, and how each job's end was learned.
    pub parts: Vec<Part>,
    /// The first callback of each attempt that heard one.
    pub callbacks: Vec<CallbackHeard>,
    pub checks: Vec<CheckResult>,
    pub file: Option<File>,
    pub landed_at: Option<DateTime<Utc>>,
    /// All jobs whose rows are in the file, also those of earlier runs.
    pub jobs: Vec<JobOfFile>,
    /// What later runs changed in its rows, oldest first: lines of `restatements.jsonl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restatements: Vec<serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CallbackHeard {
    pub part: u32,
    pub attempt: u32,
    pub at: DateTime<Utc>,
}

impl Freshness {
    pub fn new(schedules: Vec<Age>) -> Freshness {
        let schema = "aptiqd.freshness/1".to_owned();
        Freshness { schema, schedules }
    }
}

impl Properties {
    pub fn new(properties: Vec<Property>) -> Properties {
        let schema = "aptiqd.properties/1".to_owned();
        Properties { schema, properties }
    }
}

impl Why {
    pub fn new(schedule: &str) -> Why {
        Why {
            schema: "aptiqd.why/1".to_owned(),
            schedule: schedule.to_owned(),
            ..Why::default()
        }
    }
}
