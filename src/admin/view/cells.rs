//! Every cell of a schedule, small enough to send for 700 properties × 2 years.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// `/api/v1/coverage/{schedule}/cells`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CellMap {
    pub schema: String,
    pub schedule: String,
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// By id.
    pub properties: Vec<CellsOfProperty>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CellsOfProperty {
    pub id: i64,
    pub name: Option<String>,
    /// All days from `from` to `to` as counts, each followed by the letter of its state: `l` landed,
    /// `e` empty, `m` missing, `f` failed, `x` excluded, `.` not due. `30l1m` is a month that lacks a day.
    pub cells: String,
}
