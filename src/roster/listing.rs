//! One list of the vendor answers for every open job: sweeps, lookups, second jobs.

use super::{Entry, Listed, Roster, Turn};
use crate::run::{
    AttemptId, Event, Fault, FaultClass, JobSeen, JobStatus, LearnedBy, Part, PartState, RunId,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Lists in a row that broke, or were not whole, before it is told and jobs are read one by one.
const TROUBLE: u32 = 3;
/// Jobs read one by one after each broken list.
pub(super) const SINGLES: usize = 10;

/// The vendor's list, for as long as it cannot be relied on.
#[derive(Debug, Default)]
pub(super) struct ListTrouble {
    since: Option<DateTime<Utc>>,
    failures: u32,
    words: String,
    /// Why the last one broke; `None` if it came and was not whole.
    broken: Option<FaultClass>,
    /// What was told of this trouble, each once.
    told: BTreeSet<FaultClass>,
}

impl ListTrouble {
    fn note(&mut self, broken: Option<FaultClass>, words: &str, now: DateTime<Utc>) {
        self.broken = broken;
        self.since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        words.clone_into(&mut self.words);
    }

    /// Since when, and what is wrong, if it lasts.
    pub fn lasting(&self) -> Option<(DateTime<Utc>, &str)> {
        let since = self.since.filter(|_| self.failures >= TROUBLE)?;
        Some((since, &self.words))
    }

    /// Jobs are to be read one by one, since lists break for long. What keeps every request from being answered would
    /// keep these from it as well.
    pub fn reads_singly(&self) -> bool {
        use FaultClass::{Credential, Throttled, Unreachable};
        let own = |class| !matches!(class, Unreachable | Throttled | Credential);
        self.lasting().is_some() && self.broken.is_some_and(own)
    }
}

impl Roster {
    /// What becomes of the trouble with a list that came: whole, it is over.
    fn list_came(&mut self, whole: bool, now: DateTime<Utc>, turn: &mut Turn) {
        if !whole {
            let words = "its pages do not fit together, or are not counted";
            return self.list_trouble.note(None, words, now);
        }
        let trouble = std::mem::take(&mut self.list_trouble);
        if !trouble.told.is_empty() {
            turn.entries.push(Entry {
                schedule: None,
                run: None,
                body: json!({"event": "list_back", "since": trouble.since, "failures": trouble.failures}),
            });
        }
    }

    /// Watched jobs are read one by one while lists break; those first whose last read is longest ago.
    fn read_singly(&mut self) {
        let watched = self.queues.watch.iter().filter_map(|spot| {
            let (_, _, attempt) = self.current(spot)?;
            let read_at = self.inflight.checked_at.get(&attempt).copied();
            Some((read_at, (spot.0.run.clone(), spot.1)))
        });
        let mut watched: Vec<_> = watched.collect();
        watched.sort();
        let first = watched.into_iter().take(SINGLES);
        self.suspects.extend(first.map(|(_, spot)| spot));
    }

    pub(super) fn list_broken(
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
        let trouble = &mut self.list_trouble;
        trouble.note(Some(fault.class), &fault.message, now);
        // Once for as long as it lasts, not at every try.
        if trouble.told.insert(fault.class) {
            turn.entries.push(Entry {
                schedule: None,
                run: None,
                body: json!({"event": "list_broken", "class": fault.class, "error": fault.message}),
            });
        }
        if self.list_trouble.reads_singly() {
            self.read_singly();
        }
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
    pub(super) fn listed(
        &mut self,
        listed: &Listed,
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.list_came(listed.whole, now, turn);
        self.claims.heed(listed.jobs.iter().map(|(job, _)| job));
        let held: Vec<(RunId, u32)> = self
            .queues
            .holding
            .iter()
            .map(|(place, part)| (place.run.clone(), *part))
            .collect();
        let asked_for = if held.is_empty() { &[] } else { &*listed.jobs };
        let by_id: BTreeMap<&str, &JobSeen> = asked_for
            .iter()
            .map(|(job, _)| (job.job_id.as_str(), job))
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
        self.recall_owners(turn);
        self.reconcile(listed, asked_at, now, turn);
    }

    pub(super) fn learned_by(&self, id: &RunId, part: u32, heard: bool) -> LearnedBy {
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
        let ours = AttemptId {
            run: id.clone(),
            part: number,
            number: attempt,
        };
        let mut found = Roster::addressed(&ours, listed);
        let event = if found.is_empty() {
            if self.claim(&ours, listed, asked_at, turn) || !listed.whole {
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
        let seconds = match &event {
            Event::JobFound { extra, .. } => extra.len() as u64,
            _ => 0,
        };
        if self.apply(id, &event, now, turn).is_ok() {
            self.second_jobs += seconds;
        }
    }

    /// Jobs with the attempt's address, the one to adopt first: alive before dead, then the oldest.
    fn addressed(ours: &AttemptId, listed: &Listed) -> Vec<JobSeen> {
        let with = listed.jobs.iter();
        let with = with.filter(|(_, address)| address.as_ref() == Some(ours));
        let mut found: Vec<JobSeen> = with.map(|(job, _)| job.clone()).collect();
        let dead = |job: &JobSeen| matches!(job.status, JobStatus::Failed | JobStatus::Cancelled);
        found.sort_by_key(|job| (dead(job), job.created_at));
        found
    }
}
