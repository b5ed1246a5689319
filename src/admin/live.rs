//! The running daemon behind the routes: reads of the store, snapshots and commands of the engine.

use super::daemon::{Actor, Daemon, EventFilter, Intent, RunFilter};
use super::outside::{NotReloaded, Outside, Vitals};
use super::scrape::{self, Sources};
use super::tally::Tally;
use super::view::{self, Code};
use super::{Refusal, health, listing, present};
use crate::clock;
use crate::engine::{Asked, Handle};
use crate::roster::{self, Answer, Command, Mode, Snapshot};
use crate::run::{Quarantine, Retrial, Run, RunId};
use crate::schedule::{Name, Window};
use crate::store::{self, Sequence, Store, record};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Everything the admin side needs of a running daemon.
pub struct Live<S, O> {
    store: Arc<S>,
    handle: Handle,
    pub(super) outside: O,
    tally: Tally,
    began: DateTime<Utc>,
}

impl<S: Store, O: Outside> Live<S, O> {
    pub fn new(store: Arc<S>, handle: Handle, outside: O, tally: Tally) -> Live<S, O> {
        Live {
            store,
            handle,
            outside,
            tally,
            began: clock::now(),
        }
    }

    pub(super) async fn ask(&self, command: Command) -> Result<Answer, Refusal> {
        self.handle.ask(command).await.map_err(refusal)
    }

    pub(super) async fn snapshot(&self) -> Result<Snapshot, Refusal> {
        match self.ask(Command::Snapshot).await? {
            Answer::Snapshot(snapshot) => Ok(*snapshot),
            _ => Err(unexpected()),
        }
    }

    /// A read of the store, off the runtime's threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&S) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(&self.store);
        let read = tokio::task::spawn_blocking(move || read(&store)).await;
        read.map_err(|_| Refusal::unavailable("a read of the store ended abnormally"))?
            .map_err(|error| Refusal::unavailable(format!("the store cannot be read: {error}")))
    }

    async fn stored(&self, id: &RunId) -> Result<Run, Refusal> {
        let wanted = id.clone();
        let run = self.read(move |store| record::run(store, wanted.as_str()));
        run.await?.ok_or_else(|| Refusal::unknown_run(id.as_str()))
    }

    /// Property-days by schedule that were due and are in no file.
    async fn missing(&self, snapshot: &Snapshot) -> Result<BTreeMap<String, u64>, Refusal> {
        let mut missing = BTreeMap::new();
        for now in &snapshot.schedules {
            let command = Command::Coverage {
                schedule: now.schedule.name.clone(),
                window: None,
            };
            // One that a reload has just removed has nothing missing.
            if let Ok(Answer::Coverage(coverage)) = self.handle.ask(command).await {
                let tally = coverage.tally;
                missing.insert(now.schedule.name.to_string(), tally.missing + tally.failed);
            }
        }
        Ok(missing)
    }

    async fn one_schedule(&self, name: &Name) -> Result<view::ScheduleStatus, Refusal> {
        let snapshot = self.snapshot().await?;
        let now = snapshot.schedules.iter();
        let now = now.clone().find(|now| now.schedule.name == *name);
        now.map(|now| health::schedule(now, &snapshot))
            .ok_or_else(|| Refusal::unknown_schedule(name.as_str()))
    }

    pub(super) fn vitals(&self) -> Vitals {
        let mut vitals = self.outside.vitals();
        vitals.callbacks.share = self.tally.counts().callback_share();
        if !self.handle.is_open() {
            vitals.ready = Err("the engine is stopping".to_owned());
        }
        vitals
    }
}

fn refusal(asked: Asked) -> Refusal {
    match asked {
        Asked::Refused(roster::Refusal::NoSchedule(name)) => Refusal::unknown_schedule(&name),
        Asked::Refused(roster::Refusal::NoRun(id)) => Refusal::unknown_run(&id),
        Asked::Refused(refusal @ roster::Refusal::ClockUnset) => {
            Refusal::unavailable(refusal.to_string())
        }
        Asked::Refused(roster::Refusal::Conflict { message, run }) => {
            let help = run.map_or("aptiqd status".to_owned(), |run| {
                format!("aptiqd show {run}")
            });
            Refusal::new(Code::Conflict, message, help)
        }
        Asked::Stopping => Refusal::unavailable("the daemon is stopping"),
    }
}

