//! The roster's state and its turn.

use super::callbacks::Idle;
use super::claims::Claims;
use super::clock::Clock;
use super::dispatch::Hold;
use super::inflight::Inflight;
use super::listing::ListTrouble;
use super::newcomers::Newcomers;
use super::queues::Queues;
use super::reconcile::Reconciliation;
use super::same_cells::Askers;
use super::silence::{Callbacks, Ended};
use super::{Entry, Exclusion, Input, Limits, Loaded, Mark, Mode, Saved, Turn};
use crate::coverage::Ledger;
use crate::run::{
    CreateFailure, Event, Fault, FaultClass, Ignored, PartNumber, PartState, Run, RunId, settled,
    step,
};
use crate::schedule::{Name, Schedule};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Marks saved in one turn.
const MARKS_A_TURN: usize = 20_000;

/// A schedule as declared, and what is remembered of it.
#[derive(Debug)]
pub(super) struct Known {
    pub schedule: Arc<Schedule>,
    pub next: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

#[derive(Debug)]
pub struct Roster {
    pub(super) limits: Limits,
    pub(super) schedules: BTreeMap<Name, Known>,
    pub(super) marks: BTreeMap<Name, Mark>,
    /// When each schedule's next fire is due, jitter included.
    pub(super) fires: BTreeSet<(DateTime<Utc>, Name)>,
    pub(super) runs: BTreeMap<RunId, Run>,
    pub(super) queues: Queues,
    pub(super) askers: Askers,
    pub(super) inflight: Inflight,
    /// When the vendor's list is to be read next; meaningful while jobs are watched.
    pub(super) sweep_at: Option<DateTime<Utc>>,
    pub(super) last_list_at: Option<DateTime<Utc>>,
    /// Attempts whose job a whole list did not hold: they are asked for one by one.
    pub(super) suspects: BTreeSet<(RunId, PartNumber)>,
    pub(super) list_trouble: ListTrouble,
    /// Attempts open since before this start: what the first list says of them is reconciliation.
    pub(super) inherited: BTreeSet<(RunId, PartNumber)>,
    pub(super) hold: Option<Hold>,
    /// The landing folder cannot be written now.
    pub(super) landing_hold: Option<Hold>,
    pub(super) second_jobs: u64,
    pub(super) last_manual: Option<DateTime<Utc>>,
    /// Fires due before this fell due while no daemon ran.
    pub(super) started_at: DateTime<Utc>,
    pub(super) clock: Clock,
    pub(super) ledgers: BTreeMap<Name, Ledger>,
    pub(super) rosters: BTreeMap<Name, Arc<Vec<i64>>>,
    pub(super) newcomers: Newcomers,
    pub(super) excluded: BTreeMap<i64, Exclusion>,
    pub(super) idle_callbacks: Idle,
    pub(super) reconciliation: Reconciliation,
    pub(super) claims: Claims,
    pub(super) callbacks: Callbacks,
    pub(super) drift: BTreeSet<String>,
    /// Nothing new is begun: the daemon stops.
    stopping: bool,
    dirty: Dirty,
}

/// What this turn changed and must be saved.
#[derive(Debug, Default)]
struct Dirty {
    runs: BTreeSet<RunId>,
    parts: BTreeSet<(RunId, PartNumber)>,
    marks: BTreeSet<Name>,
    new: BTreeSet<RunId>,
    cells: BTreeSet<(Name, i64)>,
}

impl Roster {
    /// Takes up where the store left off. The turn holds what a restart changes: creates that were
    /// under way are unanswered now.
    pub fn load(
        limits: Limits,
        loaded: Loaded,
        schedules: Vec<Schedule>,
        now: DateTime<Utc>,
    ) -> (Roster, Turn) {
        let callbacks = Callbacks::begin(limits.poll_interval, loaded.silent_since);
        let mut roster = Roster {
            limits,
            schedules: BTreeMap::new(),
            marks: loaded.marks,
            fires: BTreeSet::new(),
            runs: BTreeMap::new(),
            queues: Queues::default(),
            askers: Askers::default(),
            inflight: Inflight::default(),
            sweep_at: Some(now),
            last_list_at: None,
            suspects: BTreeSet::new(),
            list_trouble: ListTrouble::default(),
            inherited: BTreeSet::new(),
            hold: None,
            landing_hold: None,
            second_jobs: 0,
            last_manual: None,
            started_at: now,
            clock: Clock::new(now),
            ledgers: loaded.ledgers,
            rosters: loaded.rosters,
            newcomers: Newcomers::begin(loaded.seen),
            excluded: loaded.excluded,
            idle_callbacks: Idle::default(),
            reconciliation: Reconciliation::begin(loaded.doubt, now),
            claims: Claims::default(),
            callbacks,
            drift: loaded.drift,
            stopping: false,
            dirty: Dirty::default(),
        };
        let mut turn = Turn::default();
        for run in loaded.open {
            roster.take_up(run, now, &mut turn);
        }
        roster.declare(schedules, Mode::Act, now, &mut turn);
        roster.finish(now, &mut turn);
        (roster, turn)
    }

