//! A vendor, a store and a clock in one thread: everything is drawn from one seed.
//!
//! The store keeps what a turn saved, so that a crash is: drop the roster, load it again from there.

pub use super::dice::Dice;
use super::kept::Kept;
use crate::roster::{Answer, Command, Input, Limits, Loaded, Mode, Report, Roster, Turn};
use crate::run::{AttemptId, JobSeen, JobStatus, Run, RunId, RunState};
use crate::schedule::{
    Cadence, CatchUp, CatchUpMode, Checks, Chunk, Columns, Format, Name, OnFail, Overlap,
    Partition, Properties, Property, Report as Kind, Retry, Schedule, SchemaChange, WindowRule,
};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How bad the world is, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub create_lost: u64,
    pub create_refused: u64,
    pub create_unsent: u64,
    /// One create makes two jobs.
    pub create_twice: u64,
    /// A create that is not answered makes no job.
    pub create_vanishes: u64,
    /// Somebody else has asked for the same shortly before.
    pub foreign: u64,
    pub callback_lost: u64,
    pub callback_twice: u64,
    pub job_fails: u64,
    pub job_vanishes: u64,
    pub list_lags: u64,
    pub list_breaks: u64,
    pub fetch_breaks: u64,
    pub publish_breaks: u64,
    pub cancels_break: bool,
    pub crash: u64,
}

#[derive(Clone, Debug)]
pub struct Job {
    pub seen: JobSeen,
    pub attempt: AttemptId,
    pub ends_at: DateTime<Utc>,
    pub listed_from: DateTime<Utc>,
    pub fails: bool,
    pub vanished: bool,
    /// Somebody else's, though it names an attempt here.
    pub foreign: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    On,
    Off,
    /// Whole turns, as [`super::stories`] compares them.
    Story,
}

/// What will happen, and when.
pub(super) enum Coming {
    Report(Report),
    Callback(AttemptId),
}

pub struct World {
    pub dice: Dice,
    pub weather: Weather,
    pub now: DateTime<Utc>,
    pub roster: Roster,
    pub kept: Kept,
    pub jobs: Vec<Job>,
    pub submits: BTreeMap<AttemptId, u32>,
    /// `submit_started` events, by attempt.
    pub authorised: BTreeMap<String, u32>,
    pub published: BTreeMap<RunId, u32>,
    pub log: Vec<String>,
    /// Keep the log; its words cost more than all the rest.
    pub logging: Logging,
    /// Events by name: which paths were taken.
    pub happened: BTreeMap<String, u32>,
    pub schedules: Vec<Schedule>,
    pub(super) coming: BTreeMap<(DateTime<Utc>, u64), Coming>,
    pub(super) order: u64,
    pub limits: Limits,
    pub crashes: u32,
    pub checks_of: BTreeMap<AttemptId, Vec<DateTime<Utc>>>,
    pub lists: u32,
    /// How far back the last of them was to reach.
    pub listed_back_to: Option<DateTime<Utc>>,
    /// Properties that a backfill submitted although all their days had landed.
    pub landed_again: usize,
    /// The vendor's files cannot be split by day.
    pub no_date_column: bool,
    pub no_property_column: bool,
    /// The vendor shows no address in the jobs of ours.
    pub no_echo: bool,
    /// How far its clock is ahead, and what is known of that.
    pub ahead: (TimeDelta, Option<TimeDelta>),
    /// The store cannot say whose a job is.
    pub owners_unread: bool,
    /// The properties that the vendor lists when it is asked.
    pub listing: Vec<i64>,
}

pub fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 2, 12, 0, 0)
        .single()
        .expect("a valid instant")
}

pub fn limits() -> Limits {
    Limits {
        open_jobs_max: 4,
        downloads: 2,
        poll_interval: Duration::from_secs(30),
        submit_settle: Duration::from_secs(600),
    }
}

