//! What the vendor says of a job.

use crate::schedule::{Format, Report, Window};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The vendor's status. An unknown one is neither success nor failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Submitted,
    Cancelled,
    Failed,
    Succeeded,
    /// A word the vendor has not documented, verbatim (bounded); or nothing, if the field is absent.
    Unknown(String),
}

impl JobStatus {
    pub fn parse(word: &str) -> JobStatus {
        match word {
            "submitted" => JobStatus::Submitted,
            "cancelled" => JobStatus::Cancelled,
            "failed" => JobStatus::Failed,
            "succeeded" => JobStatus::Succeeded,
            other => JobStatus::Unknown(other.chars().take(80).collect()),
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            JobStatus::Submitted => "submitted",
            JobStatus::Cancelled => "cancelled",
            JobStatus::Failed => "failed",
            JobStatus::Succeeded => "succeeded",
            JobStatus::Unknown(word) => word,
        }
    }
}

/// One sighting of a job, in a create's answer, a status read or the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSeen {
    /// The vendor's id; replies without one never become a `JobSeen`.
    pub job_id: String,
    pub status: JobStatus,
    /// Verbatim, bounded to 4 KiB.
    pub error_message: Option<String>,
    /// The callback address the vendor echoes; it carries our attempt's id.
    pub callback_url: Option<String>,
    pub report: Option<Report>,
    pub format: Option<Format>,
    pub window: Option<Window>,
    /// Sorted.
    pub property_ids: Vec<i64>,
    pub created_at: Option<DateTime<Utc>>,
}
