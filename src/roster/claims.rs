//! The job of an unanswered create where no job carries our address: told by what was asked for and when, if
//! that leaves no doubt; else it is nobody's.

use super::{Effect, Entry, Listed, Roster, Turn};
use crate::run::{Attempt, AttemptId, Event, JobSeen, Part, PartState, Run};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A job that seems to be this much older than our create can still be its, if the vendor's clock is unknown:
/// machines that keep time are no further apart.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);
/// What a time in whole seconds has lost at most.
const CUT: TimeDelta = TimeDelta::seconds(1);
/// A run that ended this long before our create owns no job that it can have made, whatever clocks did meanwhile.
const ENDED_BEFORE: TimeDelta = TimeDelta::hours(1);
/// Jobs that are looked into for one create, and named in an event.
const JOBS_MAX: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The vendor was seen to show an address in a job.
    pub echoes: bool,
    /// Attempts, and what may be their jobs, while the store is asked whose those are.
    asked: BTreeMap<AttemptId, Claim>,
    /// The store's answer is on its way.
    asking: bool,
    /// Jobs of runs that were let go since it was asked.
    let_go: BTreeSet<String>,
    /// Attempts whose ambiguity has been told.
    told: BTreeSet<AttemptId>,
}

#[derive(Debug)]
struct Claim {
    jobs: Vec<JobSeen>,
    begun: DateTime<Utc>,
    /// The list they were in.
    asked_at: DateTime<Utc>,
    whole: bool,
}

impl Claims {
    /// Jobs that the vendor has shown.
    pub fn heed<'a>(&mut self, mut jobs: impl Iterator<Item = &'a JobSeen>) {
        self.echoes |= jobs.any(|job| job.callback_url.is_some());
    }

    /// The run is settled; from now on only the store knows its jobs.
    pub fn let_go(&mut self, run: &Run) {
        self.told.retain(|attempt| attempt.run != run.id);
        if self.asking {
            let jobs = attempts(run).flat_map(jobs_of);
            self.let_go.extend(jobs.map(str::to_owned));
        }
    }
}

impl Roster {
    /// Whether it must wait with an attempt that no address in the list is of, because a job there may be its.
    pub(super) fn claim(
        &mut self,
        ours: &AttemptId,
        listed: &Listed,
        asked_at: DateTime<Utc>,
        turn: &mut Turn,
    ) -> bool {
        let Some((jobs, begun)) = self.candidates(ours, listed) else {
            return false;
        };
        if jobs.len() > JOBS_MAX {
            self.tell_ambiguity(ours, &jobs, turn);
            return false;
        }
        let wait = self.has_rival(ours) || self.reconciliation.is_in_doubt();
        if !jobs.is_empty() && !wait && !self.claims.asking {
            let whole = listed.whole;
            let claim = Claim {
                jobs,
                begun,
                asked_at,
                whole,
            };
            self.claims.asked.insert(ours.clone(), claim);
            return true;
        }
        !jobs.is_empty()
    }

    /// Asks the store whose the jobs of all claims are.
    pub(super) fn recall_owners(&mut self, turn: &mut Turn) {
        let claims = &mut self.claims;
        let Some(begun) = claims.asked.values().map(|claim| claim.begun).min() else {
            return;
        };
        if claims.asking {
            return;
        }
        claims.asking = true;
        let jobs = claims.asked.values().flat_map(|claim| &claim.jobs);
        turn.effects.push(Effect::RecallOwners {
            jobs: jobs.map(|job| job.job_id.clone()).collect(),
            since: begun - ENDED_BEFORE,
        });
    }

    /// The store has answered which of the jobs are or were ours; `None`: it could not.
    pub(super) fn owners_recalled(
        &mut self,
        owned: Option<BTreeSet<String>>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.claims.asking = false;
        let asked = std::mem::take(&mut self.claims.asked);
        let let_go = std::mem::take(&mut self.claims.let_go);
        // Without an answer the next list asks again.
        let Some(owned) = owned else { return };
        for (ours, mut claim) in asked {
            claim.jobs.retain(|job| {
                let id = &job.job_id;
                !owned.contains(id) && !let_go.contains(id) && !self.owns(id)
            });
            // An answer, or an address in a newer list, may have come first.
            if self.unanswered(&ours).is_some() {
                self.settle_claim(&ours, claim, now, turn);
            }
        }
    }

