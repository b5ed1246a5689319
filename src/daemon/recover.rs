//! A start whose state may not know all there is: it takes in what the manifests say, and leaves word
//! that the vendor's list must be reconciled before anything new is begun.

use super::Error;
use crate::landing::{Landing, Manifests};
use crate::roster::{Cause, Doubt, Entry, Grounds, Saved, Turn};
use crate::run::Remains;
use crate::schedule::Schedule;
use crate::store::{self, Opened, Revival, Store, record};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::time::Duration;

/// Records of one commit; a schedule's history may need many.
const RECORDS_A_COMMIT: usize = 2_000;

/// Journals what opening the state found, so that `events` tells of it. Lost events put it in doubt.
///
/// # Errors
/// As a commit.
pub async fn note_opening(
    store: &impl Store,
    opened: &Opened,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let mut turn = Turn::default();
    if let Some(migrated) = &opened.migrated {
        let body = json!({
            "event": "store_migrated", "from": migrated.from, "to": migrated.to,
            "copy": migrated.copy, "bytes": migrated.bytes, "refilled": migrated.broken,
        });
        turn.entries.push(note(body));
    }
    if let Revival::Refilled {
        reason, commits, ..
    } = &opened.revival
    {
        let body = json!({"event": "store_refilled", "reason": reason, "commits": commits});
        turn.entries.push(note(body));
    }
    if let Some(damage) = &opened.journal_damage {
        let body = json!({"event": "journal_damaged", "damage": damage});
        turn.entries.push(note(body));
    }
    if let Some((from, to)) = opened.lost {
        let body = json!({"event": "events_lost", "first": from, "last": to});
        turn.entries.push(note(body));
        turn.saved.push(saved(Some(&Doubt {
            cause: Cause::Behind,
            since: now,
            manifests_read: false,
        })));
    }
    commit(store, &turn, now).await
}

/// Leaves word in the store that it may not know all there is.
///
/// # Errors
/// As a commit.
pub async fn put_in_doubt(
    store: &impl Store,
    cause: Cause,
    event: serde_json::Value,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let doubt = Doubt {
        cause,
        since: now,
        manifests_read: false,
    };
    let turn = Turn {
        entries: vec![note(event)],
        saved: vec![saved(Some(&doubt))],
        ..Turn::default()
    };
    commit(store, &turn, now).await
}

/// Takes in what the manifests know and the store does not, where there is reason to.
pub(super) async fn recover<S: Store>(
    store: &S,
    landing: &Landing,
    schedules: &[Schedule],
    submit_settle: Duration,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let known = record::doubt(store)?;
    if known.as_ref().is_some_and(|doubt| doubt.manifests_read) {
        return Ok(());
    }
    let new = known.is_none() && store.position() == 0;
    if known.is_none() && !new && !is_behind(store, landing, schedules)? {
        return Ok(());
    }
    let reading = landing.clone();
    let manifests = tokio::task::spawn_blocking(move || reading.manifests()).await;
    let manifests = manifests
        .map_err(|_| Error::Panicked("reading the manifests"))?
        .map_err(Error::Landing)?;
    let cause = match known {
        Some(doubt) => doubt.cause,
        None if !new => Cause::Behind,
        None if manifests.schedules.is_empty() => Cause::New,
        None => Cause::Rebuilt,
    };
    let doubt = Doubt {
        cause,
        since: now,
        manifests_read: false,
    };
    take_in(store, &manifests, schedules, submit_settle, doubt).await?;
    Ok(())
}

/// The landing folder knows of a run that the store does not, as after an old copy was put in its place.
fn is_behind<S: Store>(
    store: &S,
    landing: &Landing,
    schedules: &[Schedule],
) -> Result<bool, store::Error> {
    for schedule in schedules {
        let Some(run) = landing.latest_run(&schedule.name) else {
            continue;
        };
        if record::run_alone(store, run.as_str())?.is_none() {
            let manifests = landing.manifests().unwrap_or_default();
            let ids = record::run_ids(store)?;
            let mut runs = manifests.schedules.iter().flat_map(|all| &all.runs);
            return Ok(runs.any(|run| !ids.contains(&run.id)));
        }
    }
    Ok(false)
}

/// What a state was rebuilt of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenIn {
    pub schedules: u64,
    pub runs: u64,
    pub landed: u64,
    pub empty: u64,
    pub missing: u64,
}

/// Takes manifests in, in steps that a crash may interrupt: the doubt is there until all are in.
pub(super) async fn take_in<S: Store>(
    store: &S,
    manifests: &Manifests,
    schedules: &[Schedule],
    submit_settle: Duration,
    doubt: Doubt,
) -> Result<TakenIn, store::Error> {
    let now = doubt.since;
    let marked = Turn {
        saved: vec![saved(Some(&doubt))],
        ..Turn::default()
    };
    commit(store, &marked, now).await?;
    let loaded = record::load(store)?;
    let known = record::run_ids(store)?;
    let grounds = Grounds {
        loaded: &loaded,
        known: &known,
        schedules,
        submit_settle,
        now,
    };
    let mut taken = TakenIn::default();
    for remains in &manifests.schedules {
        count(&mut taken, remains);
        let mut turn = grounds.restore(remains);
        let all = std::mem::take(&mut turn.saved);
        for records in all.chunks(RECORDS_A_COMMIT) {
            turn.saved = records.to_vec();
            commit(store, &turn, now).await?;
            turn.entries.clear();
        }
    }
    let read = Doubt {
        manifests_read: true,
        ..doubt
    };
    let event = match read.cause {
        Cause::New => "state_made",
        Cause::Rebuilt => "state_rebuilt",
        Cause::Behind => "state_behind",
    };
    let body = json!({
        "event": event, "manifests": manifests.read, "unread": manifests.unread.len(),
        "schedules": taken.schedules, "runs": taken.runs, "landed": taken.landed,
    });
    let entries = match read.is_grave() {
        true => vec![note(body)],
        false => Vec::new(),
    };
    for (path, reason) in &manifests.unread {
        tracing::error!(path, reason, "a manifest cannot be taken in");
    }
    if read.is_grave() {
        tracing::error!(
            cause = event,
            manifests = manifests.read,
            runs = taken.runs,
            "the state did not know all there is: it was completed from the manifests, and will be reconciled with the vendor's list"
        );
    }
    let done = Turn {
        entries,
        saved: vec![saved(Some(&read))],
        ..Turn::default()
    };
    commit(store, &done, now).await?;
    Ok(taken)
}

fn count(taken: &mut TakenIn, remains: &Remains) {
    let cells = |spans: &[crate::run::CellSpan]| -> u64 {
        let days = spans.iter().map(|span| u64::from(span.window().len()));
        days.sum()
    };
    taken.schedules += 1;
    taken.runs += remains.runs.len() as u64;
    taken.landed += cells(&remains.landed);
    taken.empty += cells(&remains.empty);
    taken.missing += cells(&remains.missing) - cells(&remains.empty).min(cells(&remains.missing));
}

pub(super) async fn commit(
    store: &impl Store,
    turn: &Turn,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    if turn.needs_commit() {
        store.commit(record::commit_of(turn, now)).await?;
    }
    Ok(())
}

fn note(body: serde_json::Value) -> Entry {
    Entry {
        schedule: None,
        run: None,
        body,
    }
}

fn saved(doubt: Option<&Doubt>) -> Saved {
    Saved::Setting {
        key: Doubt::KEY.to_owned(),
        value: doubt.and_then(|doubt| serde_json::to_value(doubt).ok()),
    }
}
