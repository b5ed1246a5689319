//! What errands and callbacks bring becomes events of runs.

use super::roster::Hold;
use super::runs::{number, planned};
use super::{Listed, Report, Roster, Saved, Turn, plan};
use crate::run::{
    Artifact, AttemptId, CreateFailure, Event, Fault, FaultClass, JobSeen, JobStatus, LearnedBy,
    Part, PartState, Published, Run, RunId,
};
use crate::schedule::Chunk;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long creates pause after one could not be sent.
const HOLD: TimeDelta = TimeDelta::seconds(5);
/// A job seen this long before our create can still be ours: clocks differ.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(2);

impl Roster {
    /// A callback decides nothing; it brings the next check forward.
    pub(super) fn handle_callback(
        &mut self,
        id: AttemptId,
        count: u32,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let event = Event::CallbackHeard {
            part: id.part,
            attempt: id.number,
            count,
        };
        if let Err(why) = self.apply(&id.run, &event, now, turn) {
            let body = json!({
                "event": "callback_heard", "part": id.part, "attempt": id.number, "count": count,
                "changed": null, "because": why.to_string(),
            });
            self.note(&id.run, body, turn);
        }
    }

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
                    Err(fault) => self.list_broken(&fault, pause, now, turn),
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
            Report::Cancelled {
                attempt,
                job_id,
                outcome,
            } => {
                self.inflight
                    .cancels
                    .remove(&(attempt.clone(), job_id.clone()));
                self.cancelled(&attempt, job_id, outcome, now, turn);
            }
            Report::Asked { run, outcome } => self.asked(&run, outcome, now, turn),
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

    fn list_broken(
        &mut self,
        fault: &Fault,
        pause: TimeDelta,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let wish = fault
            .retry_after
            .and_then(|wish| TimeDelta::from_std(wish).ok());
        self.sweep_at = Some(now + wish.unwrap_or(pause.min(TimeDelta::seconds(15))));
        turn.entries.push(super::Entry {
            schedule: None,
            run: None,
            body: json!({"event": "list_broken", "class": fault.class, "error": fault.message}),
        });
        // What waited for this list waits for the next one.
        let lines = [&self.queues.find, &self.queues.check];
        let waiting: Vec<_> = lines
            .iter()
            .flat_map(|line| line.iter())
            .map(|(place, part)| (place.run.clone(), *part))
            .collect();
        for (run, part) in waiting {
            self.postpone_find(&run, part, now);
        }
    }

    fn postpone_find(&mut self, id: &RunId, part: u32, now: DateTime<Utc>) {
        let Some(run) = self.runs.get_mut(id) else {
            return;
        };
        if let Some(part) = run.parts.get_mut(&part)
            && let PartState::Unanswered { look_at, .. } = &mut part.state
        {
            *look_at = now + TimeDelta::seconds(5);
        }
        self.line_up(id, now);
    }

    /// One list answers for every open job.
    fn listed(
        &mut self,
        listed: &Listed,
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let by_id: BTreeMap<&str, &JobSeen> = listed
            .jobs
            .iter()
            .map(|(job, _)| (job.job_id.as_str(), job))
            .collect();
        let held: Vec<(RunId, u32)> = self
            .queues
            .holding
            .iter()
            .map(|(place, part)| (place.run.clone(), *part))
            .collect();
        for (id, number) in held {
            let Some(part) = self.runs.get(&id).and_then(|run| run.parts.get(&number)) else {
                continue;
            };
            match (
                &part.state,
                part.current().and_then(|attempt| attempt.job_id.as_deref()),
            ) {
                (PartState::Exporting { heard, .. }, Some(job_id)) => {
                    let by = self.learned_by(&id, number, heard.is_some());
                    let sighting = by_id.get(job_id).map(|job| (*job).clone());
                    self.swept(&id, number, sighting, listed.whole, by, asked_at, now, turn);
                }
                (PartState::Unanswered { .. }, _) => {
                    self.look_up(&id, number, listed, asked_at, now, turn);
                }
                _ => {}
            }
        }
        self.note_second_jobs(listed, now, turn);
    }

    fn learned_by(&self, id: &RunId, part: u32, heard: bool) -> LearnedBy {
        match (heard, self.inherited.contains(&(id.clone(), part))) {
            (true, _) => LearnedBy::Callback,
            (false, true) => LearnedBy::Reconcile,
            (false, false) => LearnedBy::Poll,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one sighting with all that is known of it"
    )]
    fn swept(
        &mut self,
        id: &RunId,
        part: u32,
        sighting: Option<JobSeen>,
        whole: bool,
        by: LearnedBy,
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let Some(attempt) = self
            .runs
            .get(id)
            .and_then(|run| run.parts.get(&part))
            .and_then(Part::current_number)
        else {
            return;
        };
        match sighting {
            Some(job) => {
                let event = Event::JobChecked {
                    part,
                    attempt,
                    job,
                    by,
                    asked_at,
                };
                // Most sweeps find most jobs as they were.
                let _ = self.apply(id, &event, now, turn);
            }
            None if whole => drop(self.suspects.insert((id.clone(), part))),
            None => {}
        }
    }

    /// Looks an unanswered create's job up: by the address it carries, else by what was asked for.
    fn look_up(
        &mut self,
        id: &RunId,
        number: u32,
        listed: &Listed,
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let Some(run) = self.runs.get(id) else { return };
        let Some(part) = run.parts.get(&number) else {
            return;
        };
        let Some(attempt) = part.current_number() else {
            return;
        };
        let mut found = self.matching(run, part, attempt, listed);
        let event = if found.is_empty() {
            if !listed.whole {
                return self.postpone_find(id, number, now);
            }
            Event::JobNotFound {
                part: number,
                attempt,
                asked_at,
            }
        } else {
            let job = found.remove(0);
            let extra = found.into_iter().map(|job| job.job_id).collect();
            Event::JobFound {
                part: number,
                attempt,
                job,
                extra,
            }
        };
        let _ = self.apply(id, &event, now, turn);
    }

