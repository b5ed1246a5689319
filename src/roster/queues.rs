//! Which runs and parts want what, kept in the order in which they are served.

use crate::run::{
    AttemptId, Next, NextPart, PartNumber, PartState, Run, RunId, Trigger, cancels, next, next_part,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A run's place in every line: fresh runs before caught-up ones, those before backfills, then by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    rank: u8,
    created_at: DateTime<Utc>,
    pub run: RunId,
}

impl Place {
    pub fn of(run: &Run) -> Place {
        let rank = match run.trigger {
            Trigger::Cron | Trigger::Manual => 0,
            Trigger::CatchUp => 1,
            Trigger::Backfill => 2,
        };
        Place {
            rank,
            created_at: run.created_at,
            run: run.id.clone(),
        }
    }
}

pub(super) type Spot = (Place, PartNumber);
pub(super) type CancelSpot = (Place, AttemptId, String);

#[derive(Debug, Default)]
pub(super) struct Queues {
    pub submit: BTreeSet<Spot>,
    pub find: BTreeSet<Spot>,
    pub check: BTreeSet<Spot>,
    pub watch: BTreeSet<Spot>,
    pub fetch: BTreeSet<Spot>,
    /// Parts with a job upstream, or perhaps one: they take the slots of `open_jobs_max`.
    pub holding: BTreeSet<Spot>,
    pub cancel: BTreeSet<CancelSpot>,
    pub resolve: BTreeSet<Place>,
    pub publish: BTreeSet<Place>,
    /// When a run wants to be looked at again.
    agenda: BTreeSet<(DateTime<Utc>, RunId)>,
    wakes: BTreeMap<RunId, DateTime<Utc>>,
    /// Parts each run has in the lines, so that it can be taken out of them.
    spots: BTreeMap<RunId, Vec<Spot>>,
}

impl Queues {
    /// Takes the run out of every line and puts it where it belongs now. `ends_at`: when it would be ended, if nothing
    /// holds that up.
    pub fn refresh(
        &mut self,
        run: &Run,
        ends_at: Option<DateTime<Utc>>,
        checked_at: &BTreeMap<AttemptId, DateTime<Utc>>,
        now: DateTime<Utc>,
    ) {
        self.remove(run);
        let place = Place::of(run);
        let mut wake: Option<DateTime<Utc>> = None;
        let mut wake_at = |at: DateTime<Utc>| wake = Some(wake.map_or(at, |known| known.min(at)));
        if !run.state.is_terminal()
            && let Some(deadline) = ends_at
        {
            wake_at(deadline);
        }
        match next(run, now) {
            Next::Resolve => drop(self.resolve.insert(place.clone())),
            Next::Publish => drop(self.publish.insert(place.clone())),
            Next::WaitUntil(at) => wake_at(at),
            Next::Parts => self.line_up(run, &place, checked_at, now, &mut wake_at),
            Next::Queue | Next::Rest => {}
        }
        for (part, attempt, job_id, not_before) in cancels(run) {
            if not_before > now {
                wake_at(not_before);
                continue;
            }
            let attempt = AttemptId {
                run: run.id.clone(),
                part,
                number: attempt,
            };
            self.cancel
                .insert((place.clone(), attempt, job_id.to_owned()));
        }
        if let Some(at) = wake {
            self.agenda.insert((at, run.id.clone()));
            self.wakes.insert(run.id.clone(), at);
        }
    }

    fn line_up(
        &mut self,
        run: &Run,
        place: &Place,
        checked_at: &BTreeMap<AttemptId, DateTime<Utc>>,
        now: DateTime<Utc>,
        wake_at: &mut impl FnMut(DateTime<Utc>),
    ) {
        let mut spots = Vec::new();
        for part in run.parts.values() {
            let spot = (place.clone(), part.number);
            if part.state.holds_job() {
                self.holding.insert(spot.clone());
                spots.push(spot.clone());
            }
            let checked = part
                .current()
                .map(|attempt| AttemptId {
                    run: run.id.clone(),
                    part: part.number,
                    number: attempt.number,
                })
                .and_then(|attempt| checked_at.get(&attempt).copied());
            let line = match next_part(run, part, checked, now) {
                NextPart::Submit => &mut self.submit,
                NextPart::Find => &mut self.find,
                NextPart::Check => &mut self.check,
                NextPart::Watch => &mut self.watch,
                NextPart::Fetch => &mut self.fetch,
                NextPart::WaitUntil(at) => {
                    wake_at(at);
                    // A check that must pause is still watched by the sweep.
                    if !matches!(part.state, PartState::Exporting { .. }) {
                        continue;
                    }
                    &mut self.watch
                }
                NextPart::Rest => continue,
            };
            line.insert(spot.clone());
            spots.push(spot);
        }
        self.spots.insert(run.id.clone(), spots);
    }

    pub fn remove(&mut self, run: &Run) {
        let place = Place::of(run);
        self.resolve.remove(&place);
        self.publish.remove(&place);
        for spot in self.spots.remove(&run.id).unwrap_or_default() {
            for line in [
                &mut self.submit,
                &mut self.find,
                &mut self.check,
                &mut self.watch,
                &mut self.fetch,
                &mut self.holding,
            ] {
                line.remove(&spot);
            }
        }
        self.cancel.retain(|(other, ..)| *other != place);
        if let Some(at) = self.wakes.remove(&run.id) {
            self.agenda.remove(&(at, run.id.clone()));
        }
    }

    /// Runs whose instant has come.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<RunId> {
        self.agenda
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, run)| run.clone())
            .collect()
    }

    pub fn first_wake(&self) -> Option<DateTime<Utc>> {
        self.agenda.first().map(|(at, _)| *at)
    }
}
