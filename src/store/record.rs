//! The typed forms of what is stored. Frozen: a golden test fails when one of them changes.

pub use super::changes::commit_of;
use super::{Error, Key, Store, Tree};
use crate::coverage::{Ledger, Line};
use crate::roster::{Doubt, Exclusion, ListName, Loaded, Mark, SILENT_SINCE};
use crate::run::{Part, PublishedFile, Run, RunId, RunState};
use crate::schedule::{Name, Window};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the keys of operators' exclusions begin with.
pub(super) const EXCLUDED: &str = "excluded";
/// What the keys of departures from the vendor's contract begin with.
const DRIFT: &str = "drift.";
/// Records read at once.
const PAGE: usize = 1_000;

/// What the key of a record by property was made of.
fn property_of(tree: Tree, key: &[u8]) -> Result<(&[u8], i64), Error> {
    let parsed = key
        .split_last_chunk::<8>()
        .and_then(|(prefix, number)| Some((prefix.strip_suffix(&[0])?, number)));
    let (prefix, number) = parsed.ok_or_else(|| bad(tree, &"its key holds no property"))?;
    Ok((prefix, i64::from_be_bytes(*number) ^ i64::MIN))
}

/// Where a run stands in the listing of runs by age.
pub fn recent_key_of(made_at_millis: u64, run: &RunId) -> Vec<u8> {
    let mut key = made_at_millis.to_be_bytes().to_vec();
    key.extend(run.as_str().as_bytes());
    key
}

/// What the roster begins with.
pub fn load(store: &impl Store) -> Result<Loaded, Error> {
    let mut marks = BTreeMap::new();
    each(store, Tree::Schedule, b"", |key, value| {
        let name = text(Tree::Schedule, key)?;
        let name = Name::parse(&name).map_err(|fault| bad(Tree::Schedule, &fault))?;
        marks.insert(name, decode::<Mark>(Tree::Schedule, value)?);
        Ok(())
    })?;
    let mut open = Vec::new();
    for id in open_runs(store)? {
        match run(store, &id)? {
            Some(run) => open.push(run),
            None => {
                return Err(bad(
                    Tree::Open,
                    &format!("it names `{id}`, which is no run"),
                ));
            }
        }
    }
    Ok(Loaded {
        rosters: rosters(store, &marks, |mark| mark.roster)?,
        seen: rosters(store, &marks, |mark| mark.seen)?,
        marks,
        open,
        ledgers: ledgers(store)?,
        excluded: excluded(store)?,
        doubt: doubt(store)?,
        drift: drift(store)?,
        silent_since: setting(store, SILENT_SINCE)?,
    })
}

fn rosters(
    store: &impl Store,
    marks: &BTreeMap<Name, Mark>,
    list: impl Fn(&Mark) -> Option<ListName>,
) -> Result<BTreeMap<Name, Arc<Vec<i64>>>, Error> {
    let named = marks
        .iter()
        .filter_map(|(name, mark)| Some((name, list(mark)?.to_string())));
    named
        .map(|(name, hash)| Ok((name.clone(), Arc::new(roster(store, &hash)?))))
        .collect()
}

fn ledgers(store: &impl Store) -> Result<BTreeMap<Name, Ledger>, Error> {
    let mut ledgers: BTreeMap<Name, Ledger> = BTreeMap::new();
    each(store, Tree::Coverage, b"", |key, value| {
        let (schedule, property) = property_of(Tree::Coverage, key)?;
        let schedule = text(Tree::Coverage, schedule)?;
        let name = Name::parse(&schedule).map_err(|fault| bad(Tree::Coverage, &fault))?;
        let line = decode::<Line>(Tree::Coverage, value)?;
        ledgers.entry(name).or_default().insert(property, line);
        Ok(())
    })?;
    Ok(ledgers)
}

