//! What goes into a turn and what comes out of it.

use super::{Backfill, CallbacksNow, Cause, CellMap, Coverage, Exclusion, Mark, PropertyNow};
use crate::coverage::{CellState, Line};
use crate::run::{
    Artifact, AttemptId, CreateFailure, Fault, JobSeen, Part, PartNumber, Published, PublishedFile,
    Retrial, Run, RunId, Source,
};
use crate::schedule::{Format, Name, Report as ReportKind, Schedule, Window};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Pairs an answer with whoever asked; drawn by the engine.
pub type Ticket = u64;

/// What came in.
#[derive(Clone, Debug)]
pub enum Input {
    /// `count` callbacks to one attempt's address.
    Callback {
        attempt: AttemptId,
        count: u32,
    },
    Report(Report),
    Command(Ticket, Command),
}

/// What an errand brought back. Every errand reports exactly once.
#[derive(Clone, Debug)]
pub enum Report {
    Submitted {
        attempt: AttemptId,
        outcome: Result<JobSeen, CreateFailure>,
    },
    /// The vendor's list, begun at `asked_at`.
    Listed {
        asked_at: DateTime<Utc>,
        outcome: Result<Listed, Fault>,
    },
    Checked {
        attempt: AttemptId,
        asked_at: DateTime<Utc>,
        outcome: Result<JobSeen, Fault>,
    },
    Fetched {
        attempt: AttemptId,
        outcome: Result<Artifact, Fault>,
    },
    Published {
        run: RunId,
        outcome: Result<Box<Published>, Fault>,
    },
    /// Parts of a run that was to be published whose rows are nowhere any more.
    Lost { run: RunId, parts: Vec<PartNumber> },
    Cancelled {
        attempt: AttemptId,
        job_id: String,
        outcome: Result<JobSeen, Fault>,
    },
    Asked {
        run: RunId,
        outcome: Result<Vec<i64>, Fault>,
    },
    /// What the store knows of runs that are not open; `None`: it could not be read.
    Recalled {
        runs: Option<BTreeMap<RunId, Option<Box<Run>>>>,
    },
    /// Those of the jobs asked for that an attempt of ours has or had; `None`: the store could not be read.
    OwnersRecalled { owned: Option<BTreeSet<String>> },
    /// Fields and words in the vendor's answers that its contract does not know.
    Drifted { notes: Vec<String> },
}

/// Jobs newest first, each with the attempt whose address it carries.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    pub jobs: Vec<(JobSeen, Option<AttemptId>)>,
    /// Nothing that was created since the asked time is left out.
    pub whole: bool,
    /// Jobs whose address has our origin and form, but is not signed by a key that is left.
    pub unproven: BTreeMap<String, AttemptId>,
    /// How far the vendor's clock is ahead of ours, at least; `None`: it tells no time.
    pub ahead: Option<TimeDelta>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Act,
    /// Say what would be done, and do nothing.
    Dry,
}

/// What an operator wants.
#[derive(Clone, Debug)]
pub enum Command {
    Trigger {
        schedule: Name,
        window: Option<Window>,
        by: String,
        mode: Mode,
    },
    Cancel {
        run: RunId,
        by: String,
        mode: Mode,
    },
    /// The run as it is stored, with its parts.
    Retry {
        run: Box<Run>,
        what: Retrial,
        by: String,
        mode: Mode,
    },
    Pause {
        schedule: Name,
        reason: String,
        by: String,
        mode: Mode,
    },
    Resume {
        schedule: Name,
        by: String,
        mode: Mode,
    },
    /// All schedules as they are declared now.
    Declare {
        schedules: Vec<Schedule>,
        by: String,
        mode: Mode,
    },
    /// How complete a schedule's data is, within `window` or since it began.
    Coverage {
        schedule: Name,
        window: Option<Window>,
    },
    /// Every cell of a schedule, within `window` or since it began.
    CellMap {
        schedule: Name,
        window: Option<Window>,
    },
    Backfill {
        wanted: Backfill,
        by: String,
        mode: Mode,
    },
    /// New runs leave the property out.
    Exclude {
        property: i64,
        reason: String,
        by: String,
        mode: Mode,
    },
    Include {
        property: i64,
        reason: Option<String>,
        by: String,
        mode: Mode,
    },
    Properties,
    /// What is known of one cell: its state, and whether a fire asked for it.
    Cell {
        schedule: Name,
        property: i64,
        day: NaiveDate,
    },
    CredentialChanged,
    /// Something that happened outside of all runs, for the journal alone.
    Note(Value),
    Snapshot,
    /// What the notices want in the journal and in the store; the roster does not look into it.
    Remember {
        entries: Vec<Entry>,
        records: Vec<(String, Option<Value>)>,
    },
}

/// The answer to a command, given after the commit.
#[derive(Clone, Debug)]
pub enum Answer {
    Run(Box<Run>),
    Declared(Declared),
    Snapshot(Box<Snapshot>),
    Coverage(Box<Coverage>),
    CellMap(Box<CellMap>),
    /// The runs made, newest days first, and the cells that are left for another backfill.
    Backfill {
        runs: Vec<Run>,
        left: u64,
        /// Cells asked for that nobody can have yet.
        not_due: u64,
    },
    Properties(Vec<PropertyNow>),
    Cell(Box<CellNow>),
    Done,
}