    /// Candidates, the one to adopt first: alive before dead, then the oldest.
    fn matching(&self, run: &Run, part: &Part, attempt: u32, listed: &Listed) -> Vec<JobSeen> {
        let ours = AttemptId {
            run: run.id.clone(),
            part: part.number,
            number: attempt,
        };
        let mut found: Vec<JobSeen> = listed
            .jobs
            .iter()
            .filter(|(_, address)| address.as_ref() == Some(&ours))
            .map(|(job, _)| job.clone())
            .collect();
        if found.is_empty() {
            found = listed
                .jobs
                .iter()
                .filter(|(job, address)| {
                    address.is_none()
                        && job.callback_url.is_none()
                        && self.resembles(job, run, part)
                })
                .map(|(job, _)| job.clone())
                .take(1)
                .collect();
        }
        let dead = |job: &JobSeen| matches!(job.status, JobStatus::Failed | JobStatus::Cancelled);
        found.sort_by_key(|job| (dead(job), job.created_at));
        found
    }

    /// The same request, made at about the same time, and nobody else's job.
    fn resembles(&self, job: &JobSeen, run: &Run, part: &Part) -> bool {
        let since = part
            .current()
            .map_or(run.created_at, |attempt| attempt.started_at);
        let mut wanted = part.properties(&run.properties).to_vec();
        wanted.sort_unstable();
        job.report == Some(run.terms.report)
            && job.format == Some(run.terms.format)
            && job.window == Some(part.window)
            && job.property_ids == wanted
            && job.created_at.is_none_or(|at| at >= since - CLOCKS_DIFFER)
            && !self.adopted(&job.job_id)
    }

    fn adopted(&self, job_id: &str) -> bool {
        self.runs
            .values()
            .flat_map(|run| run.parts.values())
            .any(|part| {
                part.attempts
                    .iter()
                    .any(|attempt| attempt.job_id.as_deref() == Some(job_id))
            })
    }

    /// A live job with the address of an attempt that has adopted another: recorded and cancelled.
    fn note_second_jobs(&mut self, listed: &Listed, now: DateTime<Utc>, turn: &mut Turn) {
        for (job, address) in &listed.jobs {
            let Some(id) = address else { continue };
            if !matches!(job.status, JobStatus::Submitted | JobStatus::Unknown(_)) {
                continue;
            }
            let adopted = self
                .runs
                .get(&id.run)
                .and_then(|run| run.parts.get(&id.part))
                .and_then(|part| part.attempts.iter().find(|other| other.number == id.number))
                .and_then(|attempt| attempt.job_id.as_ref());
            if adopted.is_none_or(|known| *known == job.job_id) {
                continue;
            }
            let event = Event::SecondJobSeen {
                part: id.part,
                attempt: id.number,
                job_id: job.job_id.clone(),
            };
            if self.apply(&id.run, &event, now, turn).is_ok() {
                self.second_jobs += 1;
            }
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
            Err(fault) if fault.class == FaultClass::Gone => Event::JobAbsent {
                part,
                attempt,
                fault,
            },
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
        let (part, attempt) = (id.part, id.number);
        let event = match outcome {
            Ok(artifact) => Event::ArtifactFetched {
                part,
                attempt,
                artifact,
            },
            Err(fault) if needs_one_day_parts(&fault) => {
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
        self.inflight.publishes.retain(|_, run| run != id);
        let event = match outcome {
            Ok(published) => Event::RunPublished { published },
            Err(fault) if needs_one_day_parts(&fault) => {
                if self.replan(id, &fault, now, turn) {
                    return;
                }
                Event::PublishBroken { fault }
            }
            Err(fault) => Event::PublishBroken { fault },
        };
        if self.apply(id, &event, now, turn).is_ok()
            && let Event::RunPublished { published } = event
        {
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
        let chunk = Chunk {
            days: 1,
            ..run.terms.chunk
        };
        let first = run.parts.keys().last().copied().unwrap_or(0) + 1;
        let parts = number(plan::parts(&run.properties, run.window, chunk), first);
        let event = Event::Replanned {
            parts,
            because: fault.clone(),
        };
        let _ = self.apply(id, &event, now, turn);
        true
    }

    fn cancelled(
        &mut self,
        id: &AttemptId,
        job_id: String,
        outcome: Result<JobSeen, Fault>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let (part, attempt) = (id.part, id.number);
        let event = match outcome {
            Ok(job) => Event::CancelSettled {
                part,
                attempt,
                job_id,
                outcome: job.status.as_str().to_owned(),
            },
            // A job that has ended, or that is not there, needs no cancel.
            Err(fault) if matches!(fault.class, FaultClass::Gone | FaultClass::Invalid) => {
                Event::CancelSettled {
                    part,
                    attempt,
                    job_id,
                    outcome: fault.message,
                }
            }
            Err(fault) => Event::CancelBroken {
                part,
                attempt,
                job_id,
                fault,
            },
        };
        let _ = self.apply(&id.run, &event, now, turn);
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
                planned(run, Arc::new(ids))
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

/// Landing begins a fault so when a file cannot be split by day for want of a column.
fn needs_one_day_parts(fault: &Fault) -> bool {
    fault.class == FaultClass::Content && fault.message.starts_with("no date column")
}
