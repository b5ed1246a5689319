//! Errands: one effect each, whole and reporting once. They decide nothing.

use crate::apartmentiq::{CallbackKeys, Client, CreateJob};
use crate::clock;
use crate::landing::{Delivered, FetchOrder, Landing, PublishOrder, Terms};
use crate::roster::{Effect, Listed, Report};
use crate::run::{AttemptId, Fault, JobSeen, PartState, Quarantine, Run, Source};
use crate::schedule::Properties;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What errands work with; cheap to clone.
#[derive(Clone)]
pub struct Errands {
    pub api: Client,
    pub landing: Landing,
    pub keys: Arc<CallbackKeys>,
    /// Where the vendor is to call; without it no `callback_url` is sent.
    pub public_url: Option<String>,
}

impl Errands {
    pub(super) async fn perform(self, effect: Effect) -> Report {
        match effect {
            Effect::AskProperties { run, source } => Report::Asked {
                run,
                outcome: self.ask(source).await,
            },
            Effect::SubmitJob {
                attempt,
                report,
                format,
                window,
                property_ids,
            } => {
                let callback_url = self
                    .public_url
                    .as_deref()
                    .map(|url| self.keys.address(url, &attempt));
                let order = CreateJob {
                    report,
                    format,
                    window,
                    property_ids,
                    callback_url,
                };
                let outcome = self.api.create(&order).await;
                Report::Submitted { attempt, outcome }
            }
            Effect::ListJobs {
                until_seen,
                back_to,
            } => {
                let asked_at = clock::now();
                let outcome = self.addresses().list(&self.api, until_seen, back_to).await;
                Report::Listed { asked_at, outcome }
            }
            Effect::CheckJob { attempt, job_id } => {
                let asked_at = clock::now();
                let outcome = self.api.job(&job_id).await;
                Report::Checked {
                    attempt,
                    asked_at,
                    outcome,
                }
            }
            Effect::FetchArtifact {
                attempt,
                job_id,
                run,
            } => {
                let outcome = self.fetch(&attempt, job_id, &run).await;
                Report::Fetched { attempt, outcome }
            }
            Effect::PublishRun { run } => {
                let id = run.id.clone();
                let outcome = self
                    .landing
                    .publish(publish_order(&run))
                    .await
                    .map(Box::new);
                Report::Published { run: id, outcome }
            }
            // The engine asks its own store.
            Effect::RecallRuns { .. } => Report::Recalled { runs: None },
            Effect::CancelJob { attempt, job_id } => {
                let outcome = self.api.cancel(&job_id).await;
                Report::Cancelled {
                    attempt,
                    job_id,
                    outcome,
                }
            }
        }
    }

    fn addresses(&self) -> Addresses<'_> {
        Addresses {
            keys: &self.keys,
            public_url: self.public_url.as_deref(),
        }
    }

    async fn ask(&self, source: Source) -> Result<Vec<i64>, Fault> {
        let of = match source {
            Source::CompSets { ids, subjects_only } => Properties::CompSets { ids, subjects_only },
            Source::Accounts(accounts) => Properties::Accounts(accounts),
        };
        let properties = self.api.properties(&of).await?;
        Ok(properties.into_iter().map(|property| property.id).collect())
    }

    /// The address of a result dies early: it is asked for anew for every download.
    async fn fetch(
        &self,
        attempt: &AttemptId,
        job_id: String,
        run: &Run,
    ) -> Result<crate::run::Artifact, Fault> {
        // A folder that cannot take the file is no reason to ask for it.
        self.landing.admit(0)?;
        let location = self.api.results(&job_id).await?;
        let part = run.parts.get(&attempt.part);
        let order = FetchOrder {
            schedule: run.schedule.clone(),
            run: run.id.clone(),
            part: attempt.part,
            job_id,
            format: run.terms.format,
            terms: Terms {
                partition: run.terms.partition,
                columns: run.terms.columns.clone(),
                checks: run.terms.checks.clone(),
                properties: part
                    .map(|part| part.properties(&run.properties).to_vec())
                    .unwrap_or_default(),
                window: part.map_or(run.window, |part| part.window),
            },
        };
        self.landing.fetch(order, &location).await
    }
}

/// Whose jobs are ours: by the addresses they carry.
#[derive(Clone, Copy)]
pub struct Addresses<'a> {
    pub keys: &'a CallbackKeys,
    pub public_url: Option<&'a str>,
}

impl Addresses<'_> {
    /// The vendor's list, newest first: until every job of `until_seen` was seen, and, if `back_to` is
    /// given, everything created since.
    pub async fn list(
        &self,
        api: &Client,
        until_seen: BTreeSet<String>,
        back_to: Option<DateTime<Utc>>,
    ) -> Result<Listed, Fault> {
        let mut reached = false;
        let listing = api
            .list(|so_far: &[JobSeen]| {
                let seen = so_far
                    .iter()
                    .filter(|job| until_seen.contains(&job.job_id))
                    .count();
                let oldest = so_far.iter().filter_map(|job| job.created_at).min();
                let far_enough = match (back_to, oldest) {
                    (None, _) => true,
                    (Some(back_to), Some(oldest)) => oldest < back_to,
                    (Some(_), None) => false,
                };
                reached = seen == until_seen.len() && far_enough;
                reached
            })
            .await?;
        let unproven = listing.jobs.iter().filter_map(|job| {
            let url = self.public_url?;
            let attempt = self.keys.resembles(url, job.callback_url.as_deref()?)?;
            Some((job.job_id.clone(), attempt))
        });
        let unproven = unproven.collect();
        let jobs = listing
            .jobs
            .into_iter()
            .map(|job| {
                let attempt = job
                    .callback_url
                    .as_deref()
                    .and_then(|url| self.keys.verify_url(url));
                (job, attempt)
            })
            .collect();
        Ok(Listed {
            jobs,
            whole: listing.complete && (reached || listing.to_the_end),
            unproven,
        })
    }
}

fn publish_order(run: &Run) -> PublishOrder {
    let delivered = |part: &crate::run::Part| {
        Some(Delivered {
            number: part.number,
            job_id: part.current()?.job_id.clone()?,
            properties: part.properties(&run.properties).to_vec(),
            window: part.window,
            artifact: part.artifact.clone()?,
        })
    };
    PublishOrder {
        schedule: run.schedule.clone(),
        run: run.id.clone(),
        report: run.terms.report,
        format: run.terms.format,
        partition: run.terms.partition,
        window: run.window,
        properties: run.properties.to_vec(),
        columns: run.terms.columns.clone(),
        checks: run.terms.checks.clone(),
        accepted_by: match &run.quarantine {
            Some(Quarantine::Accepted { by }) => Some(by.clone()),
            _ => None,
        },
        parts: run
            .live_parts()
            .filter(|part| part.state == PartState::Fetched)
            .filter_map(delivered)
            .collect(),
        at: clock::now(),
    }
}