fn excluded(store: &impl Store) -> Result<BTreeMap<i64, Exclusion>, Error> {
    let mut excluded = BTreeMap::new();
    let prefix = [EXCLUDED.as_bytes(), &[0]].concat();
    each(store, Tree::Setting, &prefix, |key, value| {
        let (_, property) = property_of(Tree::Setting, key)?;
        excluded.insert(property, decode::<Exclusion>(Tree::Setting, value)?);
        Ok(())
    })?;
    Ok(excluded)
}

/// Why the state may not know all there is, if it may not.
pub fn doubt(store: &impl Store) -> Result<Option<Doubt>, Error> {
    setting(store, Doubt::KEY)
}

fn setting<T: DeserializeOwned>(store: &impl Store, key: &str) -> Result<Option<T>, Error> {
    let value = store.read(&Key {
        tree: Tree::Setting,
        key: key.into(),
    })?;
    let read = value.map(|value| decode::<T>(Tree::Setting, &value));
    read.transpose()
}

fn drift(store: &impl Store) -> Result<BTreeSet<String>, Error> {
    let mut notes = BTreeSet::new();
    each(store, Tree::Setting, DRIFT.as_bytes(), |key, _| {
        notes.insert(text(Tree::Setting, &key[DRIFT.len()..])?);
        Ok(())
    })?;
    Ok(notes)
}

/// The ids of all runs, open or ended.
pub fn run_ids(store: &impl Store) -> Result<BTreeSet<RunId>, Error> {
    let mut ids = BTreeSet::new();
    each(store, Tree::Recent, b"", |key, _| {
        let id = text(Tree::Recent, key.get(8..).unwrap_or_default())?;
        ids.insert(id.parse().map_err(|fault| bad(Tree::Recent, &fault))?);
        Ok(())
    })?;
    Ok(ids)
}

/// A run with its parts and properties.
pub fn run(store: &impl Store, id: &str) -> Result<Option<Run>, Error> {
    let Some(mut run) = run_alone(store, id)? else {
        return Ok(None);
    };
    let mut prefix = id.as_bytes().to_vec();
    prefix.push(0);
    each(store, Tree::Part, &prefix, |_, value| {
        let part = decode::<Part>(Tree::Part, value)?;
        run.parts.insert(part.number, part);
        Ok(())
    })?;
    each(store, Tree::File, &prefix, |_, value| {
        run.files
            .extend(decode::<Vec<PublishedFile>>(Tree::File, value)?);
        Ok(())
    })?;
    run.properties = Arc::new(roster(store, &run.roster)?);
    Ok(Some(run))
}

/// The runs of a schedule whose windows touch `window` and that have published files, with their
/// parts and properties; oldest id first.
pub fn published(store: &impl Store, schedule: &Name, window: Window) -> Result<Vec<Run>, Error> {
    let prefix = format!("{schedule}.");
    let mut touching = Vec::new();
    each(store, Tree::Run, prefix.as_bytes(), |_, value| {
        let run = decode::<Run>(Tree::Run, value)?;
        if run.window.overlaps(window) {
            touching.push(run.id);
        }
        Ok(())
    })?;
    let mut runs = Vec::new();
    for id in touching {
        runs.extend(run(store, id.as_str())?.filter(|run| !run.files.is_empty()));
    }
    Ok(runs)
}

/// A run's own record.
pub fn run_alone(store: &impl Store, id: &str) -> Result<Option<Run>, Error> {
    store
        .read(&Key {
            tree: Tree::Run,
            key: id.into(),
        })?
        .map(|value| decode::<Run>(Tree::Run, &value))
        .transpose()
}

/// How a run ended, by its entry in the listing; `None` if it did not when that was written.
pub fn ended_of(listed: &[u8]) -> Result<Option<RunState>, Error> {
    decode(Tree::Recent, listed)
}

/// Runs that still have work to do.
pub fn open_runs(store: &impl Store) -> Result<BTreeSet<String>, Error> {
    let mut ids = BTreeSet::new();
    each(store, Tree::Open, b"", |key, _| {
        ids.insert(text(Tree::Open, key)?);
        Ok(())
    })?;
    Ok(ids)
}

