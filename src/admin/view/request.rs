//! What the acting requests carry. A body may be absent where every field may be.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// `POST …/trigger`: both days or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriggerRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<NaiveDate>,
    pub dry_run: bool,
}

/// `POST …/pause`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    pub reason: String,
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST …/retry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryRequest {
    /// Land the quarantined files as they are, instead of trying failed parts again.
    pub accept: bool,
    pub dry_run: bool,
}

/// `POST …/resume`, `…/cancel`, `/-/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActRequest {
    pub dry_run: bool,
}