pub fn schedule(name: &str, cron: &str, properties: i64) -> Schedule {
    Schedule {
        name: Name::parse(name).expect("a valid name"),
        description: Box::default(),
        report: Kind::Property,
        format: Format::Jsonl,
        cadence: Cadence::compile(&[cron.to_owned()], chrono_tz::UTC).expect("a valid cron"),
        timezone: chrono_tz::UTC,
        window: WindowRule::Yesterday,
        properties: Properties::Listed(
            (1..=properties)
                .map(|id| Property { id, name: None })
                .collect(),
        ),
        chunk: Chunk {
            properties: 2,
            days: 31,
        },
        partition: Partition::Date,
        overlap: Overlap::Queue,
        catch_up: CatchUp {
            mode: CatchUpMode::Coalesce,
            max_age: Duration::from_secs(7 * 86_400),
            max_runs: 31,
        },
        jitter: Duration::ZERO,
        deadline: Duration::from_secs(6 * 3_600),
        retry: Retry {
            attempts: 4,
            first: Duration::from_secs(30),
            max: Duration::from_secs(1_800),
        },
        enabled: true,
        columns: Arc::new(Columns {
            property: "id".into(),
            date: "report_generation_date".into(),
        }),
        checks: Arc::new(Checks {
            min_property_coverage: None,
            min_rows_vs_median: None,
            unique: Vec::new(),
            max_null_rate: BTreeMap::new(),
            range: BTreeMap::new(),
            schema_change: SchemaChange::Notify,
            on_fail: OnFail::Quarantine,
        }),
        backfill_new: None,
        freshness: None,
        notify: BTreeMap::new(),
    }
}

impl World {
    pub fn new(seed: u64, weather: Weather, schedules: Vec<Schedule>) -> World {
        World::with_limits(seed, weather, schedules, limits())
    }

    pub fn with_limits(
        seed: u64,
        weather: Weather,
        schedules: Vec<Schedule>,
        limits: Limits,
    ) -> World {
        let (roster, turn) = Roster::load(
            limits.clone(),
            Loaded::default(),
            schedules.clone(),
            start(),
        );
        let mut world = World {
            dice: Dice(seed),
            weather,
            now: start(),
            roster,
            kept: Kept::default(),
            jobs: Vec::new(),
            submits: BTreeMap::new(),
            authorised: BTreeMap::new(),
            published: BTreeMap::new(),
            log: Vec::new(),
            logging: Logging::On,
            happened: BTreeMap::new(),
            schedules,
            coming: BTreeMap::new(),
            order: 0,
            limits,
            crashes: 0,
            checks_of: BTreeMap::new(),
            lists: 0,
            listed_back_to: None,
            landed_again: 0,
            no_date_column: false,
            no_property_column: false,
            no_echo: false,
            ahead: (TimeDelta::zero(), None),
            owners_unread: false,
            listing: vec![3, 1, 2],
        };
        world.carry_out(turn);
        world
    }

