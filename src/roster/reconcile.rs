//! The vendor's list against what is remembered: every job there is ours and known, ours and lost
//! (its run is taken up again), ours and unwanted (cancelled), or foreign (never touched).

use super::lost::{Lost, is_live, is_wanted, regain, shell};
use super::taken_back::had_succeeded;
use super::{Cause, Doubt, Effect, Entry, Listed, Proof, Roster, Saved, Standing, Turn, standing};
use crate::run::{AttemptId, Event, JobStatus, LearnedBy, Run, RunId};
use crate::schedule::Name;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Between two readings of the list that nothing else asked for.
const EVERY: TimeDelta = TimeDelta::minutes(5);
/// Between two tries at a list that nothing waits for, while the state is in doubt.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// How long a state in doubt keeps creates and fires waiting for a whole list.
const HOLD_MAX: TimeDelta = TimeDelta::minutes(10);
/// How far back a state in doubt reads the list, whatever its schedules would catch up.
const BACK: (TimeDelta, TimeDelta) = (TimeDelta::days(1), TimeDelta::days(31));
/// Ended jobs remembered as needing nothing more.
pub(super) const JUDGED_MAX: usize = 50_000;

/// What reconciling remembers between two lists.
#[derive(Debug)]
pub(super) struct Reconciliation {
    due_at: DateTime<Utc>,
    doubt: Option<Doubt>,
    /// Until when creates and fires wait for the doubt to be settled.
    hold_until: Option<DateTime<Utc>>,
    /// Jobs whose runs are being looked up in the store.
    strangers: BTreeMap<String, Lost>,
    recalling: bool,
    /// The last list left nothing out.
    whole: bool,
    /// Ended jobs that need nothing more, and how they ended.
    judged: BTreeMap<String, JobStatus>,
    /// Jobs whose end was taken back, which has been told.
    pub unsaid: BTreeSet<String>,
    adopted: u64,
    cancelled: u64,
}

impl Reconciliation {
    pub fn begin(doubt: Option<Doubt>, now: DateTime<Utc>) -> Reconciliation {
        Reconciliation {
            due_at: now,
            hold_until: doubt.as_ref().map(|_| now + HOLD_MAX),
            doubt,
            strangers: BTreeMap::new(),
            recalling: false,
            whole: false,
            judged: BTreeMap::new(),
            unsaid: BTreeSet::new(),
            adopted: 0,
            cancelled: 0,
        }
    }

    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.due_at <= now
    }

    /// The clock was set back: what waits for an instant of it waits no longer.
    pub fn look_again(&mut self, now: DateTime<Utc>) {
        self.due_at = now;
        self.hold_until = self.hold_until.map(|until| until.min(now + HOLD_MAX));
    }

    /// Nothing new is begun before it is known what there is.
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.hold_until.is_some_and(|until| now < until)
    }

    /// Other schedules may want what the earlier ones did not.
    pub fn judge_anew(&mut self) {
        self.judged.clear();
    }

    /// The store may not know all that there is.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Why something is held, if it is.
    pub fn held_for(&self, now: DateTime<Utc>) -> Option<Cause> {
        let doubt = self.doubt.as_ref().filter(|_| self.holds(now));
        doubt.map(|doubt| doubt.cause)
    }

    /// When the list is wanted.
    pub fn due_at(&self) -> DateTime<Utc> {
        self.due_at
    }
}

impl Roster {
    /// How far back the list must be read, if the state is in doubt.
    pub(super) fn doubt_back_to(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.reconciliation.doubt.as_ref()?;
        let ages = self
            .schedules
            .values()
            .filter_map(|known| TimeDelta::from_std(known.schedule.catch_up.max_age).ok());
        let age = ages.max().unwrap_or(BACK.0);
        Some(now - age.clamp(BACK.0, BACK.1))
    }

    /// Until when nothing new is begun, if so.
    pub(super) fn hold_until(&self) -> Option<DateTime<Utc>> {
        self.reconciliation.hold_until
    }

    /// Ends a hold that has lasted too long; says so.
    pub(super) fn poll_hold(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        let due = self
            .reconciliation
            .hold_until
            .is_some_and(|until| until <= now);
        if due {
            self.reconciliation.hold_until = None;
            turn.entries.push(Entry {
                schedule: None,
                run: None,
                body: json!({"event": "reconciliation_overdue", "held": HOLD_MAX.num_seconds()}),
            });
        }
    }