    fn take_up(&mut self, run: Run, now: DateTime<Utc>, turn: &mut Turn) {
        let id = run.id.clone();
        self.inflight.inherit(&run);
        let mut interrupted = Vec::new();
        for part in run.parts.values() {
            if let (PartState::Submitting { .. }, Some(attempt)) = (&part.state, part.current()) {
                interrupted.push((part.number, attempt.number));
            }
            if part.state.holds_job() {
                self.inherited.insert((id.clone(), part.number));
            }
        }
        self.queues
            .refresh(&run, run.deadline_at(), &self.inflight.checked_at, now);
        self.askers.insert(&run);
        self.runs.insert(id.clone(), run);
        for (part, attempt) in interrupted {
            let words = "the daemon stopped before the create was answered";
            let fault = Fault::new(FaultClass::Unanswered, words);
            let failure = CreateFailure::Unanswered(fault);
            let _ = self.apply(
                &id,
                &Event::SubmitFailed {
                    part,
                    attempt,
                    failure,
                },
                now,
                turn,
            );
        }
    }

    /// One turn: `inputs` happened, it is `now`.
    pub fn handle(&mut self, inputs: Vec<Input>, now: DateTime<Utc>) -> Turn {
        let mut turn = Turn::default();
        for input in inputs {
            match input {
                Input::Callback { attempt, count } => {
                    self.handle_callback(attempt, count, now, &mut turn);
                }
                Input::Report(report) => self.handle_report(report, now, &mut turn),
                Input::Command(ticket, command) => {
                    let answer = self.handle_command(command, now, &mut turn);
                    turn.answers.push((ticket, answer));
                }
            }
        }
        self.note_repeated_callbacks(&mut turn);
        self.finish(now, &mut turn);
        turn
    }

    fn finish(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        if !self.stopping {
            self.mind_clock(now, turn);
            self.poll_hold(now, turn);
            if !self.reconciliation.holds(now) {
                self.poll_fires(now, turn);
                self.poll_newcomers(now, turn);
            }
            self.poll_runs(now, turn);
            self.callbacks.poll(now, turn);
            self.dispatch(now, turn);
        }
        self.tell_new_runs(turn);
        self.save(turn);
    }

    /// From now on facts are still folded, but nothing is begun; the next start goes on from there.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Marks that a turn changed and that none has saved yet.
    pub(super) fn has_unsaved_marks(&self) -> bool {
        !self.dirty.marks.is_empty()
    }

