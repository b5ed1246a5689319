//! What an operator asks for.

use super::fires::window_of;
use super::{Answer, Command, Exclusion, Mode, Paused, Refusal, Roster, Turn};
use crate::run::{Event, Quarantine, Retrial, Run, RunId, RunState, Trigger};
use crate::schedule::{DAWN, Name, Overlap, Schedule, Window};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::sync::Arc;

impl Roster {
    pub(super) fn handle_command(
        &mut self,
        command: Command,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        let begins = matches!(
            command,
            Command::Trigger { .. } | Command::Backfill { .. } | Command::Retry { .. }
        );
        if begins && now < DAWN {
            return Err(Refusal::ClockUnset);
        }
        match command {
            Command::Trigger {
                schedule,
                window,
                by,
                mode,
            } => self.trigger(&schedule, window, &by, mode, now, turn),
            Command::Cancel { run, by, mode } => self.cancel(&run, &by, mode, now, turn),
            Command::Retry {
                run,
                what,
                by,
                mode,
            } => self.retry(*run, what, by, mode, now, turn),
            Command::Pause {
                schedule,
                reason,
                by,
                mode,
            } => self.pause(&schedule, reason, by, mode, now, turn),
            Command::Resume { schedule, by, mode } => self.resume(&schedule, &by, mode, now, turn),
            Command::Declare {
                schedules,
                by,
                mode,
            } => {
                let declared = self.declare(schedules, mode, now, turn);
                if mode == Mode::Act {
                    turn.entries.push(super::Entry {
                        schedule: None,
                        run: None,
                        body: json!({
                            "event": "reloaded", "by": by, "added": declared.added,
                            "changed": declared.changed, "removed": declared.removed,
                        }),
                    });
                }
                Ok(Answer::Declared(declared))
            }
            Command::CredentialChanged => {
                self.hold = None;
                let open: Vec<RunId> = self.runs.keys().cloned().collect();
                for id in open {
                    // Most runs do not wait for a credential.
                    let _ = self.apply(&id, &Event::CredentialChanged, now, turn);
                }
                Ok(Answer::Done)
            }
            Command::Coverage { schedule, window } => self.coverage(&schedule, window, now),
            Command::CellMap { schedule, window } => self.cell_map(&schedule, window, now),
            Command::Backfill { wanted, by, mode } => self.backfill(&wanted, &by, mode, now, turn),
            Command::Exclude {
                property,
                reason,
                by,
                mode,
            } => {
                let since = now;
                let exclusion = Exclusion { reason, by, since };
                self.exclude(property, exclusion, mode, turn)
            }
            Command::Include {
                property,
                reason,
                by,
                mode,
            } => self.include(property, reason, &by, mode, turn),
            Command::Properties => Ok(Answer::Properties(self.properties())),
            Command::Cell {
                schedule,
                property,
                day,
            } => self.cell(&schedule, property, day, now),
            Command::Note(body) => {
                turn.entries.push(super::Entry {
                    schedule: None,
                    run: None,
                    body,
                });
                Ok(Answer::Done)
            }
            Command::Snapshot => Ok(Answer::Snapshot(Box::new(self.snapshot(now)))),
            Command::Remember { entries, records } => Ok(turn.remember(entries, records)),
        }
    }

    pub(super) fn declared(&self, name: &Name) -> Result<Arc<Schedule>, Refusal> {
        self.schedules
            .get(name)
            .map(|known| Arc::clone(&known.schedule))
            .ok_or_else(|| Refusal::NoSchedule(name.to_string()))
    }

    fn trigger(
        &mut self,
        name: &Name,
        window: Option<Window>,
        by: &str,
        mode: Mode,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        let schedule = self.declared(name)?;
        self.refuse_if_paused(name)?;
        let window = window.unwrap_or_else(|| window_of(&schedule, now));
        self.may_trigger(&schedule, window)?;
        let id = self.manual_id(name, now);
        let run = self.new_run(&schedule, id, Trigger::Manual, now, window, now);
        if mode == Mode::Dry {
            return Ok(Answer::Run(Box::new(run)));
        }
        if schedule.overlap == Overlap::CancelOther {
            let others: Vec<RunId> = self.competing(name).map(|run| run.id.clone()).collect();
            for other in others {
                let reason = format!("superseded by the trigger of {by}");
                let _ = self.apply(&other, &Event::CancelledByOperator { reason }, now, turn);
            }
        }
        let id = run.id.clone();
        self.note(&id, json!({"event": "triggered", "by": by}), turn);
        self.adopt_new(run.clone(), turn);
        Ok(Answer::Run(Box::new(run)))
    }

    pub(super) fn refuse_if_paused(&self, name: &Name) -> Result<(), Refusal> {
        let paused = self.marks.get(name).and_then(|mark| mark.paused.as_ref());
        match paused {
            Some(paused) => Err(Refusal::Conflict {
                message: format!("`{name}` is paused: {}", paused.reason),
                run: None,
            }),
            None => Ok(()),
        }
    }

