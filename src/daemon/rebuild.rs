//! `store rebuild`: a new state from manifests, the vendor's list and the schedules, with no daemon running.

use super::recover::{self, TakenIn};
use super::{Error, api_settings, callback_key_file, limits};
use crate::apartmentiq::{CallbackKeys, Client};
use crate::engine::{Addresses, recalled};
use crate::landing::{self, Manifests};
use crate::roster::{Cause, Doubt, Effect, Entry, Input, Report, Roster, Turn};
use crate::run::Fault;
use crate::schedule::Schedule;
use crate::store::{Store, record};
use crate::{clock, config};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::path::Path;

/// Whether the vendor is asked for its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Vendor,
    Nobody,
}

/// Whether what is made is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    State,
    /// Nothing: not even a key for addresses is made.
    Nothing,
}

/// What a rebuild came to.
#[derive(Debug)]
pub struct Rebuilt {
    pub manifests: Manifests,
    pub taken: TakenIn,
    /// `None`: nobody was asked.
    pub vendor: Option<Result<Reconciled, Fault>>,
}

/// What the vendor's list came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Jobs in the list.
    pub jobs: u64,
    /// Runs that go on when the daemon starts.
    pub regained: Vec<String>,
    /// Jobs that the daemon will cancel when it starts.
    pub unwanted: Vec<String>,
    /// The list left nothing out.
    pub whole: bool,
}

/// Fills an empty store. The vendor's list, if it cannot be had, is reconciled by the next start.
///
/// # Errors
/// If the manifests cannot be read, or the store fails.
pub async fn rebuild<S: Store>(
    config: &config::Daemon,
    schedules: Vec<Schedule>,
    store: &S,
    ask: Ask,
    keep: Keep,
) -> Result<Rebuilt, Error> {
    let now = clock::now();
    let manifests = landing::manifests(&config.landing.path).map_err(Error::Landing)?;
    let doubt = Doubt {
        cause: Cause::Rebuilt,
        since: now,
        manifests_read: false,
    };
    let settle = config.api.submit_settle;
    let taken = recover::take_in(store, &manifests, &schedules, settle, doubt).await?;
    let vendor = match ask {
        Ask::Nobody => None,
        Ask::Vendor => Some(reconcile(config, schedules, store, keep, now).await?),
    };
    Ok(Rebuilt {
        manifests,
        taken,
        vendor,
    })
}

async fn reconcile<S: Store>(
    config: &config::Daemon,
    schedules: Vec<Schedule>,
    store: &S,
    keep: Keep,
    now: DateTime<Utc>,
) -> Result<Result<Reconciled, Fault>, Error> {
    let api = Client::new(api_settings(config)).map_err(Error::Api)?;
    let keys = keys(&callback_key_file(config), keep)?;
    let public_url = config.callback.public_url.as_ref().map(|url| url.as_str());
    let addresses = Addresses {
        keys: &keys,
        public_url,
    };
    let loaded = record::load(store)?;
    let (mut roster, first) = Roster::load(limits(config), loaded, schedules, now);
    recover::commit(store, &first, now).await?;
    // Facts are folded, nothing is begun: that is the daemon's.
    roster.stop();
    let back_to = first.effects.iter().find_map(|effect| match effect {
        Effect::ListJobs { back_to, .. } => *back_to,
        _ => None,
    });
    let listed = match addresses.list(&api, BTreeSet::new(), back_to).await {
        Ok(listed) => listed,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut done = Reconciled {
        jobs: listed.jobs.len() as u64,
        whole: listed.whole,
        ..Reconciled::default()
    };
    let report = Report::Listed {
        asked_at: now,
        outcome: Ok(listed),
    };
    let turn = roster.handle(vec![Input::Report(report)], now);
    recover::commit(store, &turn, now).await?;
    note(&mut done, &turn);
    for effect in turn.effects {
        if let Effect::RecallRuns { runs } = effect {
            let runs = recalled(store, runs);
            let turn = roster.handle(vec![Input::Report(Report::Recalled { runs })], now);
            recover::commit(store, &turn, now).await?;
            note(&mut done, &turn);
        }
    }
    Ok(Ok(done))
}

fn keys(file: &Path, keep: Keep) -> Result<CallbackKeys, Error> {
    let keys = match keep {
        Keep::State => CallbackKeys::load_or_create(file),
        Keep::Nothing => CallbackKeys::load_or_forget(file),
    };
    keys.map_err(Error::Key)
}

fn note(done: &mut Reconciled, turn: &Turn) {
    let job = |entry: &Entry| entry.body["job_id"].as_str().map(str::to_owned);
    for entry in &turn.entries {
        match entry.body["event"].as_str() {
            Some("run_regained") => done.regained.extend(entry.run.clone()),
            Some("job_unwanted" | "second_job_seen") => done.unwanted.extend(job(entry)),
            _ => {}
        }
    }
}
