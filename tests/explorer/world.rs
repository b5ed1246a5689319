//! One run, the vendor, what is on its way between them, and the luck that is left.

use aptiqd::run::{
    Batch, Cells, Event, JobSeen, JobStatus, Part, Run, RunId, RunState, Terms, Trigger, step,
};
use aptiqd::schedule::{
    Checks, Chunk, Columns, Format, Name, OnFail, Partition, Report, Retry, SchemaChange, Window,
};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// One tick of the model's clock, in seconds: the least pause between reads.
pub const TICK: i64 = 5;
/// `submit_settle` in ticks; a create is visible in the list within it, or never.
pub const SETTLE: i64 = 2;
/// The run's deadline in ticks.
pub const DEADLINE: i64 = 9;
/// How long an errand may take, in ticks.
pub const ERRAND_MAX: i64 = 1;
/// Ticks between two sweeps.
pub const POLL: i64 = 2;
/// The limit of attempts a part.
pub const ATTEMPTS: u32 = 2;

/// A job that somebody else has asked for: every list shows it.
pub const FOREIGN: &str = "foreign";

/// Part and attempt.
pub type Spot = (u32, u32);

/// How much bad luck is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Luck {
    pub faults: u8,
    pub crashes: u8,
    pub forged: u8,
    pub cancels: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// Only in replies: a word that nobody has documented.
    Odd,
}

/// A job at the vendor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    pub id: String,
    pub at: Spot,
    pub fate: Fate,
    /// The tick from which lists show it.
    pub listed_from: i64,
    /// The vendor forgot it.
    pub gone: bool,
    /// Made by one create that arrived twice.
    pub second: bool,
    /// Single reads that wrongly said there is no such job.
    pub denied: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// `job`: it has arrived, and its answer is on its way.
    Submit {
        at: Spot,
        began: i64,
        job: Option<String>,
    },
    /// `reply`: what it saw, on its way back.
    List {
        began: i64,
        reply: Option<Vec<(String, Fate)>>,
    },
    Check {
        at: Spot,
        job: String,
        began: i64,
        reply: Option<Fate>,
    },
    Fetch {
        at: Spot,
        began: i64,
    },
    Publish {
        began: i64,
    },
    Cancel {
        at: Spot,
        job: String,
        began: i64,
    },
}

impl Errand {
    pub fn began(&self) -> i64 {
        match self {
            Errand::Submit { began, .. }
            | Errand::List { began, .. }
            | Errand::Check { began, .. }
            | Errand::Fetch { began, .. }
            | Errand::Publish { began }
            | Errand::Cancel { began, .. } => *began,
        }
    }
}

/// What the daemon cannot see and the laws are about.
#[derive(Clone, Debug, Default)]
pub struct Ghost {
    /// Creates sent, and `SubmitStarted` committed, by attempt.
    pub sent: BTreeMap<Spot, u8>,
    pub authorised: BTreeMap<Spot, u8>,
    /// When the last single read was begun.
    pub read_at: BTreeMap<Spot, i64>,
    /// Callbacks that were answered with 202.
    pub acknowledged: BTreeSet<Spot>,
    /// A callback was acknowledged then, and no read begun since has answered.
    pub owed: BTreeMap<Spot, i64>,
    /// Downloads that broke for good reasons to count.
    pub broken: BTreeMap<Spot, u8>,
    /// Second jobs that a delivered list showed alive.
    pub seconds: BTreeSet<String>,
    /// The parts whose artifacts are in the published file.
    pub published: Option<BTreeSet<u32>>,
}

#[derive(Clone)]
pub struct World {
    pub tick: i64,
    /// What is on disk; between turns the memory is the same.
    pub run: Run,
    /// The engine's memory of the last single reads.
    pub checked: BTreeMap<Spot, i64>,
    pub suspects: BTreeSet<u32>,
    pub sweep_at: i64,
    pub errands: Vec<Errand>,
    pub jobs: Vec<Job>,
    /// Creates that were given up but may still arrive, each with its last tick.
    pub late: Vec<(Spot, i64)>,
    pub callbacks: BTreeMap<Spot, u8>,
    /// A report that will be delivered a second time.
    pub echo: Option<Event>,
    pub luck: Luck,
    pub ghost: Ghost,
}