    /// The list could not be had.
    pub(super) fn reconcile_broken(&mut self, pause: TimeDelta, now: DateTime<Utc>) {
        let state = &mut self.reconciliation;
        let soon = pause.min(TimeDelta::seconds(15));
        state.due_at = match &state.doubt {
            // A new state has most likely nothing to find: it does not wait for a second try.
            Some(doubt) if !doubt.is_grave() => {
                state.hold_until = None;
                now + AGAIN
            }
            Some(_) if state.hold_until.is_some() => now + soon,
            Some(_) => now + AGAIN,
            None => now + EVERY,
        };
    }

    /// Judges every job of a list.
    pub(super) fn reconcile(
        &mut self,
        listed: &Listed,
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.reconciliation.due_at = asked_at + EVERY;
        for (job, address) in &listed.jobs {
            let unproven = || {
                let attempt = listed.unproven.get(&job.job_id)?;
                let in_doubt = self.reconciliation.doubt.is_some();
                in_doubt.then_some((attempt, Proof::Form))
            };
            let ours = address.as_ref().map(|id| (id, Proof::Mac));
            let Some((attempt, proof)) = ours.or_else(unproven) else {
                continue;
            };
            // Most of a list is long settled.
            let judged = self.reconciliation.judged.get(&job.job_id);
            if judged == Some(&job.status) && !self.runs.contains_key(&attempt.run) {
                continue;
            }
            if let Some(was) = judged.cloned() {
                self.note_taken_back(attempt, job, was.as_str(), turn);
            }
            self.meet(
                Lost {
                    job: job.clone(),
                    attempt: attempt.clone(),
                    proof,
                    asked_at,
                },
                now,
                turn,
            );
        }
        self.reconciliation.whole = listed.whole;
        self.recall(turn);
        if listed.whole {
            self.settle_doubt(turn);
        } else if self.reconciliation.doubt.is_some() {
            self.reconciliation.due_at = now + TimeDelta::seconds(5);
        }
    }

    fn meet(&mut self, lost: Lost, now: DateTime<Utc>, turn: &mut Turn) {
        let run = self.runs.get(&lost.attempt.run);
        match standing(run, &lost.job, &lost.attempt, lost.asked_at) {
            Standing::Stranger => {
                let strangers = &mut self.reconciliation.strangers;
                strangers.insert(lost.job.job_id.clone(), lost);
            }
            standing => self.act_upon(standing, &lost, now, turn),
        }
    }

    /// Does what the standing of a job of an open run calls for.
    fn act_upon(&mut self, standing: Standing, lost: &Lost, now: DateTime<Utc>, turn: &mut Turn) {
        let AttemptId { run, part, number } = &lost.attempt;
        let (part, attempt, job_id) = (*part, *number, lost.job.job_id.clone());
        let event = match standing {
            Standing::Adopt => {
                let started = Event::SubmitStarted { part, attempt };
                if self.apply(run, &started, now, turn).is_err() {
                    return;
                }
                self.reconciliation.adopted += 1;
                Event::JobFound {
                    part,
                    attempt,
                    job: lost.job.clone(),
                    extra: Vec::new(),
                }
            }
            Standing::Second if lost.proof == Proof::Mac => Event::SecondJobSeen {
                part,
                attempt,
                job_id,
            },
            Standing::Unwanted if lost.proof == Proof::Mac => Event::JobUnwanted {
                part,
                attempt,
                job_id,
            },
            _ => return,
        };
        // One that was ordered before, and given up, is no other job.
        let known = self.runs.get(run).is_some_and(|run| {
            let mut attempts = run.parts.values().flat_map(|part| &part.attempts);
            attempts.any(|attempt| attempt.was_ordered(&lost.job.job_id))
        });
        let taken = self.apply(run, &event, now, turn).is_ok();
        if taken && !known && !matches!(event, Event::JobFound { .. }) {
            self.second_jobs += 1;
            self.reconciliation.cancelled += 1;
        }
    }

    /// Asks the store about runs that are not open.
    fn recall(&mut self, turn: &mut Turn) {
        let state = &mut self.reconciliation;
        if state.recalling || state.strangers.is_empty() {
            return;
        }
        state.recalling = true;
        let runs = state
            .strangers
            .values()
            .map(|lost| lost.attempt.run.clone());
        let runs = runs.collect();
        turn.effects.push(Effect::RecallRuns { runs });
    }

    /// The store has answered which of the runs it knows; `None`: it could not.
    pub(super) fn recalled(
        &mut self,
        runs: Option<BTreeMap<RunId, Option<Box<Run>>>>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.reconciliation.recalling = false;
        let strangers = std::mem::take(&mut self.reconciliation.strangers);
        let Some(mut runs) = runs else {
            return;
        };
        let mut by_run: BTreeMap<RunId, Vec<Lost>> = BTreeMap::new();
        for lost in strangers.into_values() {
            by_run
                .entry(lost.attempt.run.clone())
                .or_default()
                .push(lost);
        }
        for (id, jobs) in by_run {
            if self.runs.contains_key(&id) {
                // Opened meanwhile: the next list meets it.
                continue;
            }
            match runs.remove(&id) {
                Some(Some(run)) => self.meet_ended(*run, jobs, now, turn),
                Some(None) => self.take_up_lost(&id, jobs, now, turn),
                None => {}
            }
        }
        self.settle_doubt(turn);
    }