    /// Lets the world go on until `end`, crashing now and then if the weather says so.
    pub fn run_until(&mut self, end: DateTime<Utc>) {
        for _ in 0..2_000_000 {
            let due = self.roster.poll_deadline().map(|(at, _)| at.max(self.now));
            let next = self.coming.first_key_value().map(|((at, _), _)| *at);
            let Some(at) = due.into_iter().chain(next).min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = at.max(self.now);
            if self.dice.below(1_000) < self.weather.crash {
                self.crash();
                continue;
            }
            let mut inputs = Vec::new();
            while let Some(entry) = self.coming.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                match entry.remove() {
                    Coming::Report(report) => inputs.push(Input::Report(report)),
                    Coming::Callback(attempt) => inputs.push(Input::Callback { attempt, count: 1 }),
                }
            }
            let turn = self.roster.handle(inputs, self.now);
            self.carry_out(turn);
        }
        panic!(
            "the world does not come to rest: {:?}",
            self.roster.poll_deadline()
        );
    }

    pub fn command(&mut self, command: Command) -> Result<Answer, crate::roster::Refusal> {
        let mut turn = self
            .roster
            .handle(vec![Input::Command(1, command)], self.now);
        let answer = turn.answers.pop().expect("an answer").1;
        self.carry_out(turn);
        answer
    }

    pub fn trigger(&mut self, name: &str) -> Result<RunId, crate::roster::Refusal> {
        let schedule = Name::parse(name).expect("a valid name");
        let command = Command::Trigger {
            schedule,
            window: None,
            by: "test".into(),
            mode: Mode::Act,
        };
        match self.command(command)? {
            Answer::Run(run) => Ok(run.id),
            other => panic!("{other:?}"),
        }
    }

    pub fn cancel(&mut self, run: &RunId) -> Result<Answer, crate::roster::Refusal> {
        self.command(Command::Cancel {
            run: run.clone(),
            by: "test".into(),
            mode: Mode::Act,
        })
    }

    /// The process is gone; errands that had reached the vendor have had their effect.
    pub fn crash(&mut self) {
        self.crashes += 1;
        self.coming
            .retain(|_, coming| matches!(coming, Coming::Callback(_)));
        let now = self.now + TimeDelta::seconds(2);
        self.restart_at(now);
    }

    pub fn restart_at(&mut self, now: DateTime<Utc>) {
        self.now = now;
        let open = self
            .kept
            .open
            .iter()
            .map(|id| self.kept.whole(id))
            .collect();
        let loaded = Loaded {
            marks: self.kept.marks.clone(),
            open,
            ledgers: self.kept.ledgers.clone(),
            rosters: self.kept.lists(|mark| mark.roster),
            seen: self.kept.lists(|mark| mark.seen),
            excluded: self.kept.excluded.clone(),
            doubt: self.kept.doubt(),
            silent_since: self.kept.silent_since(),
            ..Loaded::default()
        };
        let (roster, turn) = Roster::load(
            self.limits.clone(),
            loaded,
            self.schedules.clone(),
            self.now,
        );
        self.roster = roster;
        self.carry_out(turn);
    }

    /// Carries out a turn that a test has asked for itself.
    pub fn take(&mut self, turn: Turn) {
        self.carry_out(turn);
    }

    fn carry_out(&mut self, turn: Turn) {
        if self.logging == Logging::Story {
            self.tell(&turn);
        }
        for entry in &turn.entries {
            if entry.body["event"] == "submit_started" {
                let run = entry.run.as_deref().unwrap_or_default();
                let attempt = format!("{run}.p{}.a{}", entry.body["part"], entry.body["attempt"]);
                *self.authorised.entry(attempt).or_default() += 1;
            }
            let name = entry.body["event"].as_str().unwrap_or_default();
            match self.happened.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(self.happened.insert(name.to_owned(), 1)),
            }
            if self.logging != Logging::On {
                continue;
            }
            self.log.push(format!(
                "{} {} {}",
                self.now.to_rfc3339(),
                entry.run.as_deref().unwrap_or("-"),
                entry.body
            ));
        }
        for saved in turn.saved {
            self.kept.keep(saved);
        }
        for effect in turn.effects {
            self.perform(effect);
        }
    }

    pub(super) fn later(&mut self, seconds: i64, coming: Coming) {
        self.order += 1;
        self.coming
            .insert((self.now + TimeDelta::seconds(seconds), self.order), coming);
    }

    pub fn run(&self, id: &RunId) -> Run {
        self.kept.whole(id)
    }

    /// Jobs upstream that nobody waits for and nobody cancelled.
    pub fn orphans(&self) -> Vec<&Job> {
        self.jobs
            .iter()
            .filter(|job| job.seen.status == JobStatus::Submitted && job.ends_at > self.now)
            .filter(|job| !job.foreign && !self.kept.open.contains(&job.attempt.run))
            .collect()
    }

    pub fn count(&self, state: RunState) -> usize {
        self.kept
            .runs
            .values()
            .filter(|run| run.state == state)
            .count()
    }
}