/// A run's state, read out of its record without the rest: for looking through many.
pub fn run_state(store: &impl Store, id: &str) -> Result<Option<RunState>, Error> {
    #[derive(serde::Deserialize)]
    struct StateOnly {
        state: RunState,
    }
    let tree = Tree::Run;
    let key = Key {
        tree,
        key: id.into(),
    };
    let value = store.read(&key)?;
    let state = value.map(|value| decode::<StateOnly>(tree, &value));
    Ok(state.transpose()?.map(|run| run.state))
}

/// Those of `jobs` that an attempt has or had, in the runs that had not ended by `since`.
pub fn owned(
    store: &impl Store,
    jobs: &BTreeSet<String>,
    since: DateTime<Utc>,
) -> Result<BTreeSet<String>, Error> {
    #[derive(serde::Deserialize)]
    struct EndOnly {
        finished_at: Option<DateTime<Utc>>,
    }
    let mut ids = Vec::new();
    each(store, Tree::Run, b"", |key, value| {
        let run = decode::<EndOnly>(Tree::Run, value)?;
        if run.finished_at.is_none_or(|at| at >= since) {
            ids.push(text(Tree::Run, key)?);
        }
        Ok(())
    })?;
    let mut owned = BTreeSet::new();
    for id in ids {
        let parts = parts(store, &id)?;
        for attempt in parts.iter().flat_map(|part| &part.attempts) {
            let second = attempt.cancelling.iter().map(|order| &order.job_id);
            let known = attempt.job_id.iter().chain(second);
            owned.extend(known.filter(|id| jobs.contains(*id)).cloned());
        }
    }
    Ok(owned)
}

/// The parts of a run, for listings.
pub fn parts(store: &impl Store, id: &str) -> Result<Vec<Part>, Error> {
    let mut prefix = id.as_bytes().to_vec();
    prefix.push(0);
    let mut parts = Vec::new();
    each(store, Tree::Part, &prefix, |_, value| {
        parts.push(decode::<Part>(Tree::Part, value)?);
        Ok(())
    })?;
    Ok(parts)
}

fn roster(store: &impl Store, hash: &str) -> Result<Vec<i64>, Error> {
    let mut ids = Vec::new();
    if hash.is_empty() {
        return Ok(ids);
    }
    let mut prefix = hash.as_bytes().to_vec();
    prefix.push(0);
    each(store, Tree::Roster, &prefix, |_, value| {
        ids.extend(decode::<Vec<i64>>(Tree::Roster, value)?);
        Ok(())
    })?;
    Ok(ids)
}

/// Runs newest first, as long as `keep` wants more.
pub fn recent(store: &impl Store, mut visit: impl FnMut(Run) -> Visit) -> Result<(), Error> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = store.scan(Tree::Recent, b"", after.as_deref(), true, PAGE.min(200))?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        for (key, _) in &page {
            let id = text(Tree::Recent, key.get(8..).unwrap_or_default())?;
            let Some(run) = run_alone(store, &id)? else {
                continue;
            };
            if visit(run) == Visit::Enough {
                return Ok(());
            }
        }
    }
}

/// Whether a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    More,
    Enough,
}

pub(super) fn each(
    store: &impl Store,
    tree: Tree,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = store.scan(tree, prefix, after.as_deref(), false, PAGE)?;
        for (key, value) in &page {
            visit(key, value)?;
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
            _ => return Ok(()),
        }
    }
}

pub(super) fn decode<T: DeserializeOwned>(tree: Tree, value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|fault| bad(tree, &fault))
}

pub(super) fn text(tree: Tree, key: &[u8]) -> Result<String, Error> {
    String::from_utf8(key.to_vec()).map_err(|fault| bad(tree, &fault))
}

fn bad(tree: Tree, reason: &dyn std::fmt::Display) -> Error {
    Error::Record {
        tree,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
#[path = "golden/tests.rs"]
mod golden;
