//! All that the page shows, gathered at one moment.

use super::super::{Refusal, view};
use crate::roster::CellMap;
use crate::schedule::Window;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use std::future::Future;
use std::time::Duration;

/// How far back the page looks.
pub const DAYS_BACK: u32 = 14;

#[derive(Clone, Debug)]
pub struct Overview {
    pub at: DateTime<Utc>,
    /// Sorted: worst first.
    pub status: view::Status,
    /// By name.
    pub schedules: Vec<ScheduleCells>,
    /// Of the last `DAYS_BACK` days, newest first.
    pub runs: Vec<PastRun>,
    /// There were more than are shown.
    pub more_runs: bool,
    /// The soonest first.
    pub fires: Vec<Coming>,
    pub usage: Usage,
}

/// What a schedule has and lacks.
#[derive(Clone, Debug)]
pub struct ScheduleCells {
    pub name: String,
    pub enabled: bool,
    pub zone: Tz,
    pub map: CellMap,
}

/// A run with the instants between its phases.
#[derive(Clone, Debug)]
pub struct PastRun {
    pub run: view::Run,
    pub started_at: Option<DateTime<Utc>>,
    /// The last job had ended.
    pub exported_at: Option<DateTime<Utc>>,
    /// What changed in the columns of its files, in words.
    pub schema_change: Option<String>,
}

/// A fire to come.
#[derive(Clone, Debug)]
pub struct Coming {
    pub schedule: String,
    pub at: DateTime<Utc>,
    pub zone: Tz,
    pub window: Window,
    pub properties: Option<u64>,
    pub parts: Option<u64>,
}

/// Of ApartmentIQ's API since the daemon began.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub requests: u64,
    /// All pauses that ApartmentIQ asked for, together.
    pub throttled: Duration,
    /// The last quota refusal, in words.
    pub quota: Option<String>,
}

/// Whoever can be looked at as a whole.
pub trait Survey: Send + Sync + 'static {
    fn survey(&self) -> impl Future<Output = Result<Overview, Refusal>> + Send;
}

impl Overview {
    /// The schedules that run, the paused ones among them.
    pub fn enabled(&self) -> impl Iterator<Item = &ScheduleCells> {
        self.schedules.iter().filter(|schedule| schedule.enabled)
    }

    pub fn cells_of(&self, name: &str) -> Option<&ScheduleCells> {
        self.schedules.iter().find(|schedule| schedule.name == name)
    }
}
