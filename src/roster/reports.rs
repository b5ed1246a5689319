//! What errands and callbacks bring becomes events of runs.

use super::dispatch::Hold;
use super::runs::{number, planned, roster_hash};
use super::{Report, Roster, Saved, Turn, plan};
use crate::run::{
    Artifact, AttemptId, CreateFailure, Event, Fault, FaultClass, JobSeen, Part, PartState,
    Published, Remedy, RunId,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::sync::Arc;

/// How long creates pause after one could not be sent.
const HOLD: TimeDelta = TimeDelta::seconds(5);

impl Roster {
    pub(super) fn handle_report(&mut self, report: Report, now: DateTime<Utc>, turn: &mut Turn) {
        match report {
            Report::Submitted { attempt, outcome } => self.submitted(attempt, outcome, now, turn),
            Report::Listed { asked_at, outcome } => {
                self.inflight.list = None;
                let pause = TimeDelta::from_std(self.limits.poll_interval).unwrap_or(HOLD);
                match outcome {
                    Ok(listed) => {
                        self.last_list_at = Some(now);
                        self.sweep_at = Some(asked_at + pause);
                        self.listed(&listed, asked_at, now, turn);
                        self.inherited.clear();
                    }
                    Err(fault) => {
                        self.reconcile_broken(pause, now);
                        self.list_broken(&fault, pause, now, turn);
                    }
                }
            }
            Report::Checked {
                attempt,
                asked_at,
                outcome,
            } => {
                self.inflight.checks.remove(&attempt);
                self.suspects.remove(&(attempt.run.clone(), attempt.part));
                self.checked(&attempt, asked_at, outcome, now, turn);
            }
            Report::Fetched { attempt, outcome } => self.fetched(&attempt, outcome, now, turn),
            Report::Published { run, outcome } => self.published(&run, outcome, now, turn),
            Report::Lost { run, parts } => {
                self.inflight.publishes.retain(|_, other| *other != run);
                self.heard_of_landing(None, now, turn);
                let _ = self.apply(&run, &Event::ArtifactsLost { parts }, now, turn);
            }
            Report::Cancelled {
                attempt,
                job_id,
                outcome,
            } => {
                self.inflight
                    .cancels
                    .remove(&(attempt.clone(), job_id.clone()));
                self.order_reported(&attempt, job_id, outcome, now, turn);
            }
            Report::Asked { run, outcome } => self.asked(&run, outcome, now, turn),
            Report::Recalled { runs } => self.recalled(runs, now, turn),
            Report::OwnersRecalled { owned } => self.owners_recalled(owned, now, turn),
            Report::Drifted { notes } => self.drifted(notes, turn),
        }
    }

    fn submitted(
        &mut self,
        id: AttemptId,
        outcome: Result<JobSeen, CreateFailure>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.inflight.submits.remove(&id);
        let (part, attempt) = (id.part, id.number);
        self.claims.heed(outcome.iter());
        let event = match outcome {
            Ok(job) => {
                self.hold = None;
                Event::SubmitAccepted { part, attempt, job }
            }
            Err(failure) => {
                self.hold_creates(&failure, now);
                Event::SubmitFailed {
                    part,
                    attempt,
                    failure,
                }
            }
        };
        if let Event::SubmitAccepted { .. } = &event {
            let pause = TimeDelta::from_std(self.limits.poll_interval).unwrap_or(HOLD);
            self.sweep_at = Some(match self.sweep_at {
                Some(at) if !self.queues.watch.is_empty() => at,
                _ => now + pause,
            });
        }
        if let Err(why) = self.apply(&id.run, &event, now, turn) {
            let mut body = event.body();
            body["because"] = why.to_string().into();
            self.note(&id.run, body, turn);
        }
    }

    /// What stopped one create would stop the next: they wait together, and one goes first.
    fn hold_creates(&mut self, failure: &CreateFailure, now: DateTime<Utc>) {
        let (CreateFailure::Unsent(fault) | CreateFailure::Refused(fault)) = failure else {
            return;
        };
        let shared = matches!(
            fault.class,
            FaultClass::Unreachable
                | FaultClass::Unanswered
                | FaultClass::Nonsense
                | FaultClass::Throttled
                | FaultClass::Credential
                | FaultClass::Quota
        );
        if shared {
            let wish = fault
                .retry_after
                .and_then(|wish| TimeDelta::from_std(wish).ok());
            let until = now + wish.unwrap_or(HOLD);
            self.hold = Some(Hold {
                until,
                fault: fault.clone(),
            });
        }
    }

    fn checked(
        &mut self,
        id: &AttemptId,
        asked_at: DateTime<Utc>,
        outcome: Result<JobSeen, Fault>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let (part, attempt) = (id.part, id.number);
        self.claims.heed(outcome.iter());
        let heard = self
            .runs
            .get(&id.run)
            .and_then(|run| run.parts.get(&part))
            .is_some_and(|part| matches!(part.state, PartState::Exporting { heard: Some(_), .. }));
        let event = match outcome {
            Ok(job) => {
                let by = self.learned_by(&id.run, part, heard);
                Event::JobChecked {
                    part,
                    attempt,
                    job,
                    by,
                    asked_at,
                }
            }
            // While lists break, a job that is not there is no more than one more answer amiss.
            Err(fault)
                if fault.class == FaultClass::Gone && self.list_trouble.lasting().is_none() =>
            {
                Event::JobAbsent {
                    part,
                    attempt,
                    fault,
                }
            }
            // That reads break for now is told already.
            Err(_) if self.list_trouble.lasting().is_some() => {
                return self.line_up(&id.run, now);
            }
            Err(fault) => {
                let body = json!({
                    "event": "check_broken", "part": part, "attempt": attempt,
                    "class": fault.class, "error": fault.message,
                });
                self.note(&id.run, body, turn);
                return self.line_up(&id.run, now);
            }
        };
        let _ = self.apply(&id.run, &event, now, turn);
        self.line_up(&id.run, now);
    }

    fn fetched(
        &mut self,
        id: &AttemptId,
        outcome: Result<Artifact, Fault>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.inflight.fetches.remove(id);
        self.heard_of_landing(outcome.as_ref().err(), now, turn);
        let (part, attempt) = (id.part, id.number);
        let event = match outcome {
            Ok(artifact) => Event::ArtifactFetched {
                part,
                attempt,
                artifact,
            },
            Err(fault) if fault.remedy == Some(Remedy::OneDayParts) => {
                if self.replan(&id.run, &fault, now, turn) {
                    return;
                }
                Event::FetchBroken {
                    part,
                    attempt,
                    fault,
                }
            }
            Err(fault) => Event::FetchBroken {
                part,
                attempt,
                fault,
            },
        };
        let _ = self.apply(&id.run, &event, now, turn);
    }

    fn published(
        &mut self,
        id: &RunId,
        outcome: Result<Box<Published>, Fault>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.inflight.publish_reported(id);
        self.heard_of_landing(outcome.as_ref().err(), now, turn);
        let event = match outcome {
            Ok(published) => Event::RunPublished { published },
            Err(fault) if fault.remedy == Some(Remedy::OneDayParts) => {
                if self.replan(id, &fault, now, turn) {
                    return;
                }
                Event::PublishBroken { fault }
            }
            Err(fault) if fault.remedy == Some(Remedy::WholePartitions) => {
                if self.widen(id, &fault, now, turn) {
                    return;
                }
                Event::PublishBroken { fault }
            }
            Err(fault) => Event::PublishBroken { fault },
        };
        if self.apply(id, &event, now, turn).is_ok()
            && let Event::RunPublished { published } = event
        {
            for body in &published.told {
                self.note(id, body.clone(), turn);
            }
            self.note_named_days(id, published.names_days);
            turn.saved.push(Saved::Files {
                run: id.clone(),
                files: published.files,
            });
        }
    }

    /// Cuts the run anew into parts of one day; `false` if it is cut so already.
    fn replan(&mut self, id: &RunId, fault: &Fault, now: DateTime<Utc>, turn: &mut Turn) -> bool {
        let Some(run) = self.runs.get(id) else {
            return true;
        };
        let longer = |part: &Part| part.window.len() > 1;
        if !run.live_parts().any(longer) {
            return false;
        }
        let chunk = run.terms.chunk.by_day();
        let first = run.parts.keys().last().copied().unwrap_or(0) + 1;
        let parts = number(plan::parts(&run.properties, run.window, chunk), first);
        let name = run.schedule.clone();
        let event = Event::Replanned {
            parts,
            because: fault.clone(),
        };
        let _ = self.apply(id, &event, now, turn);
        if let Some(mark) = self.marks.get_mut(&name) {
            mark.one_day_parts = true;
            self.touch_mark(&name);
        }
        true
    }

    /// Lets the run ask for all properties of its schedule; `false` if it does so already.
    fn widen(&mut self, id: &RunId, fault: &Fault, now: DateTime<Utc>, turn: &mut Turn) -> bool {
        let Some(run) = self.runs.get(id).filter(|run| !run.whole) else {
            return false;
        };
        let name = run.schedule.clone();
        let Some(known) = self.schedules.get(&name) else {
            return false;
        };
        let properties = Arc::new(self.wanted_now(&known.schedule, &run.properties));
        let roster = roster_hash(&properties);
        let first = run.parts.keys().last().copied().unwrap_or(0) + 1;
        let slices = plan::parts(&properties, run.window, run.terms.chunk);
        let event = Event::Widened {
            properties: Arc::clone(&properties),
            roster: roster.clone(),
            parts: number(slices, first),
            because: fault.clone(),
        };
        if self.apply(id, &event, now, turn).is_err() {
            return false;
        }
        turn.saved.push(Saved::Roster {
            hash: roster,
            ids: properties,
        });
        if let Some(mark) = self.marks.get_mut(&name) {
            mark.whole_partitions = true;
            self.touch_mark(&name);
        }
        true
    }

    fn asked(
        &mut self,
        id: &RunId,
        outcome: Result<Vec<i64>, Fault>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.inflight.asks.remove(id);
        let Some(run) = self.runs.get(id) else { return };
        let event = match outcome {
            Ok(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                let all = Arc::new(ids);
                let wanted = all.iter().copied();
                let wanted = wanted
                    .filter(|id| !self.excluded.contains_key(id))
                    .collect();
                let event = planned(run, Arc::new(wanted));
                let schedule = run.schedule.clone();
                self.remember_roster(&schedule, all, turn);
                event
            }
            Err(fault) => Event::PropertiesUnknown { fault },
        };
        if self.apply(id, &event, now, turn).is_ok()
            && let Event::Planned {
                properties, roster, ..
            } = event
        {
            turn.saved.push(Saved::Roster {
                hash: roster,
                ids: properties,
            });
        }
    }
}
