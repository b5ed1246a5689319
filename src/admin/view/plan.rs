//! What the verbs say that need no daemon: `plan`, `check`; and the shape of `coverage`.

use super::Window;
use chrono::{DateTime, FixedOffset, NaiveDate};
use serde::{Deserialize, Serialize};

/// A fire to come. The counts are `null` where the properties are asked of ApartmentIQ at fire time and no daemon
/// that has asked before answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fire {
    pub schedule: String,
    /// With the offset of the schedule's zone at that instant.
    pub nominal_at: DateTime<FixedOffset>,
    /// The nominal instant and its jitter.
    pub fires_at: DateTime<FixedOffset>,
    pub window: Window,
    pub parts: Option<u64>,
    pub properties: Option<u64>,
    pub property_days: Option<u64>,
    /// Requests to the API that it will cost at least.
    pub requests: Option<u64>,
}

/// `plan`: soonest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Plan {
    pub schema: String,
    pub fires: Vec<Fire>,
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fault {
    pub file: String,
    /// From 1; 0 if it concerns the file as a whole.
    pub line: u64,
    pub column: u64,
    pub code: String,
    pub message: String,
    pub help: String,
}

/// `check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    pub schema: String,
    /// There are no faults.
    pub ok: bool,
    pub faults: Vec<Fault>,
}

/// Property × day cells by their fate, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CoverageCells {
    pub landed: u64,
    pub empty: u64,
    pub missing: u64,
    pub failed: u64,
    pub excluded: u64,
    pub not_due: u64,
}

/// The option of `backfill` that fills so many missing and failed cells and pays for none that have landed; empty where
/// its default does.
pub fn only(missing: u64, failed: u64) -> &'static str {
    match (missing, failed) {
        (_, 0) => "",
        (0, _) => " --only failed",
        _ => " --only lacking",
    }
}

/// Days of one property, inclusive, that are missing or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MissingSpan {
    pub property: i64,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// `coverage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Coverage {
    pub schema: String,
    pub schedule: String,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub cells: CoverageCells,
    pub missing: Vec<MissingSpan>,
}

impl Plan {
    pub fn new(fires: Vec<Fire>) -> Plan {
        let schema = "aptiqd.plan/1".to_owned();
        Plan { schema, fires }
    }
}

impl Check {
    pub fn new(faults: Vec<Fault>) -> Check {
        let (schema, ok) = ("aptiqd.check/1".to_owned(), faults.is_empty());
        Check { schema, ok, faults }
    }
}

#[cfg(test)]
mod tests {
    use super::only;

    #[test]
    fn no_backfill_that_is_advised_pays_for_what_has_landed() {
        assert_eq!(only(3, 0), "");
        assert_eq!(only(0, 2), " --only failed");
        assert_eq!(only(3, 2), " --only lacking");
    }
}
