//! From wishes to errands, within the limits.

use super::listing::SINGLES;
use super::queues::Spot;
use super::{Effect, Roster, Turn};
use crate::run::{AttemptId, Event, Fault, Part, PartState, Run, RunId};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

/// Single status reads at once; more waiting callbacks are answered by one list.
const SINGLE_CHECKS: usize = 1;
/// A lookup reads the list back to this long before the create: clocks differ.
const LOOK_BACK: TimeDelta = TimeDelta::minutes(30);

/// Nothing of a kind is begun until then, because the last met a fault that would meet the next as well.
#[derive(Debug)]
pub(super) struct Hold {
    pub until: DateTime<Utc>,
    pub fault: Fault,
}

impl Roster {
    pub(super) fn dispatch(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        self.dispatch_publishes(now, turn);
        self.dispatch_fetches(now, turn);
        self.dispatch_reads(now, turn);
        self.dispatch_cancels(turn);
        self.dispatch_asks(turn);
        self.dispatch_submits(now, turn);
    }

    fn dispatch_publishes(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        for place in &self.queues.publish {
            if !self.may_land(now) {
                return;
            }
            let Some(run) = self.runs.get(&place.run) else {
                continue;
            };
            if self.inflight.publishes.contains_key(&run.schedule) {
                continue;
            }
            self.inflight
                .publishes
                .insert(run.schedule.clone(), run.id.clone());
            turn.effects.push(Effect::PublishRun {
                run: Box::new(run.clone()),
            });
        }
    }

    fn dispatch_fetches(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        for spot in &self.queues.fetch {
            let full = self.inflight.fetches.len() >= self.limits.downloads;
            if full || !self.may_land(now) {
                return;
            }
            let Some((run, part, attempt)) = self.current(spot) else {
                continue;
            };
            let job_id = part.current().and_then(|attempt| attempt.job_id.clone());
            let Some(job_id) = job_id.filter(|_| !self.inflight.fetches.contains(&attempt)) else {
                continue;
            };
            // The errand needs the terms, not the other parts.
            let mut slim = run.clone();
            slim.parts.retain(|number, _| *number == part.number);
            self.inflight.fetches.insert(attempt.clone());
            turn.effects.push(Effect::FetchArtifact {
                attempt,
                job_id,
                run: Box::new(slim),
            });
        }
    }

    /// Status reads: one list for all that is watched or looked for, a single read for a single
    /// callback, and for jobs that a whole list did not hold.
    fn dispatch_reads(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        let sweep_due = !self.queues.watch.is_empty() && self.sweep_at.is_none_or(|at| at <= now);
        // While lists break, no list answers many callbacks at once.
        let singly = self.list_trouble.reads_singly();
        let at_once = if singly { SINGLES } else { SINGLE_CHECKS };
        let many = !singly
            && !self.queues.check.is_empty()
            && self.queues.check.len() + self.inflight.checks.len() > SINGLE_CHECKS;
        let reconcile = self.reconciliation.is_due(now);
        let wanted = sweep_due || many || reconcile || !self.queues.find.is_empty();
        if wanted && self.inflight.list.is_none() {
            self.inflight.list = Some(now);
            turn.effects.push(self.list(now));
            return;
        }
        if self.inflight.list.is_some() && many {
            return; // the list under way may answer them; what it does not is asked again
        }
        let single: Vec<Spot> = self.queues.check.iter().take(at_once).cloned().collect();
        let suspects: Vec<Spot> = self
            .queues
            .watch
            .iter()
            .filter(|(place, part)| self.suspects.contains(&(place.run.clone(), *part)))
            .cloned()
            .collect();
        for spot in single.into_iter().chain(suspects) {
            let Some((_, part, attempt)) = self.current(&spot) else {
                continue;
            };
            let job_id = part.current().and_then(|attempt| attempt.job_id.clone());
            let Some(job_id) = job_id.filter(|_| !self.inflight.checks.contains_key(&attempt))
            else {
                continue;
            };
            self.inflight.checks.insert(attempt.clone(), now);
            self.inflight.checked_at.insert(attempt.clone(), now);
            turn.effects.push(Effect::CheckJob { attempt, job_id });
            self.line_up(&spot.0.run, now);
        }
    }