    /// Folds a fact into a run and notes what has to be saved. A fact that changes nothing is
    /// journalled only where it is evidence.
    pub(super) fn apply(
        &mut self,
        id: &RunId,
        event: &Event,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<(), Ignored> {
        let Some(run) = self.runs.get_mut(id) else {
            return Err(Ignored::Ended);
        };
        let was_terminal = run.state.is_terminal();
        let touched = step(run, event, now)?;
        if let Some(ended) = Ended::by(run, event) {
            self.callbacks.ended(ended, self.sweep_at, now);
        }
        turn.entries.push(Entry {
            schedule: Some(run.schedule.to_string()),
            run: Some(id.to_string()),
            body: event.body(),
        });
        if let Some((part, into)) = &touched.split {
            let words = run.parts.get(part).and_then(|part| part.fault.as_ref());
            let body = json!({
                "event": "part_split", "part": part, "into": into,
                "reason": words.map(|fault| &fault.message),
            });
            turn.entries.push(Entry {
                schedule: Some(run.schedule.to_string()),
                run: Some(id.to_string()),
                body,
            });
        }
        let became_terminal = run.state.is_terminal() && !was_terminal;
        self.dirty.runs.insert(id.clone());
        self.dirty
            .parts
            .extend(touched.parts.into_iter().map(|part| (id.clone(), part)));
        if let Event::Planned { .. } | Event::Widened { .. } = event {
            self.note_same_cells(id, turn);
        }
        if became_terminal {
            self.fold_cells(id, event);
            self.run_ended(id, now, turn);
        }
        Ok(())
    }

    /// Evidence about something that is not open any more.
    pub(super) fn note(&self, id: &RunId, body: Value, turn: &mut Turn) {
        turn.entries.push(Entry {
            schedule: Some(id.schedule().to_owned()),
            run: Some(id.to_string()),
            body,
        });
    }

    pub(super) fn note_schedule(&self, name: &Name, body: Value, turn: &mut Turn) {
        turn.entries.push(Entry {
            schedule: Some(name.to_string()),
            run: None,
            body,
        });
    }

    pub(super) fn adopt_new(&mut self, run: Run, turn: &mut Turn) {
        let id = run.id.clone();
        let body = json!({
            "event": "run_created", "trigger": run.trigger.as_str(), "state": run.state.as_str(),
            "nominal_at": run.nominal_at, "from": run.window.from, "to": run.window.to,
            "reason": run.reason, "properties": run.property_count,
        });
        self.note(&id, body, turn);
        if !run.properties.is_empty() {
            turn.saved.push(Saved::Roster {
                hash: run.roster.clone(),
                ids: Arc::clone(&run.properties),
            });
        }
        self.dirty.new.insert(id.clone());
        self.dirty.runs.insert(id.clone());
        self.runs.insert(id, run);
    }

    /// A run that comes with its parts.
    pub(super) fn adopt_whole(&mut self, run: Run, turn: &mut Turn) {
        let parts = run.parts.keys().map(|part| (run.id.clone(), *part));
        self.dirty.parts.extend(parts);
        self.askers.insert(&run);
        self.adopt_new(run, turn);
    }

    /// A run that had ended is opened again.
    pub(super) fn reopen(&mut self, run: Run) {
        let id = run.id.clone();
        self.askers.insert(&run);
        self.dirty.runs.insert(id.clone());
        self.dirty.new.insert(id.clone());
        self.runs.insert(id, run);
    }

    pub(super) fn touch_mark(&mut self, name: &Name) {
        self.dirty.marks.insert(name.clone());
    }

    /// These properties' lines changed.
    pub(super) fn touch_cells(&mut self, name: &Name, properties: Vec<i64>) {
        let cells = properties.into_iter();
        self.dirty
            .cells
            .extend(cells.map(|property| (name.clone(), property)));
    }

    /// This turn made the run, or opened it again.
    pub(super) fn is_new(&self, id: &RunId) -> bool {
        self.dirty.new.contains(id)
    }

    pub(super) fn is_dirty(&self) -> BTreeSet<RunId> {
        self.dirty.runs.clone()
    }

    /// Turns what changed into records, each once, and lets settled runs go.
    fn save(&mut self, turn: &mut Turn) {
        let dirty = std::mem::take(&mut self.dirty);
        for (id, number) in dirty.parts {
            let part = self.runs.get(&id).and_then(|run| run.parts.get(&number));
            if let Some(part) = part {
                turn.saved.push(Saved::Part {
                    run: id,
                    part: Box::new(part.clone()),
                });
            }
        }
        for id in dirty.runs {
            let Some(run) = self.runs.get(&id) else {
                continue;
            };
            let new = dirty.new.contains(&id);
            turn.saved.push(Saved::Run {
                run: Box::new(run.clone()),
                new,
            });
            if settled(run) {
                if let Some(run) = self.runs.remove(&id) {
                    self.queues.remove(&run);
                    self.askers.remove(&run);
                    self.claims.let_go(&run);
                }
                self.inflight.forget(&id);
                self.inherited.retain(|(run, _)| *run != id);
                self.suspects.retain(|(run, _)| *run != id);
                turn.saved.push(Saved::Closed(id));
            } else if new {
                turn.saved.push(Saved::Opened(id));
            }
        }
        for (schedule, property) in dirty.cells {
            let ledger = self.ledgers.get(&schedule);
            if let Some(line) = ledger.and_then(|ledger| ledger.line(property)) {
                turn.saved.push(Saved::Coverage {
                    schedule,
                    property,
                    line: line.clone(),
                });
            }
        }
        // A commit has a limit: with very many schedules the rest follows in the next turn.
        let mut marks = dirty.marks;
        if let Some(rest) = marks.iter().nth(MARKS_A_TURN).cloned() {
            self.dirty.marks = marks.split_off(&rest);
        }
        for name in marks {
            if let Some(mark) = self.marks.get(&name) {
                turn.saved.push(Saved::Mark(name, Box::new(mark.clone())));
            }
        }
    }
}
