//! Identities are derived, never drawn: schedule + nominal fire → run → part → attempt.
//!
//! All are made of RFC 3986 unreserved characters, because they travel in callback addresses,
//! folder names and URLs.

use super::Trigger;
use crate::schedule::Name;
use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A run's id: `SCHEDULE.20261122T183000Z` for a fire, `.m20261122T183000123Z` for a trigger,
/// `.b20261122T183000123Z-2` for the second run of a backfill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// Parts of a run are numbered from 1.
pub type PartNumber = u32;

/// One try at one part; printed as `RUN.p3.a1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId {
    pub run: RunId,
    pub part: PartNumber,
    /// From 1.
    pub number: u32,
}

/// A text that is no id of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an id of aptiqd")]
pub struct IdFault(pub String);

fn stamp(at: DateTime<Utc>, precision: SecondsFormat) -> String {
    at.to_rfc3339_opts(precision, true)
        .replace(['-', ':', '.'], "")
}

impl RunId {
    /// The run of a cron fire, caught up or not: one nominal instant, one id.
    pub fn of_fire(schedule: &Name, nominal: DateTime<Utc>) -> RunId {
        RunId(format!(
            "{schedule}.{}",
            stamp(nominal, SecondsFormat::Secs)
        ))
    }

    /// The run of an operator's trigger at `at`.
    pub fn of_trigger(schedule: &Name, at: DateTime<Utc>) -> RunId {
        RunId(format!("{schedule}.m{}", stamp(at, SecondsFormat::Millis)))
    }

    /// The `number`th run (from 1) of a backfill asked for at `at`.
    pub fn of_backfill(schedule: &Name, at: DateTime<Utc>, number: u32) -> RunId {
        RunId(format!(
            "{schedule}.b{}-{number}",
            stamp(at, SecondsFormat::Millis)
        ))
    }

    /// Sorts before every run of the schedule.
    pub fn first_of(schedule: &Name) -> RunId {
        RunId(format!("{schedule}."))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What made the run, and its nominal instant, as far as its id says. A fire that was caught up
    /// reads as one of cron.
    pub fn origin(&self) -> Option<(Trigger, DateTime<Utc>)> {
        let (_, moment) = self.0.split_once('.')?;
        let (trigger, digits) = match moment.as_bytes().first()? {
            b'm' => (Trigger::Manual, &moment[1..]),
            b'b' => (Trigger::Backfill, moment[1..].split('-').next()?),
            _ => (Trigger::Cron, moment),
        };
        let form = match trigger {
            Trigger::Cron => "%Y%m%dT%H%M%SZ",
            _ => "%Y%m%dT%H%M%S%3fZ",
        };
        let at = NaiveDateTime::parse_from_str(digits, form).ok()?;
        Some((trigger, at.and_utc()))
    }

    /// The schedule's name, which every run id begins with.
    pub fn schedule(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<RunId, IdFault> {
        let fault = || IdFault(text.chars().take(200).collect());
        let (schedule, moment) = text.split_once('.').ok_or_else(fault)?;
        let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if Name::parse(schedule).is_err()
            || moment.is_empty()
            || moment.len() > 40
            || !moment.bytes().all(safe)
        {
            return Err(fault());
        }
        Ok(RunId(text.to_owned()))
    }
}

impl TryFrom<String> for RunId {
    type Error = IdFault;
    fn try_from(text: String) -> Result<RunId, IdFault> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> String {
        id.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.p{}.a{}", self.run, self.part, self.number)
    }
}

impl FromStr for AttemptId {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<AttemptId, IdFault> {
        let fault = || IdFault(text.chars().take(200).collect());
        let (rest, number) = text.rsplit_once(".a").ok_or_else(fault)?;
        let (run, part) = rest.rsplit_once(".p").ok_or_else(fault)?;
        let id = AttemptId {
            run: run.parse()?,
            part: part.parse().map_err(|_| fault())?,
            number: number.parse().map_err(|_| fault())?,
        };
        // One text per id: no leading zeros or signs.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(fault())
        }
    }
}

impl TryFrom<String> for AttemptId {
    type Error = IdFault;
    fn try_from(text: String) -> Result<AttemptId, IdFault> {
        text.parse()
    }
}

impl From<AttemptId> for String {
    fn from(id: AttemptId) -> String {
        id.to_string()
    }
}
