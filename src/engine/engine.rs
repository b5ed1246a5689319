//! One loop, one owner. A turn: take what came in, read the clock once, ask the roster, commit,
//! answer whoever waits, start the errands, sleep until something is due.

use super::handle::{Handle, Inbox, Message};
use super::{Errands, journal_log};
use crate::clock;
use crate::roster::{Answer, Effect, Input, Limits, Refusal, Report, Roster, Ticket, Turn};
use crate::run::{AttemptId, Run, RunId};
use crate::schedule::Schedule;
use crate::store::{self, Store, record};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Messages taken into one turn.
const BATCH_MAX: usize = 1_024;
/// Callbacks in one turn that are a crowd: the next turn lets it gather first.
const CROWD: usize = 16;
/// How long at most. A commit costs a `fdatasync` however many share it, and one connection alone never waits.
const GATHERING: Duration = Duration::from_millis(1);
/// The longest sleep: monotonic time stops while the machine is suspended, the wall clock is looked
/// at again at least this often.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// How long creates and publishes under way may still take when the daemon stops.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How the loop is set up.
pub struct Options {
    pub limits: Limits,
    pub schedules: Vec<Schedule>,
    /// Called once a turn, and at least this often if a period is given (the watchdog's).
    pub beat: Box<dyn Fn() + Send>,
    pub beat_period: Option<Duration>,
    /// Called with every run that ended, after its commit.
    pub ended: Box<dyn Fn(&crate::run::Run) + Send>,
}

/// Why the loop ended before it was asked to. The process must end as well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// Its words may hold what nobody should read; the log has its place.
    #[error("an errand panicked")]
    Panicked,
}

pub struct Engine<S: Store> {
    roster: Roster,
    store: Arc<S>,
    errands: Errands,
    running: JoinSet<Report>,
    /// Errands that may be dropped at any time: nothing is lost but their work.
    droppable: Vec<AbortHandle>,
    inbox: Inbox,
    options: Options,
    waiting: BTreeMap<Ticket, oneshot::Sender<Result<Answer, Refusal>>>,
    next_ticket: Ticket,
    first: Option<Turn>,
    started_at: DateTime<Utc>,
    /// Callbacks that the last turn took.
    heard: usize,
}

/// What one turn takes in.
#[derive(Default)]
struct Batch {
    callbacks: BTreeMap<AttemptId, Vec<oneshot::Sender<()>>>,
    inputs: Vec<Input>,
}

impl<S: Store> Engine<S> {
    /// Reads the state; nothing is written and no errand starts before [`Engine::run`].
    pub fn open(
        store: Arc<S>,
        errands: Errands,
        mut options: Options,
    ) -> Result<(Engine<S>, Handle), Error> {
        let now = clock::now();
        let loaded = record::load(&*store)?;
        let schedules = std::mem::take(&mut options.schedules);
        let (mut roster, first) = Roster::load(options.limits.clone(), loaded, schedules, now);
        if errands.public_url.is_some() {
            roster.expect_callbacks();
        }
        let (handle, inbox) = Handle::pair(store.position());
        let engine = Engine {
            roster,
            store,
            errands,
            running: JoinSet::new(),
            droppable: Vec::new(),
            inbox,
            options,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            first: Some(first),
            started_at: now,
            heard: 0,
        };
        Ok((engine, handle))
    }

