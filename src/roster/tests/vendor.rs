//! The vendor's side of the world: what becomes of every errand.

use super::world::{Coming, Job, World};
use crate::roster::{Effect, Listed, Report};
use crate::run::{
    Artifact, AttemptId, CellSpan, CreateFailure, Fault, FaultClass, JobSeen, JobStatus, Published,
    Remedy, Run, RunId, Verdict,
};
use crate::schedule::{Format, Report as Kind, Window};
use chrono::TimeDelta;
use std::time::Duration;

/// Older jobs are beyond every deadline: nobody asks for them, and a year has many.
const REMEMBERED: TimeDelta = TimeDelta::hours(12);

impl World {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::SubmitJob {
                attempt,
                window,
                property_ids,
                ..
            } => {
                self.note_resubmission(&attempt, window, &property_ids);
                *self.submits.entry(attempt.clone()).or_default() += 1;
                self.create(attempt, window, property_ids);
            }
            Effect::ListJobs { back_to, .. } => {
                self.lists += 1;
                self.listed_back_to = back_to;
                let asked_at = self.now;
                let outcome = if self.dice.chance(self.weather.list_breaks) {
                    Err(Fault::new(FaultClass::Unanswered, "list broken"))
                } else {
                    Ok(self.list())
                };
                self.later(1, Coming::Report(Report::Listed { asked_at, outcome }));
            }
            Effect::CheckJob { attempt, job_id } => {
                let asked_at = self.now;
                self.checks_of
                    .entry(attempt.clone())
                    .or_default()
                    .push(asked_at);
                let outcome = self
                    .seen()
                    .into_iter()
                    .find(|(seen, _)| seen.job_id == job_id)
                    .map(|(seen, _)| seen)
                    .ok_or_else(|| Fault::new(FaultClass::Gone, "no such job"));
                self.later(
                    1,
                    Coming::Report(Report::Checked {
                        attempt,
                        asked_at,
                        outcome,
                    }),
                );
            }
            Effect::FetchArtifact { attempt, .. } => {
                let outcome = if self.dice.chance(self.weather.fetch_breaks) {
                    Err(Fault::new(FaultClass::Transfer, "cut"))
                } else {
                    Ok(Artifact {
                        bytes: 10,
                        sha256: "00".into(),
                        rows: 1,
                        path: format!("raw/{attempt}"),
                    })
                };
                self.later(2, Coming::Report(Report::Fetched { attempt, outcome }));
            }
            Effect::PublishRun { run } => self.publish(*run),
            Effect::CancelJob { attempt, job_id } => {
                let job = self.jobs.iter_mut().find(|job| job.seen.job_id == job_id);
                let outcome = match job {
                    _ if self.weather.cancels_break => {
                        Err(Fault::new(FaultClass::Unanswered, "cancel broken"))
                    }
                    Some(job) if job.seen.status == JobStatus::Submitted => {
                        job.seen.status = JobStatus::Cancelled;
                        Ok(job.seen.clone())
                    }
                    _ => Err(Fault::new(FaultClass::Invalid, "not cancellable")),
                };
                self.later(
                    1,
                    Coming::Report(Report::Cancelled {
                        attempt,
                        job_id,
                        outcome,
                    }),
                );
            }
            Effect::RecallRuns { runs } => {
                let known = |id: &RunId| {
                    let known = self.kept.runs.contains_key(id);
                    known.then(|| Box::new(self.kept.whole(id)))
                };
                let runs = runs.into_iter().map(|id| {
                    let run = known(&id);
                    (id, run)
                });
                let runs = Some(runs.collect());
                self.later(0, Coming::Report(Report::Recalled { runs }));
            }
            Effect::RecallOwners { jobs, .. } => {
                let attempts = self.kept.parts.values().flat_map(|part| &part.attempts);
                let known = attempts.filter_map(|attempt| attempt.job_id.clone());
                let owned = known.filter(|id| jobs.contains(id)).collect();
                let owned = (!self.owners_unread).then_some(owned);
                self.later(1, Coming::Report(Report::OwnersRecalled { owned }));
            }
            Effect::AskProperties { run, .. } => {
                self.later(
                    1,
                    Coming::Report(Report::Asked {
                        run,
                        outcome: Ok(self.listing.clone()),
                    }),
                );
            }
        }
    }

    fn create(
        &mut self,
        attempt: AttemptId,
        window: crate::schedule::Window,
        property_ids: Vec<i64>,
    ) {
        let weather = self.weather;
        let failed = |outcome| {
            Coming::Report(Report::Submitted {
                attempt: attempt.clone(),
                outcome,
            })
        };
        if self.dice.chance(weather.create_unsent) {
            let fault = Fault::new(FaultClass::Unreachable, "no route");
            return self.later(1, failed(Err(CreateFailure::Unsent(fault))));
        }
        if self.dice.chance(weather.create_refused) {
            let mut fault = Fault::new(FaultClass::Throttled, "slow down");
            fault.retry_after = Some(Duration::from_secs(20));
            return self.later(1, failed(Err(CreateFailure::Refused(fault))));
        }
        if weather.create_vanishes > 0 && self.dice.chance(weather.create_vanishes) {
            let fault = Fault::new(FaultClass::Unanswered, "reset");
            return self.later(30, failed(Err(CreateFailure::Unanswered(fault))));
        }
        let number = self.jobs.len();
        let seen = JobSeen {
            job_id: format!("job-{number}"),
            status: JobStatus::Submitted,
            error_message: None,
            callback_url: (!self.no_echo).then(|| "https://example.com/cb".into()),
            report: Some(Kind::Property),
            format: Some(Format::Jsonl),
            window: Some(window),
            property_ids,
            created_at: Some(self.now + self.ahead.0),
        };
        let lag = if self.dice.chance(weather.list_lags) {
            240
        } else {
            0
        };
        let lasts = i64::try_from(self.dice.below(900)).unwrap_or(0);
        let fails = self.dice.chance(weather.job_fails);
        let vanished = self.dice.chance(weather.job_vanishes);
        let ends_at = self.now + TimeDelta::seconds(lasts);
        let job = Job {
            seen: seen.clone(),
            attempt: attempt.clone(),
            ends_at,
            listed_from: self.now + TimeDelta::seconds(lag),
            fails,
            vanished,
            foreign: false,
        };
        if weather.foreign > 0 && self.dice.chance(weather.foreign) {
            let mut foreign = job.clone();
            let age = 10 + i64::try_from(self.dice.below(50)).unwrap_or(0);
            foreign.foreign = true;
            foreign.seen.job_id.push_str("-foreign");
            foreign.seen.callback_url = None;
            foreign.seen.created_at = Some(self.now + self.ahead.0 - TimeDelta::seconds(age));
            foreign.listed_from = self.now;
            self.jobs.push(foreign);
        }
        if weather.create_twice > 0 && self.dice.chance(weather.create_twice) {
            let mut second = job.clone();
            second.seen.job_id.push_str("-second");
            self.jobs.push(second);
        }
        self.jobs.push(job);
        if !self.dice.chance(weather.callback_lost) {
            self.later(lasts, Coming::Callback(attempt.clone()));
            if self.dice.chance(weather.callback_twice) {
                self.later(lasts + 3, Coming::Callback(attempt.clone()));
            }
        }
        if self.dice.chance(weather.create_lost) {
            let fault = Fault::new(FaultClass::Unanswered, "reset");
            let outcome = Err(CreateFailure::Unanswered(fault));
            return self.later(30, Coming::Report(Report::Submitted { attempt, outcome }));
        }
        self.later(
            1,
            Coming::Report(Report::Submitted {
                attempt,
                outcome: Ok(seen),
            }),
        );
    }

    /// The jobs as they are shown, each with the attempt whose address it shows.
    fn seen(&mut self) -> Vec<(JobSeen, Option<AttemptId>)> {
        let now = self.now;
        let recent = |job: &&mut Job| job.seen.created_at.is_none_or(|at| now - at < REMEMBERED);
        for job in self.jobs.iter_mut().rev().take_while(recent) {
            if job.seen.status == JobStatus::Submitted && job.ends_at <= now {
                job.seen.status = if job.fails {
                    JobStatus::Failed
                } else {
                    JobStatus::Succeeded
                };
            }
        }
        self.jobs
            .iter()
            .rev()
            .take_while(|job| job.seen.created_at.is_none_or(|at| now - at < REMEMBERED))
            .filter(|job| job.listed_from <= now && !job.vanished)
            .map(|job| {
                let shown = job.seen.callback_url.is_some() && !job.foreign;
                (job.seen.clone(), shown.then(|| job.attempt.clone()))
            })
            .collect()
    }

    /// Cells that a backfill asks for although they have landed.
    fn note_resubmission(&mut self, attempt: &AttemptId, window: Window, properties: &[i64]) {
        if !attempt.run.as_str().contains(".b") {
            return;
        }
        let ledger = self
            .kept
            .ledgers
            .iter()
            .find(|(name, _)| name.as_str() == attempt.run.schedule());
        let landed = properties.iter().filter(|property| {
            ledger
                .and_then(|(_, ledger)| ledger.line(**property))
                .is_some_and(|line| line.has_landed(window))
        });
        self.landed_again += landed.count();
    }

    fn list(&mut self) -> Listed {
        Listed {
            jobs: self.seen(),
            whole: true,
            ahead: self.ahead.1,
            ..Listed::default()
        }
    }

    fn publish(&mut self, run: Run) {
        let long = run.live_parts().any(|part| part.window.len() > 1);
        let outcome = if self.no_date_column && long {
            let fault = Fault::new(FaultClass::Content, "no date column to split by");
            Err(fault.mended_by(Remedy::OneDayParts))
        } else if self.no_property_column && !run.whole {
            let fault = Fault::new(FaultClass::Content, "others' rows are there");
            Err(fault.mended_by(Remedy::WholePartitions))
        } else if self.dice.chance(self.weather.publish_breaks) {
            Err(Fault::new(FaultClass::Disk, "no space"))
        } else {
            *self.published.entry(run.id.clone()).or_default() += 1;
            let whole = run.live_parts().all(|part| part.artifact.is_some());
            let cells = |delivered: bool| {
                let parts = run
                    .live_parts()
                    .filter(move |part| part.artifact.is_some() == delivered);
                let spans = parts.flat_map(|part| {
                    let window = part.window;
                    part.properties(&run.properties)
                        .iter()
                        .map(move |&property| CellSpan {
                            property,
                            from: window.from,
                            to: window.to,
                        })
                });
                spans.collect::<Vec<_>>()
            };
            let verdict = match whole {
                true => Verdict::Landed,
                false => Verdict::Incomplete,
            };
            Ok(Box::new(Published {
                landed: cells(true),
                missing: cells(false),
                ..published(verdict)
            }))
        };
        self.later(
            1,
            Coming::Report(Report::Published {
                run: run.id,
                outcome,
            }),
        );
    }
}

/// A publish of one row, and of nothing else but its verdict.
pub(super) fn published(verdict: Verdict) -> Published {
    Published {
        verdict,
        reason: None,
        names_days: None,
        files: Vec::new(),
        rows: 1,
        bytes: 10,
        checks: Vec::new(),
        landed: Vec::new(),
        empty: Vec::new(),
        missing: Vec::new(),
        lost: Vec::new(),
        told: Vec::new(),
    }
}
