//! The operator's questions, answered out of everything that the composition root holds.

use super::Parts;
use crate::admin::Surroundings;
use crate::admin::view::{CallbackTest, Examined, Finding, TokenCheck};
use crate::config::Credential;
use crate::doctor::{self, Local, Outgoing};
use crate::run::{AttemptId, Fault, FaultClass, JobSeen, RunId, Source};
use crate::schedule::Properties;
use crate::store::{Store, record};
use crate::{clock, store};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;

/// How long the vendor, the store or anything else may take; all run side by side.
const WITHIN: Duration = Duration::from_secs(12);
/// Results are kept for 7 days: older jobs hold nothing any more.
const BACK: TimeDelta = TimeDelta::days(8);
/// Jobs and runs that are looked at.
const JOBS_MAX: usize = 500;
const RUNS_MAX: usize = 500;

const LOG: &str = "journalctl -u aptiqd -n 100 --no-pager";

type Listed = Vec<(JobSeen, Option<AttemptId>)>;

impl<S: Store> Surroundings for Parts<S> {
    async fn examine(&self) -> Vec<Examined> {
        let local = self.examine_locally();
        let vendor = async {
            let token = self.check_token().await;
            // Whoever is refused here is refused there.
            let jobs = match token.ok {
                true => self.jobs().await,
                false => Err(token.reason.clone().unwrap_or_default()),
            };
            (token, jobs)
        };
        let (mut local, (token, jobs), store, called) =
            tokio::join!(local, vendor, self.examine_store(), self.call_ourselves());
        let seen = self.api.limits();
        if let Some(clock) = doctor::clock(&seen)
            && let Some(first) = local.first_mut()
        {
            *first = clock;
        }
        let now = clock::now();
        local.push(self.examine_daemon());
        local.push(doctor::judge_credential(&token, &self.named()));
        let per_minute = self.config.api.requests_per_minute;
        local.push(doctor::limits(&seen, per_minute, &self.named(), now));
        local.push(store);
        local.extend(match jobs {
            Ok(upstream) => doctor::judge_jobs(&upstream, now),
            Err(reason) => doctor::not_looked_at(&reason),
        });
        local.push(match called {
            Some(test) => doctor::judge_callback(&test, now),
            None => doctor::nobody_is_called(&self.config.file),
        });
        local
    }

    async fn call_ourselves(&self) -> Option<CallbackTest> {
        let public_url = self.config.callback.public_url.as_ref()?;
        let outgoing = Outgoing {
            public_url: public_url.as_str(),
            keys: &self.keys,
            counters: &self.callbacks,
            now: clock::now(),
        };
        Some(doctor::call(&outgoing).await)
    }

    async fn check_token(&self) -> TokenCheck {
        // A refusal rests for a while; whoever asks now wants to know about now.
        if self.api.credential().refused {
            self.api.reload_credential();
        }
        let answer = tokio::time::timeout(WITHIN, self.api.accounts()).await;
        let answer = answer.unwrap_or_else(|_| Err(self.no_turn()));
        doctor::token_told(answer, &self.api.credential(), &self.named(), clock::now())
    }

    async fn properties_of(&self, source: Source) -> Result<Vec<i64>, Fault> {
        let of = match source {
            Source::CompSets { ids, subjects_only } => Properties::CompSets { ids, subjects_only },
            Source::Accounts(accounts) => Properties::Accounts(accounts),
        };
        let asked = tokio::time::timeout(2 * WITHIN, self.api.properties(&of)).await;
        let properties = asked.unwrap_or_else(|_| Err(self.no_turn()))?;
        Ok(properties.into_iter().map(|property| property.id).collect())
    }
}