    /// Runs until `stop`, then drains; an error means that nothing can be acknowledged any more.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        if let Some(first) = self.first.take() {
            self.carry_out(first, BTreeMap::new(), self.started_at)
                .await?;
        }
        loop {
            (self.options.beat)();
            let pause = self.pause();
            let mut messages = Vec::new();
            let mut batch = Batch::default();
            tokio::select! {
                () = stop.cancelled() => break,
                _ = self.inbox.messages.recv_many(&mut messages, BATCH_MAX) => {}
                Some(report) = self.running.join_next() => {
                    batch.inputs.push(Input::Report(report.map_err(|_| Error::Panicked)?));
                }
                () = tokio::time::sleep(pause) => {}
            }
            if self.heard >= CROWD && !messages.is_empty() {
                self.gather(&mut messages).await;
            }
            self.take_reports(&mut batch)?;
            for message in messages {
                self.take(message, &mut batch);
            }
            self.heard = batch.callbacks.values().map(Vec::len).sum();
            self.turn(batch).await?;
        }
        self.drain().await
    }

    fn pause(&self) -> Duration {
        let due = self.roster.poll_deadline().map(|(at, _)| {
            // A hair late rather than early: an early turn would find nothing due.
            (at - clock::now()).to_std().unwrap_or(Duration::ZERO) + Duration::from_millis(1)
        });
        let longest = self
            .options
            .beat_period
            .map_or(SLEEP_MAX, |period| period.min(SLEEP_MAX));
        due.map_or(longest, |due| due.min(longest))
    }

    /// Waits until nearly as many messages are there as the last turn had callbacks, or for a moment.
    async fn gather(&mut self, messages: &mut Vec<Message>) {
        let enough = (self.heard - self.heard / 8).min(BATCH_MAX);
        let gathering = async {
            while messages.len() < enough {
                let room = BATCH_MAX - messages.len();
                if self.inbox.messages.recv_many(messages, room).await == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(GATHERING, gathering).await;
        while messages.len() < BATCH_MAX
            && let Ok(message) = self.inbox.messages.try_recv()
        {
            messages.push(message);
        }
    }

    fn take_reports(&mut self, batch: &mut Batch) -> Result<(), Error> {
        while let Some(report) = self.running.try_join_next() {
            match report {
                Ok(report) => batch.inputs.push(Input::Report(report)),
                Err(end) if end.is_cancelled() => {}
                Err(_) => return Err(Error::Panicked),
            }
        }
        let notes = self.errands.api.new_drift();
        if !notes.is_empty() {
            batch.inputs.push(Input::Report(Report::Drifted { notes }));
        }
        Ok(())
    }

    fn take(&mut self, message: Message, batch: &mut Batch) {
        match message {
            Message::Callback { attempt, reply } => {
                batch.callbacks.entry(attempt).or_default().push(reply);
            }
            Message::Command { command, reply } => {
                self.next_ticket += 1;
                self.waiting.insert(self.next_ticket, reply);
                batch.inputs.push(Input::Command(self.next_ticket, command));
            }
        }
    }

    async fn turn(&mut self, batch: Batch) -> Result<(), Error> {
        let now = clock::now();
        let heard = batch
            .callbacks
            .iter()
            .map(|(attempt, replies)| Input::Callback {
                attempt: attempt.clone(),
                count: u32::try_from(replies.len()).unwrap_or(u32::MAX),
            });
        // What errands saw is older than the callbacks that came meanwhile.
        let inputs = batch
            .inputs
            .into_iter()
            .chain(heard.collect::<Vec<_>>())
            .collect();
        let turn = self.roster.handle(inputs, now);
        self.carry_out(turn, batch.callbacks, now).await
    }

    /// Commit, then answer, then act: in this order, always (laws 1 and 6).
    async fn carry_out(
        &mut self,
        turn: Turn,
        callbacks: BTreeMap<AttemptId, Vec<oneshot::Sender<()>>>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if turn.needs_commit() {
            let position = self.store.commit(record::commit_of(&turn, now)).await?;
            self.inbox.position.send_replace(position);
        }
        for reply in callbacks.into_values().flatten() {
            // Whoever hung up meanwhile needs no answer.
            let _ = reply.send(());
        }
        for entry in &turn.entries {
            journal_log::entry(entry);
        }
        for (ticket, answer) in turn.answers {
            if let Some(reply) = self.waiting.remove(&ticket) {
                let _ = reply.send(answer);
            }
        }
        for run in &turn.ended {
            (self.options.ended)(run);
        }
        for effect in turn.effects {
            self.start(effect);
        }
        Ok(())
    }

    fn start(&mut self, effect: Effect) {
        let store = Arc::clone(&self.store);
        let effect = match effect {
            Effect::RecallRuns { runs } => {
                self.running.spawn_blocking(move || Report::Recalled {
                    runs: recalled(&*store, runs),
                });
                return;
            }
            // What cannot be read is logged by the store itself.
            Effect::RecallOwners { jobs, since } => {
                self.running.spawn_blocking(move || Report::OwnersRecalled {
                    owned: record::owned(&*store, &jobs, since).ok(),
                });
                return;
            }
            other => other,
        };
        let must_finish = matches!(
            effect,
            Effect::SubmitJob { .. } | Effect::PublishRun { .. } | Effect::CancelJob { .. }
        );
        let errand = self.errands.clone().perform(effect);
        let handle = self.running.spawn(errand);
        if !must_finish {
            self.droppable.retain(|errand| !errand.is_finished());
            self.droppable.push(handle);
        }
    }

    /// Nothing new is begun; a create or a publish under way is let finish and recorded.
    async fn drain(mut self) -> Result<(), Error> {
        self.roster.stop();
        self.inbox.messages.close();
        for errand in self.droppable.drain(..) {
            errand.abort();
        }
        let deadline = tokio::time::Instant::now() + DRAIN_MAX;
        loop {
            let mut batch = Batch::default();
            while let Ok(message) = self.inbox.messages.try_recv() {
                self.take(message, &mut batch);
            }
            let joined = tokio::time::timeout_at(deadline, self.running.join_next()).await;
            let over = !matches!(joined, Ok(Some(_)));
            match joined {
                Ok(Some(Ok(report))) => batch.inputs.push(Input::Report(report)),
                Ok(Some(Err(end))) if end.is_panic() => return Err(Error::Panicked),
                _ => {}
            }
            self.turn(batch).await?;
            (self.options.beat)();
            if over {
                self.running.shutdown().await;
                return Ok(());
            }
        }
    }
}

/// What the store knows of `runs`; `None` if it cannot be read, which it has then logged itself.
pub fn recalled(
    store: &impl Store,
    runs: BTreeSet<RunId>,
) -> Option<BTreeMap<RunId, Option<Box<Run>>>> {
    let look = |id: RunId| {
        let run = record::run(store, id.as_str()).ok()?;
        Some((id, run.map(Box::new)))
    };
    runs.into_iter().map(look).collect()
}
