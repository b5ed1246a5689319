//! Errands: one effect each, whole and reporting once. They decide nothing.

use crate::apartmentiq::{CallbackKeys, Client, CreateJob};
use crate::clock;
use crate::landing::{Delivered, Earlier, FetchOrder, Landing, PublishOrder, Terms};
use crate::roster::{Effect, Listed, Report};
use crate::run::{
    AttemptId, Fault, FaultClass, JobSeen, PartState, Published, Quarantine, Run, Source,
};
use crate::schedule::{Name, Properties, Window};
use crate::store;
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
    pub published: PublishedRuns,
}

/// Reads the runs of a schedule that published files for some days.
pub type PublishedRuns = Arc<dyn Fn(&Name, Window) -> Result<Vec<Run>, store::Error> + Send + Sync>;

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
                match self.landing.lost(publish_order(&run)).await {
                    Ok(parts) if !parts.is_empty() => Report::Lost { run: id, parts },
                    Ok(_) => Report::Published {
                        outcome: self.publish(&run).await.map(Box::new),
                        run: id,
                    },
                    Err(fault) => Report::Published {
                        outcome: Err(fault),
                        run: id,
                    },
                }
            }
            // The engine asks its own store.
            Effect::RecallRuns { .. } => Report::Recalled { runs: None },
            Effect::RecallOwners { .. } => Report::OwnersRecalled { owned: None },
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

    /// What a partition that lost its manifest held is asked of the runs that delivered it.
    async fn publish(&self, run: &Run) -> Result<Published, Fault> {
        let mut order = publish_order(run);
        for window in self.landing.unknown(order.clone()).await? {
            let (reading, schedule) = (Arc::clone(&self.published), run.schedule.clone());
            let known = tokio::task::spawn_blocking(move || reading(&schedule, window)).await;
            let known = known.map_err(|error| Fault::new(FaultClass::Disk, error.to_string()))?;
            let known = known.map_err(|error| Fault::new(FaultClass::Disk, error.to_string()))?;
            for earlier in known.iter().filter(|earlier| earlier.id != run.id) {
                if earlier.terms.format == run.terms.format {
                    order.earlier.extend(delivered(earlier).map(|part| Earlier {
                        run: earlier.id.clone(),
                        window: earlier.window,
                        part,
                    }));
                }
            }
        }
        order
            .earlier
            .sort_by(|a, b| (&a.run, a.part.number).cmp(&(&b.run, b.part.number)));
        order
            .earlier
            .dedup_by(|a, b| a.run == b.run && a.part.number == b.part.number);
        self.landing.publish(order).await
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
            ahead: api.clock_ahead(),
        })
    }
}

fn delivered(run: &Run) -> impl Iterator<Item = Delivered> {
    let of = |part: &crate::run::Part| {
        let attempt = part.current()?;
        Some(Delivered {
            number: part.number,
            job_id: attempt.job_id.clone()?,
            delivered_at: attempt.ended_at.unwrap_or(attempt.started_at),
            properties: part.properties(&run.properties).to_vec(),
            window: part.window,
            artifact: part.artifact.clone()?,
        })
    };
    run.live_parts()
        .filter(|part| part.state == PartState::Fetched)
        .filter_map(of)
}

fn publish_order(run: &Run) -> PublishOrder {
    PublishOrder {
        schedule: run.schedule.clone(),
        run: run.id.clone(),
        report: run.terms.report,
        format: run.terms.format,
        partition: run.terms.partition,
        window: run.window,
        properties: run.properties.to_vec(),
        whole: run.whole,
        columns: run.terms.columns.clone(),
        checks: run.terms.checks.clone(),
        accepted_by: match &run.quarantine {
            Some(Quarantine::Accepted { by }) => Some(by.clone()),
            _ => None,
        },
        parts: delivered(run).collect(),
        earlier: Vec::new(),
        at: clock::now(),
    }
}