    fn settle_claim(
        &mut self,
        ours: &AttemptId,
        mut claim: Claim,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let (part, attempt) = (ours.part, ours.number);
        if claim.jobs.len() > 1 {
            self.tell_ambiguity(ours, &claim.jobs, turn);
            claim.jobs.clear();
        }
        let event = match claim.jobs.pop() {
            Some(job) => Event::JobFound {
                part,
                attempt,
                job,
                extra: Vec::new(),
            },
            None if claim.whole => Event::JobNotFound {
                part,
                attempt,
                asked_at: claim.asked_at,
            },
            None => return,
        };
        let _ = self.apply(&ours.run, &event, now, turn);
        self.line_up(&ours.run, now);
    }

    /// Says once an attempt that more than one job may be its, and that none is taken for it.
    fn tell_ambiguity(&mut self, ours: &AttemptId, jobs: &[JobSeen], turn: &mut Turn) {
        if !self.claims.told.insert(ours.clone()) {
            return;
        }
        let named = jobs.iter().take(JOBS_MAX).map(|job| &job.job_id);
        turn.entries.push(Entry {
            schedule: Some(ours.run.schedule().to_owned()),
            run: Some(ours.run.to_string()),
            body: json!({
                "event": "job_ambiguous", "part": ours.part, "attempt": ours.number,
                "count": jobs.len(), "jobs": named.collect::<Vec<_>>(),
            }),
        });
    }

    /// Jobs that may be the attempt's, and when its create was begun; `None` where looks prove nothing.
    fn candidates(
        &self,
        ours: &AttemptId,
        listed: &Listed,
    ) -> Option<(Vec<JobSeen>, DateTime<Utc>)> {
        let (run, part) = self.unanswered(ours)?;
        // Its job would show the address that was sent. And what is known by its looks alone is not cancelled,
        // which is all that an ended run would do.
        let addressed = self.callbacks.expected && self.claims.echoes;
        if addressed || run.state.is_terminal() {
            return None;
        }
        let begun = part.current()?.started_at;
        let theirs = match listed.ahead {
            Some(ahead) => begun + ahead,
            None => begun - CLOCKS_DIFFER,
        };
        let mine = |(job, address): &&(JobSeen, Option<AttemptId>)| {
            address.is_none()
                && job.callback_url.is_none()
                && is_since(job, theirs)
                && asks_for(job, run, part)
                && !self.owns(&job.job_id)
        };
        let jobs = listed.jobs.iter().filter(mine);
        Some((jobs.map(|(job, _)| job.clone()).collect(), begun))
    }

    fn unanswered(&self, ours: &AttemptId) -> Option<(&Run, &Part)> {
        let run = self.runs.get(&ours.run)?;
        let part = run.parts.get(&ours.part)?;
        let unanswered = matches!(part.state, PartState::Unanswered { .. });
        (unanswered && part.current_number() == Some(ours.number)).then_some((run, part))
    }

    /// A create for the very same is under way: its answer tells which job is its.
    fn has_rival(&self, ours: &AttemptId) -> bool {
        let Some((run, part)) = self.unanswered(ours) else {
            return false;
        };
        let same = |other: &Run, its: &Part| {
            matches!(its.state, PartState::Submitting { .. })
                && other.terms.report == run.terms.report
                && other.terms.format == run.terms.format
                && its.window == part.window
                && its.properties(&other.properties) == part.properties(&run.properties)
        };
        let mut others = self.runs.values();
        others.any(|other| other.parts.values().any(|its| same(other, its)))
    }

    /// An attempt of an open run has the job, or has it cancelled.
    fn owns(&self, job_id: &str) -> bool {
        let mut known = self.runs.values().flat_map(attempts).flat_map(jobs_of);
        known.any(|known| known == job_id)
    }
}

fn attempts(run: &Run) -> impl Iterator<Item = &Attempt> {
    run.parts.values().flat_map(|part| &part.attempts)
}

fn jobs_of(attempt: &Attempt) -> impl Iterator<Item = &str> {
    let second = attempt.cancelling.iter().map(|order| &order.job_id);
    attempt.job_id.iter().chain(second).map(String::as_str)
}

/// Created no sooner than `begun`, by the same clock.
fn is_since(job: &JobSeen, begun: DateTime<Utc>) -> bool {
    job.created_at.is_some_and(|at| {
        let cut = match at.timestamp_subsec_nanos() {
            0 => CUT,
            _ => TimeDelta::zero(),
        };
        at >= begun - cut
    })
}

fn asks_for(job: &JobSeen, run: &Run, part: &Part) -> bool {
    let mut wanted = part.properties(&run.properties).to_vec();
    wanted.sort_unstable();
    job.report == Some(run.terms.report)
        && job.format == Some(run.terms.format)
        && job.window == Some(part.window)
        && job.property_ids == wanted
}