pub fn instant(tick: i64) -> DateTime<Utc> {
    let start = Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0).single();
    start.expect("a valid instant") + TimeDelta::seconds(TICK * tick)
}

pub fn seconds(ticks: i64) -> Duration {
    Duration::from_secs(u64::try_from(TICK * ticks).expect("not negative"))
}

fn terms() -> Terms {
    Terms {
        report: Report::Property,
        format: Format::Csv,
        partition: Partition::Date,
        chunk: Chunk {
            properties: 1,
            days: 31,
        },
        columns: Columns {
            property: String::new(),
            date: String::new(),
        },
        checks: Checks {
            min_property_coverage: None,
            min_rows_vs_median: None,
            unique: Vec::new(),
            max_null_rate: BTreeMap::new(),
            range: BTreeMap::new(),
            schema_change: SchemaChange::Notify,
            on_fail: OnFail::Quarantine,
        },
        retry: Retry {
            attempts: ATTEMPTS,
            first: seconds(1),
            max: seconds(1),
        },
        deadline: seconds(DEADLINE),
        submit_settle: seconds(SETTLE),
        source: None,
    }
}

fn queued() -> Run {
    let name = Name::parse("daily").expect("a name");
    Run {
        id: RunId::of_fire(&name, instant(0)),
        schedule: name,
        trigger: Trigger::Cron,
        nominal_at: instant(0),
        window: Window::day(instant(0).date_naive()),
        state: RunState::Queued,
        reason: None,
        terms: terms(),
        roster: String::new(),
        property_count: 0,
        created_at: instant(0),
        started_at: None,
        finished_at: None,
        tries: 0,
        not_before: instant(0),
        rows: 0,
        bytes: 0,
        checks: Vec::new(),
        cells: Cells::default(),
        missing: Vec::new(),
        batch: None::<Batch>,
        whole: true,
        quarantine: None,
        losses: 0,
        files: Vec::new(),
        parts: BTreeMap::new(),
        properties: Arc::default(),
    }
}

impl World {
    /// A run whose parts are planned, at its first instant.
    pub fn new(parts: u32, luck: Luck) -> World {
        let mut run = queued();
        let window = run.window;
        step(&mut run, &Event::Started, instant(0)).expect("started");
        let planned = Event::Planned {
            properties: Arc::new((1..=i64::from(parts)).collect()),
            roster: String::new(),
            parts: (1..=parts)
                .map(|n| Part::planned(n, n - 1, 1, window))
                .collect(),
        };
        step(&mut run, &planned, instant(0)).expect("planned");
        World {
            tick: 0,
            run,
            checked: BTreeMap::new(),
            suspects: BTreeSet::new(),
            sweep_at: 0,
            errands: Vec::new(),
            jobs: Vec::new(),
            late: Vec::new(),
            callbacks: BTreeMap::new(),
            echo: None,
            luck,
            ghost: Ghost::default(),
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        instant(self.tick)
    }

    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }
}

/// What a read tells of a job.
pub fn seen(id: &str, fate: Fate) -> JobSeen {
    let status = match fate {
        Fate::Running => JobStatus::Submitted,
        Fate::Succeeded => JobStatus::Succeeded,
        Fate::Failed => JobStatus::Failed,
        Fate::Cancelled => JobStatus::Cancelled,
        Fate::Odd => JobStatus::Unknown("melting".into()),
    };
    JobSeen {
        job_id: id.to_owned(),
        status,
        error_message: None,
        // Its address proves whose it is.
        callback_url: Some("http://aptiqd/".into()),
        report: None,
        format: None,
        window: None,
        property_ids: Vec::new(),
        created_at: None,
    }
}