pub(super) fn unexpected() -> Refusal {
    Refusal::unavailable("the engine gave another kind of answer")
}

pub(super) fn mode(intent: Intent) -> Mode {
    match intent {
        Intent::Perform => Mode::Act,
        Intent::DryRun => Mode::Dry,
    }
}

fn one_run(answer: &Answer) -> Result<view::Run, Refusal> {
    match answer {
        Answer::Run(run) => Ok(present::whole_run(run)),
        _ => Err(unexpected()),
    }
}

impl<S: Store, O: Outside> Daemon for Live<S, O> {
    async fn status(&self) -> Result<view::Status, Refusal> {
        let snapshot = self.snapshot().await?;
        let mut vitals = self.vitals();
        let callbacks = &snapshot.callbacks;
        vitals.callbacks.lead_seconds = callbacks.lead.map(|lead| lead.as_secs_f64());
        vitals.callbacks.last_heard_at = callbacks.last_heard_at;
        vitals.callbacks.silent_since = callbacks.silent_since;
        let config = self.outside.config();
        let schedules: Vec<view::ScheduleStatus> = snapshot
            .schedules
            .iter()
            .map(|now| health::schedule(now, &snapshot))
            .collect();
        let attention = health::attention(&schedules, &vitals, &config, &snapshot);
        let mut runs: Vec<view::Run> = snapshot
            .open
            .iter()
            .map(|open| present::whole_run(&open.run))
            .collect();
        runs.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(view::Status {
            schema: "aptiqd.status/1".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: vitals.ready.is_ok(),
            since: self.began,
            attention,
            schedules,
            runs,
            jobs_in_flight: snapshot.jobs_in_flight as u64,
            callbacks: vitals.callbacks,
            credential: vitals.credential,
            config,
            store: view::StoreHealth {
                position: self.store.position(),
                free_bytes: vitals.store_free_bytes,
            },
            landing: vitals.landing,
        })
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<view::Run>, Refusal> {
        let schedule = filter.schedule.clone();
        let runs = self
            .read(move |store| listing::runs(store, &filter))
            .await?;
        // A schedule that is gone may still have runs; a name that never was has none.
        if let (true, Some(name)) = (runs.is_empty(), schedule) {
            let snapshot = self.snapshot().await?;
            if !snapshot
                .schedules
                .iter()
                .any(|now| now.schedule.name == name)
            {
                return Err(Refusal::unknown_schedule(name.as_str()));
            }
        }
        Ok(runs)
    }

    async fn run(&self, id: RunId) -> Result<view::RunDetail, Refusal> {
        let run = self.stored(&id).await?;
        let events = self.read(move |store| listing::events_of_run(store, &id));
        Ok(present::detail(&run, events.await?))
    }

    async fn events(
        &self,
        filter: EventFilter,
        after: Sequence,
        limit: usize,
    ) -> Result<(Vec<view::Event>, Sequence), Refusal> {
        let read = move |store: &S| listing::events(store, &filter, after, limit);
        self.read(read).await
    }

    fn position(&self) -> watch::Receiver<Sequence> {
        self.handle.position()
    }

    fn ready(&self) -> Result<(), String> {
        self.vitals().ready
    }

    async fn metrics(&self) -> Result<String, Refusal> {
        let snapshot = self.snapshot().await?;
        let vitals = self.vitals();
        let counts = self.tally.counts().clone();
        let missing = self.missing(&snapshot).await?;
        Ok(scrape::render(&Sources {
            snapshot: &snapshot,
            counts: &counts,
            vitals: &vitals,
            reload_ok: self.outside.config().ok,
            missing: &missing,
            position: self.store.position(),
            began: self.began,
        }))
    }

    async fn reload(&self, actor: Actor, intent: Intent) -> Result<view::Reload, Refusal> {
        let reloaded = self.outside.reload(actor.label(), mode(intent)).await;
        let reloaded = reloaded.map_err(|why| match why {
            NotReloaded::Faults(faults) => broken_config(faults),
            NotReloaded::Asked(asked) => refusal(asked),
        })?;
        let names = |names: Vec<Name>| names.into_iter().map(String::from).collect();
        Ok(view::Reload {
            schema: "aptiqd.reload/1".to_owned(),
            added: names(reloaded.declared.added),
            changed: names(reloaded.declared.changed),
            removed: names(reloaded.declared.removed),
            notifiers: reloaded.notifiers,
            callback_keys: reloaded.callback_keys,
            needs_restart: reloaded
                .needs_restart
                .into_iter()
                .map(str::to_owned)
                .collect(),
            dry_run: intent == Intent::DryRun,
        })
    }

    async fn trigger(
        &self,
        schedule: Name,
        window: Option<Window>,
        actor: Actor,
        intent: Intent,
    ) -> Result<view::Run, Refusal> {
        let command = Command::Trigger {
            schedule,
            window,
            by: actor.label(),
            mode: mode(intent),
        };
        let answer = self.ask(command).await?;
        let mut shown = one_run(&answer)?;
        // Only a run that begins is cut into parts; a dry one says how many there would be.
        if let (Intent::DryRun, Answer::Run(run)) = (intent, &answer) {
            let parts = roster::plan::parts(&run.properties, run.window, run.terms.chunk);
            shown.parts.total = parts.len() as u64;
        }
        Ok(shown)
    }

    async fn pause(
        &self,
        schedule: Name,
        reason: String,
        actor: Actor,
        intent: Intent,
    ) -> Result<view::ScheduleStatus, Refusal> {
        let command = Command::Pause {
            schedule: schedule.clone(),
            reason,
            by: actor.label(),
            mode: mode(intent),
        };
        self.ask(command).await?;
        self.one_schedule(&schedule).await
    }

    async fn resume(
        &self,
        schedule: Name,
        actor: Actor,
        intent: Intent,
    ) -> Result<view::ScheduleStatus, Refusal> {
        let command = Command::Resume {
            schedule: schedule.clone(),
            by: actor.label(),
            mode: mode(intent),
        };
        self.ask(command).await?;
        self.one_schedule(&schedule).await
    }

    async fn cancel(&self, run: RunId, actor: Actor, intent: Intent) -> Result<view::Run, Refusal> {
        let command = Command::Cancel {
            run: run.clone(),
            by: actor.label(),
            mode: mode(intent),
        };
        match self.ask(command).await {
            // The engine knows open runs only; one that has ended is a conflict, not unknown.
            Err(refusal) if refusal.error.code == Code::UnknownRun => {
                let ended = self.stored(&run).await?;
                let message = format!("{run} has ended: {}", ended.state.as_str());
                Err(Refusal::new(
                    Code::Conflict,
                    message,
                    format!("aptiqd show {run}"),
                ))
            }
            answer => one_run(&answer?),
        }
    }

    async fn retry(
        &self,
        run: RunId,
        what: Retrial,
        actor: Actor,
        intent: Intent,
    ) -> Result<view::Run, Refusal> {
        let stored = self.stored(&run).await?;
        // Nobody can look at files that are gone, nor can they be landed as they are.
        if what == Retrial::Accept
            && stored.quarantine == Some(Quarantine::Kept)
            && let Some(gone) = self.outside.raw_gone(&stored).first()
        {
            let Window { from, to } = stored.window;
            let message = format!("the files of {run} are not there any more: {gone} is gone");
            let help = format!("aptiqd trigger {} --from {from} --to {to}", stored.schedule);
            return Err(Refusal::new(Code::Conflict, message, help));
        }
        let command = Command::Retry {
            run: Box::new(stored),
            what,
            by: actor.label(),
            mode: mode(intent),
        };
        one_run(&self.ask(command).await?)
    }
}

fn broken_config(faults: Vec<view::Fault>) -> Refusal {
    let first = faults.first().map_or(String::new(), |fault| {
        format!(
            ": {}:{}:{}: {}",
            fault.file, fault.line, fault.column, fault.message
        )
    });
    let s = if faults.len() == 1 { "" } else { "s" };
    let message = format!("the schedules have {} fault{s}{first}", faults.len());
    let mut refusal = Refusal::new(
        Code::Config,
        message,
        "`aptiqd check` shows them all; nothing was changed",
    );
    refusal.faults = faults;
    refusal
}