impl<S: Store> Parts<S> {
    fn named(&self) -> doctor::Named<'_> {
        let api = &self.config.api;
        doctor::Named {
            config: &self.config.file,
            secret: match &api.credential {
                Credential::Client { secret_file, .. } => secret_file,
                Credential::Token { file } => file,
            },
            base_url: api.base_url.as_str(),
        }
    }

    async fn examine_locally(&self) -> Vec<Examined> {
        let config = Arc::clone(&self.config);
        let looked = tokio::task::spawn_blocking(move || {
            let env: Vec<(String, String)> = super::reload::environment().collect();
            doctor::examine_locally(&Local {
                config: &config.file,
                env: &env,
                now: clock::now(),
                state: config.state.path.clone(),
                landing: config.landing.path.clone(),
            })
        });
        looked.await.unwrap_or_default()
    }

    fn examine_daemon(&self) -> Examined {
        let version = env!("CARGO_PKG_VERSION");
        let since = self.started_at.format("%Y-%m-%d %H:%M:%SZ");
        let open = self.handle.is_open();
        let expected = "a daemon that can acknowledge callbacks";
        let observed = format!("aptiqd {version} answers, up since {since}");
        match open {
            true => doctor::examined("daemon", Finding::Pass, observed, expected, ""),
            false => doctor::examined(
                "daemon",
                Finding::Fail,
                "the engine has stopped",
                expected,
                LOG,
            ),
        }
    }

    async fn examine_store(&self) -> Examined {
        let store = Arc::clone(&self.store);
        let audit = tokio::task::spawn_blocking(move || store.audit());
        let audited = tokio::time::timeout(WITHIN, audit).await;
        let folder = &self.config.state.path;
        let aside = set_aside(folder);
        let (status, observed, help) = match audited {
            Ok(Ok(Ok(()))) if aside.is_empty() => (Finding::Pass, self.sound(), String::new()),
            Ok(Ok(Ok(()))) => (
                Finding::Warn,
                format!(
                    "{}; damaged and mended earlier: {}",
                    self.sound(),
                    aside.join(", ")
                ),
                format!(
                    "ls -d {}/quarantine.*   # what was set aside; it is mended already",
                    crate::config::shell_word(folder)
                ),
            ),
            Ok(Ok(Err(error))) => (
                Finding::Fail,
                words(&error),
                "systemctl restart aptiqd   # a start refills the state from its journal"
                    .to_owned(),
            ),
            Ok(Err(_)) => (
                Finding::Fail,
                "the audit ended abnormally".to_owned(),
                "systemctl restart aptiqd".to_owned(),
            ),
            Err(_) => (
                Finding::Warn,
                format!(
                    "{}; the audit goes on beyond {} s",
                    self.sound(),
                    WITHIN.as_secs()
                ),
                LOG.to_owned(),
            ),
        };
        let expected = "every record is as it was committed";
        doctor::examined("store", status, observed, expected, help)
    }

    fn sound(&self) -> String {
        format!(
            "{} events in {}",
            self.store.position(),
            self.config.state.path.display()
        )
    }

    /// The vendor's newest jobs, held against ours.
    async fn jobs(&self) -> Result<doctor::Upstream, String> {
        let oldest = clock::now() - BACK;
        let enough = |so_far: &[JobSeen]| {
            let last = so_far.last().and_then(|job| job.created_at);
            so_far.len() >= JOBS_MAX || last.is_some_and(|at| at < oldest)
        };
        let listing = tokio::time::timeout(WITHIN, self.api.list(enough)).await;
        let listing = listing.unwrap_or_else(|_| Err(self.no_turn()));
        let listing = listing.map_err(|fault| fault.message)?;
        let listed: Listed = listing
            .jobs
            .into_iter()
            .map(|job| {
                let address = job.callback_url.as_deref();
                let attempt = address.and_then(|address| self.keys.verify_url(address));
                (job, attempt)
            })
            .collect();
        let store = Arc::clone(&self.store);
        let sorted = tokio::task::spawn_blocking(move || sort(&*store, &listed)).await;
        let sorted = sorted.map_err(|_| "a read of the store ended abnormally".to_owned())?;
        sorted.map_err(|error| words(&error))
    }

    /// Why nothing was sent in time.
    fn no_turn(&self) -> Fault {
        let words = match self.api.limits().closed_for {
            Some(pause) => format!(
                "ApartmentIQ asked for a pause of another {} s",
                pause.as_secs()
            ),
            None => format!("no answer within {} s", WITHIN.as_secs()),
        };
        Fault::new(FaultClass::Unanswered, words)
    }
}

fn sort<S: Store>(store: &S, jobs: &Listed) -> Result<doctor::Upstream, store::Error> {
    let oldest = clock::now() - BACK;
    let mut ids: Vec<RunId> = Vec::new();
    record::recent(store, |run| {
        if ids.len() == RUNS_MAX || run.created_at < oldest {
            return record::Visit::Enough;
        }
        ids.push(run.id);
        record::Visit::More
    })?;
    let mut known = doctor::Known::new();
    for id in &ids {
        if let Some(run) = record::run(store, id.as_str())? {
            doctor::learn(&mut known, &run);
        }
    }
    // A run that cannot be read is one that we do not know.
    let run_of = |id: &RunId| record::run(store, id.as_str()).ok().flatten();
    Ok(doctor::classify(jobs, &known, run_of))
}

/// What openings found damaged and kept for people to look at.
fn set_aside(state: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("quarantine."))
        .collect();
    names.sort();
    names
}

fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
