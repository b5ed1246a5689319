//! One declaration, `schedules/NAME.toml`, resolved: defaults filled in, cron compiled.

use super::{Cadence, WindowRule};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A schedule's name: `[a-z0-9][a-z0-9_-]{0,63}`, the stem of its file. Clones share the text: it stands in many
/// places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// A text that is no schedule name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a schedule name: lowercase letters, digits, `_` and `-`, at most 64, beginning with a letter or digit"
)]
pub struct NameFault(pub String);

impl Name {
    /// Accepts only the form of the contract, so that a name is safe in a path, a URL and an address.
    pub fn parse(text: &str) -> Result<Name, NameFault> {
        let mut bytes = text.bytes();
        let head = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let tail = |b: u8| head(b) || b == b'_' || b == b'-';
        match bytes.next() {
            Some(first) if head(first) && text.len() <= 64 && bytes.all(tail) => {
                Ok(Name(text.into()))
            }
            _ => Err(NameFault(text.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameFault;
    fn try_from(text: String) -> Result<Name, NameFault> {
        Name::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.as_ref().to_owned()
    }
}

/// The vendor's `report_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    Property,
    Units,
    Floorplans,
}

/// The vendor's `output_format`; also the extension of landed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Jsonl,
    Parquet,
}

impl Report {
    pub fn as_str(self) -> &'static str {
        match self {
            Report::Property => "property",
            Report::Units => "units",
            Report::Floorplans => "floorplans",
        }
    }
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
        }
    }
}

/// How landed files are cut: one file a day, a month, or a run's whole window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    Date,
    Month,
    Window,
}

/// What a fire does while an earlier run of the same schedule is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Wait for it; at most one run waits, a later fire is skipped.
    Queue,
    Skip,
    CancelOther,
    Allow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUpMode {
    None,
    Latest,
    All,
    Coalesce,
}

/// What becomes of fires that were missed while the daemon was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchUp {
    pub mode: CatchUpMode,
    pub max_age: Duration,
    pub max_runs: u32,
}

/// Attempts of a part, and the rest between them: `first`, doubled each time, at most `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    pub attempts: u32,
    pub first: Duration,
    pub max: Duration,
}

/// The largest job: properties × days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub properties: u32,
    pub days: u32,
}

impl Chunk {
    /// With jobs of one day each: for files that name no day.
    #[must_use]
    pub fn by_day(self) -> Chunk {
        Chunk { days: 1, ..self }
    }
}

/// Names of the columns that say whose row it is and of which day; used only where a file has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    pub property: String,
    pub date: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaChange {
    Notify,
    Reject,
    Accept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    Quarantine,
    Land,
}

/// What a delivered file must satisfy; every check is optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// Share of the asked property × day cells that suffices for `landed`; absent: all of them.
    pub min_property_coverage: Option<f64>,
    pub min_rows_vs_median: Option<f64>,
    pub unique: Vec<String>,
    pub max_null_rate: BTreeMap<String, f64>,
    pub range: BTreeMap<String, (f64, f64)>,
    pub schema_change: SchemaChange,
    pub on_fail: OnFail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    pub warn_after: Duration,
    pub error_after: Duration,
}

/// One property; the name is for people only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    pub id: i64,
    pub name: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accounts {
    All,
    Ids(Vec<i64>),
}

/// Whose data: known at load (`Listed`: ids or a CSV file), or asked of ApartmentIQ at fire time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Properties {
    /// Sorted by id, without duplicates, never empty.
    Listed(Vec<Property>),
    CompSets {
        ids: Vec<i64>,
        subjects_only: bool,
    },
    Accounts(Accounts),
}

/// A schedule as the daemon runs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub name: Name,
    pub description: Box<str>,
    pub report: Report,
    pub format: Format,
    pub cadence: Cadence,
    pub timezone: Tz,
    pub window: WindowRule,
    pub properties: Properties,
    pub chunk: Chunk,
    pub partition: Partition,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
    pub jitter: Duration,
    pub deadline: Duration,
    pub retry: Retry,
    pub enabled: bool,
    /// Days of history that a property new in the roster gets; `None`: none.
    pub backfill_new: Option<u32>,
    /// Shared with the schedules that say the same.
    pub columns: Arc<Columns>,
    /// Shared with the schedules that say the same.
    pub checks: Arc<Checks>,
    pub freshness: Option<Box<Freshness>>,
    /// Event name (`failed`, `late`, `landed`, `recovered`, `all`) → notifier names.
    pub notify: BTreeMap<String, Vec<String>>,
}