    fn may_trigger(&self, schedule: &Schedule, window: Window) -> Result<(), Refusal> {
        let name = &schedule.name;
        let conflict = |message: String, run: &Run| {
            Err(Refusal::Conflict {
                message,
                run: Some(run.id.clone()),
            })
        };
        if schedule.overlap == Overlap::CancelOther {
            return Ok(());
        }
        if let Some(run) = self.competing(name).find(|run| run.window == window) {
            return conflict(format!("`{}` exports {window} already", run.id), run);
        }
        let open = self.competing(name);
        let in_its_way = match schedule.overlap {
            Overlap::Skip => open.last(),
            Overlap::Queue => open.filter(|run| run.state == RunState::Queued).last(),
            Overlap::CancelOther | Overlap::Allow => None,
        };
        match in_its_way {
            Some(run) => conflict(
                format!(
                    "`{}` is open and `{name}` does not let another one wait",
                    run.id
                ),
                run,
            ),
            None => Ok(()),
        }
    }

    /// Two triggers never share an id, though they come in the same millisecond or the clock steps back.
    fn manual_id(&mut self, name: &Name, now: DateTime<Utc>) -> RunId {
        let at = self.manual_instant(now);
        RunId::of_trigger(name, at)
    }

    pub(super) fn manual_instant(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        let at = self
            .last_manual
            .map_or(now, |last| now.max(last + TimeDelta::milliseconds(1)));
        self.last_manual = Some(at);
        at
    }

    fn cancel(
        &mut self,
        id: &RunId,
        by: &str,
        mode: Mode,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        let open = self.runs.get(id).filter(|run| !run.state.is_terminal());
        let Some(run) = open.cloned() else {
            return Err(Refusal::NoRun(id.to_string()));
        };
        if self.inflight.publishes_run(id) {
            let message = format!("`{id}` is being published; it ends in a moment");
            return Err(Refusal::Conflict {
                message,
                run: Some(id.clone()),
            });
        }
        if mode == Mode::Dry {
            return Ok(Answer::Run(Box::new(run)));
        }
        let reason = format!("cancelled by {by}");
        let _ = self.apply(id, &Event::CancelledByOperator { reason }, now, turn);
        self.runs
            .get(id)
            .map(|run| Answer::Run(Box::new(run.clone())))
            .ok_or_else(|| Refusal::NoRun(id.to_string()))
    }

    fn retry(
        &mut self,
        run: Run,
        what: Retrial,
        by: String,
        mode: Mode,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        let id = run.id.clone();
        if let Some(open) = self.runs.get(&id) {
            let message = format!("`{id}` is still {}", open.state.as_str());
            return Err(Refusal::Conflict {
                message,
                run: Some(id),
            });
        }
        let failed = run
            .live_parts()
            .any(|part| part.state == crate::run::PartState::Abandoned);
        let hopeful = failed || (run.state == RunState::Failed);
        if !run.state.is_terminal() || !hopeful {
            let state = run.state.as_str();
            let message = format!("`{id}` is {state} and has no failed part to retry");
            return Err(Refusal::Conflict {
                message,
                run: Some(id),
            });
        }
        if let Some(message) = unfit(&run, what, failed) {
            return Err(Refusal::Conflict {
                message,
                run: Some(id),
            });
        }
        if mode == Mode::Dry {
            return Ok(Answer::Run(Box::new(run)));
        }
        self.reopen(run);
        let _ = self.apply(&id, &Event::RetriedByOperator { by, what }, now, turn);
        self.runs
            .get(&id)
            .map(|run| Answer::Run(Box::new(run.clone())))
            .ok_or_else(|| Refusal::NoRun(id.to_string()))
    }

    fn pause(
        &mut self,
        name: &Name,
        reason: String,
        by: String,
        mode: Mode,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        self.declared(name)?;
        let mark = self
            .marks
            .get_mut(name)
            .ok_or_else(|| Refusal::NoSchedule(name.to_string()))?;
        if let Some(paused) = &mark.paused {
            let message = format!("`{name}` is paused already: {}", paused.reason);
            return Err(Refusal::Conflict { message, run: None });
        }
        if mode == Mode::Dry {
            return Ok(Answer::Done);
        }
        let body = json!({"event": "paused", "by": by, "reason": reason});
        let since = now;
        mark.paused = Some(Box::new(Paused { since, reason, by }));
        self.touch_mark(name);
        self.note_schedule(name, body, turn);
        Ok(Answer::Done)
    }

    fn resume(
        &mut self,
        name: &Name,
        by: &str,
        mode: Mode,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        let schedule = self.declared(name)?;
        let paused = self
            .marks
            .get(name)
            .is_some_and(|mark| mark.paused.is_some());
        if !paused {
            let message = format!("`{name}` is not paused");
            return Err(Refusal::Conflict { message, run: None });
        }
        if mode == Mode::Dry {
            return Ok(Answer::Done);
        }
        // Fires that were due while it was paused are decided as such before it goes on.
        self.decide_now(&schedule, now, turn);
        if let Some(mark) = self.marks.get_mut(name) {
            mark.paused = None;
        }
        self.touch_mark(name);
        self.note_schedule(name, json!({"event": "resumed", "by": by}), turn);
        Ok(Answer::Done)
    }
}

/// Why a retrial does not fit a run, if it does not.
fn unfit(run: &Run, what: Retrial, failed: bool) -> Option<String> {
    let id = &run.id;
    let kept = run.quarantine == Some(Quarantine::Kept);
    match what {
        Retrial::Accept if !kept => Some(format!("no file of `{id}` is in quarantine")),
        Retrial::Parts if kept && !failed => Some(format!(
            "`{id}` failed its checks and has no failed part: `aptiqd retry {id} --accept` lands its files \
             as they are, `aptiqd trigger` exports the days anew"
        )),
        _ => None,
    }
}