    /// Jobs of a run that has ended.
    fn meet_ended(&mut self, run: Run, jobs: Vec<Lost>, now: DateTime<Utc>, turn: &mut Turn) {
        let (stray, settled): (Vec<Lost>, Vec<Lost>) = jobs.into_iter().partition(|lost| {
            let stands = standing(Some(&run), &lost.job, &lost.attempt, lost.asked_at);
            matches!(stands, Standing::Second | Standing::Unwanted) && lost.proof == Proof::Mac
        });
        for lost in &settled {
            if had_succeeded(&run, lost) {
                self.note_taken_back(&lost.attempt, &lost.job, "succeeded", turn);
            }
        }
        self.judge(&settled);
        if stray.is_empty() || !run.state.is_terminal() {
            return;
        }
        self.reopen(run);
        for lost in stray {
            let run = self.runs.get(&lost.attempt.run);
            let stands = standing(run, &lost.job, &lost.attempt, lost.asked_at);
            self.act_upon(stands, &lost, now, turn);
        }
    }

    fn judge(&mut self, jobs: &[Lost]) {
        let judged = &mut self.reconciliation.judged;
        if judged.len() > JUDGED_MAX {
            judged.clear();
        }
        let ended = jobs.iter().filter(|lost| !is_live(&lost.job));
        judged.extend(ended.map(|lost| (lost.job.job_id.clone(), lost.job.status.clone())));
    }

    /// Jobs of a run that nobody remembers: it goes on, or they are cancelled.
    fn take_up_lost(&mut self, id: &RunId, jobs: Vec<Lost>, now: DateTime<Utc>, turn: &mut Turn) {
        self.judge(&jobs);
        let name = Name::parse(id.schedule()).ok();
        let known = name.as_ref().and_then(|name| self.schedules.get(name));
        let ledger = name.as_ref().and_then(|name| self.ledgers.get(name));
        let settle = self.limits.submit_settle;
        let regained = known.and_then(|known| {
            let schedule = &known.schedule;
            let wanted = |lost: &Lost| is_wanted(schedule, ledger, &lost.job, now);
            let excluded = self.excluded.keys().copied().collect();
            jobs.iter()
                .any(wanted)
                .then(|| regain(schedule, id, &jobs, &excluded, settle, now))?
        });
        if let Some(regained) = regained {
            self.reconciliation.adopted += 1;
            let jobs: Vec<&str> = jobs.iter().map(|lost| lost.job.job_id.as_str()).collect();
            let body = json!({"event": "run_regained", "jobs": jobs});
            self.adopt_whole(regained.run, turn);
            self.note(id, body, turn);
            for (part, attempt, job) in regained.seen {
                let event = Event::JobChecked {
                    part,
                    attempt,
                    job,
                    by: LearnedBy::Reconcile,
                    asked_at: now,
                };
                // A job that still runs is as it was taken up.
                let _ = self.apply(id, &event, now, turn);
            }
            return;
        }
        let live = |lost: &Lost| is_live(&lost.job) && lost.proof == Proof::Mac;
        let stray: Vec<Lost> = jobs.into_iter().filter(live).collect();
        if let Some(run) = shell(id, &stray, settle, now) {
            self.adopt_whole(run, turn);
            for lost in stray {
                self.act_upon(Standing::Unwanted, &lost, now, turn);
            }
        }
    }

    /// The whole list was judged, and the store has answered: what there is, is known.
    fn settle_doubt(&mut self, turn: &mut Turn) {
        let state = &mut self.reconciliation;
        if state.recalling || !state.whole || state.doubt.is_none() {
            return;
        }
        let doubt = state.doubt.take();
        state.hold_until = None;
        turn.saved.push(Saved::Setting {
            key: Doubt::KEY.to_owned(),
            value: None,
        });
        let (adopted, cancelled) = (state.adopted, state.cancelled);
        let grave = doubt.is_some_and(|doubt| doubt.is_grave());
        if grave || adopted + cancelled > 0 {
            turn.entries.push(Entry {
                schedule: None,
                run: None,
                body: json!({"event": "reconciled", "adopted": adopted, "cancelled": cancelled}),
            });
        }
    }
}