    fn list(&mut self, now: DateTime<Utc>) -> Effect {
        let mut until_seen = BTreeSet::new();
        let mut heard = Vec::new();
        for spot in self.queues.watch.iter().chain(&self.queues.check) {
            let Some((_, part, attempt)) = self.current(spot) else {
                continue;
            };
            until_seen.extend(part.current().and_then(|attempt| attempt.job_id.clone()));
            if matches!(part.state, PartState::Exporting { heard: Some(_), .. }) {
                heard.push((attempt, now));
            }
        }
        self.inflight.checked_at.extend(heard);
        let back_to = self
            .queues
            .find
            .iter()
            .filter_map(|spot| self.current(spot))
            .filter_map(|(_, part, _)| part.current().map(|attempt| attempt.started_at))
            .min()
            .into_iter()
            .chain(self.doubt_back_to(now))
            .min()
            .map(|since| since - LOOK_BACK);
        Effect::ListJobs {
            until_seen,
            back_to,
        }
    }

    fn dispatch_cancels(&mut self, turn: &mut Turn) {
        for (_, attempt, job_id) in &self.queues.cancel {
            if self
                .inflight
                .cancels
                .insert((attempt.clone(), job_id.clone()))
            {
                turn.effects.push(Effect::CancelJob {
                    attempt: attempt.clone(),
                    job_id: job_id.clone(),
                });
            }
        }
    }

    fn dispatch_asks(&mut self, turn: &mut Turn) {
        for place in &self.queues.resolve {
            let source = self
                .runs
                .get(&place.run)
                .and_then(|run| run.terms.source.clone());
            if let Some(source) = source
                && self.inflight.asks.insert(place.run.clone())
            {
                turn.effects.push(Effect::AskProperties {
                    run: place.run.clone(),
                    source,
                });
            }
        }
    }

    /// Creates, as many as there are free slots. Each is authorised by an event of this turn, which
    /// is durable before the errand starts (laws 1 and 3).
    fn dispatch_submits(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        if self.reconciliation.holds(now) {
            return;
        }
        let mut free = self
            .limits
            .open_jobs_max
            .saturating_sub(self.queues.holding.len());
        if let Some(hold) = &self.hold {
            // One goes first; the others follow if it gets through.
            let closed = now < hold.until || !self.inflight.submits.is_empty();
            free = if closed { 0 } else { free.min(1) };
        }
        let spots: Vec<Spot> = self.queues.submit.iter().take(free).cloned().collect();
        let mut lined_up = BTreeSet::new();
        for (place, number) in spots {
            if self.submit(&place.run, number, now, turn) {
                lined_up.insert(place.run);
            }
        }
        for run in lined_up {
            self.line_up(&run, now);
        }
    }

    fn submit(&mut self, id: &RunId, number: u32, now: DateTime<Utc>, turn: &mut Turn) -> bool {
        let Some(part) = self.runs.get(id).and_then(|run| run.parts.get(&number)) else {
            return false;
        };
        let attempt = part.next_attempt();
        if self
            .apply(
                id,
                &Event::SubmitStarted {
                    part: number,
                    attempt,
                },
                now,
                turn,
            )
            .is_err()
        {
            return false;
        }
        let Some(run) = self.runs.get(id) else {
            return false;
        };
        let Some(part) = run.parts.get(&number) else {
            return false;
        };
        let attempt = AttemptId {
            run: id.clone(),
            part: number,
            number: attempt,
        };
        self.inflight.submits.insert(attempt.clone());
        turn.effects.push(Effect::SubmitJob {
            attempt,
            report: run.terms.report,
            format: run.terms.format,
            window: part.window,
            property_ids: part.properties(&run.properties).to_vec(),
        });
        true
    }

    pub(super) fn current(&self, (place, number): &Spot) -> Option<(&Run, &Part, AttemptId)> {
        let run = self.runs.get(&place.run)?;
        let part = run.parts.get(number)?;
        let number = part.current_number()?;
        Some((
            run,
            part,
            AttemptId {
                run: run.id.clone(),
                part: part.number,
                number,
            },
        ))
    }
}