/// One cell as the roster knows it.
#[derive(Clone, Debug)]
pub struct CellNow {
    pub state: CellState,
    /// The schedule exports this property.
    pub declared: bool,
    pub excluded: Option<Exclusion>,
    /// The next fire that will export the day, if one will.
    pub next: Option<DateTime<Utc>>,
}

/// What a reload changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    pub added: Vec<Name>,
    pub changed: Vec<Name>,
    pub removed: Vec<Name>,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no schedule `{0}`")]
    NoSchedule(String),
    #[error("no open run `{0}`")]
    NoRun(String),
    #[error("{message}")]
    Conflict { message: String, run: Option<RunId> },
    #[error("the clock is not set: nothing is due by it, and no day is yesterday")]
    ClockUnset,
}

/// An event as it goes to the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub schedule: Option<String>,
    pub run: Option<String>,
    /// An object with at least `event`.
    pub body: Value,
}

/// A record as it goes to the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Saved {
    /// The run's own record; `new` runs enter the listing as well.
    Run {
        run: Box<Run>,
        new: bool,
    },
    Part {
        run: RunId,
        part: Box<Part>,
    },
    Files {
        run: RunId,
        files: Vec<PublishedFile>,
    },
    Opened(RunId),
    Closed(RunId),
    Mark(Name, Box<Mark>),
    Roster {
        hash: String,
        ids: Arc<Vec<i64>>,
    },
    /// All that is known of one property's days.
    Coverage {
        schedule: Name,
        property: i64,
        line: Line,
    },
    /// An operator's decision; `None`: taken back.
    Exclusion(i64, Option<Exclusion>),
    /// Whatever is single; `None`: it is over.
    Setting {
        key: String,
        value: Option<Value>,
    },
}

/// An errand: whole, repeatable (save `SubmitJob`), reporting once.
#[derive(Clone, Debug)]
pub enum Effect {
    AskProperties {
        run: RunId,
        source: Source,
    },
    SubmitJob {
        attempt: AttemptId,
        report: ReportKind,
        format: Format,
        window: Window,
        property_ids: Vec<i64>,
    },
    /// One list for all: until every job of `until_seen` was seen, and, if `back_to` is given,
    /// everything created since.
    ListJobs {
        until_seen: BTreeSet<String>,
        back_to: Option<DateTime<Utc>>,
    },
    CheckJob {
        attempt: AttemptId,
        job_id: String,
    },
    FetchArtifact {
        attempt: AttemptId,
        job_id: String,
        run: Box<Run>,
    },
    PublishRun {
        run: Box<Run>,
    },
    CancelJob {
        attempt: AttemptId,
        job_id: String,
    },
    /// Look up in the store what is known of these runs.
    RecallRuns {
        runs: BTreeSet<RunId>,
    },
    /// Look up in the store which of these jobs are or were ours, in runs that had not ended by `since`.
    RecallOwners {
        jobs: BTreeSet<String>,
        since: DateTime<Utc>,
    },
}

/// The outcome of a turn, in the order in which it must be carried out.
#[derive(Debug, Default)]
pub struct Turn {
    pub entries: Vec<Entry>,
    pub saved: Vec<Saved>,
    pub answers: Vec<(Ticket, Result<Answer, Refusal>)>,
    pub effects: Vec<Effect>,
    /// Runs that ended in this turn.
    pub ended: Vec<Run>,
}

impl Turn {
    /// Takes up what the notices want kept.
    pub(super) fn remember(
        &mut self,
        entries: Vec<Entry>,
        records: Vec<(String, Option<Value>)>,
    ) -> Answer {
        self.entries.extend(entries);
        self.saved
            .extend(records.into_iter().map(|(key, value)| Saved::Setting {
                // What the store reads them back by.
                key: format!("notice.{key}"),
                value,
            }));
        Answer::Done
    }

    pub fn needs_commit(&self) -> bool {
        !self.entries.is_empty() || !self.saved.is_empty()
    }
}

/// The roster as it stands, for people and metrics.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub at: DateTime<Utc>,
    pub schedules: Vec<ScheduleNow>,
    pub open: Vec<OpenRun>,
    pub jobs_in_flight: usize,
    pub downloads: usize,
    pub last_list_at: Option<DateTime<Utc>>,
    /// The clock shows a time before aptiqd was made.
    pub clock_unset: bool,
    /// Since when the vendor's list cannot be relied on, and why, if that lasts.
    pub list_trouble: Option<(DateTime<Utc>, String)>,
    /// Why no create is sent now, if so.
    pub hold: Option<String>,
    /// Why nothing is landed now, if so.
    pub landing_hold: Option<String>,
    pub second_jobs: u64,
    pub callbacks: CallbacksNow,
    /// Why creates and fires wait for the vendor's list, if they do.
    pub doubt: Option<Cause>,
}

#[derive(Clone, Debug)]
pub struct ScheduleNow {
    pub schedule: Arc<Schedule>,
    pub mark: Mark,
    /// Nominal instant and the instant with jitter.
    pub next: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

#[derive(Clone, Debug)]
pub struct OpenRun {
    pub run: Run,
    pub parts_done: u32,
}
