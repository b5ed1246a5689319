//! Runs and events out of the store, filtered.

use super::daemon::{EventFilter, RunFilter};
use super::{present, view};
use crate::run::RunId;
use crate::store::{Error, Sequence, Store, Tree, record};

/// Index entries read at a time.
const PAGE: usize = 256;
/// Events shown with one run: the newest.
const EVENTS_OF_RUN_MAX: usize = 1_000;

/// Newest first; runs that the index already rules out are not read.
pub fn runs<S: Store>(store: &S, filter: &RunFilter) -> Result<Vec<view::Run>, Error> {
    let mut found = Vec::new();
    let mut after = filter
        .after
        .as_ref()
        .map(|at| record::recent_key_of(at.made_at_millis, &at.run));
    while found.len() < filter.limit {
        let page = store.scan(Tree::Recent, b"", after.as_deref(), true, PAGE)?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(last.clone());
        for (key, _) in &page {
            let Some((made, id)) = split(key) else {
                continue;
            };
            if filter
                .since
                .is_some_and(|since| made < since.timestamp_millis())
            {
                return Ok(found);
            }
            if filter
                .schedule
                .as_ref()
                .is_some_and(|name| name.as_str() != id.schedule())
            {
                continue;
            }
            if let Some(wanted) = filter.state {
                let state = record::run_state(store, id.as_str())?;
                if state.is_none_or(|state| wanted != state.into()) {
                    continue;
                }
            }
            let Some(run) = record::run_alone(store, id.as_str())? else {
                continue;
            };
            let parts = record::parts(store, id.as_str())?;
            found.push(present::run(&run, parts.iter()));
            if found.len() == filter.limit {
                break;
            }
        }
    }
    Ok(found)
}

/// An index key: creation in big-endian milliseconds, then the run's id.
fn split(key: &[u8]) -> Option<(i64, RunId)> {
    let (made, id) = key.split_first_chunk::<8>()?;
    let id = std::str::from_utf8(id).ok()?.parse().ok()?;
    Some((u64::from_be_bytes(*made).cast_signed(), id))
}

/// Events beyond `after` that pass the filter, and how far was looked.
pub fn events<S: Store>(
    store: &S,
    filter: &EventFilter,
    after: Sequence,
    limit: usize,
) -> Result<(Vec<view::Event>, Sequence), Error> {
    let end = store.position();
    let run = filter.run.as_ref().map(RunId::as_str);
    let stored = store.events(run, after, limit)?;
    // A short page means that there is nothing more up to `end`.
    let looked = match stored.last() {
        Some(last) if stored.len() == limit => last.sequence,
        Some(last) => last.sequence.max(end),
        None => after.max(end),
    };
    let wanted = |event: &view::Event| {
        let schedule = filter.schedule.as_ref().map(|name| name.as_str());
        schedule.is_none() || event.schedule.as_deref() == schedule || about(event) == schedule
    };
    let events = stored.into_iter().map(view::Event::from);
    Ok((events.filter(wanted).collect(), looked))
}

/// The schedule of the run that an event is about.
fn about(event: &view::Event) -> Option<&str> {
    event.run.as_deref().and_then(|run| run.split('.').next())
}

pub fn events_of_run<S: Store>(store: &S, id: &RunId) -> Result<Vec<view::Event>, Error> {
    let mut newest = std::collections::VecDeque::new();
    let mut after = 0;
    loop {
        let page = store.events(Some(id.as_str()), after, PAGE)?;
        let full = page.len() == PAGE;
        for event in page {
            after = event.sequence;
            newest.push_back(view::Event::from(event));
            if newest.len() > EVENTS_OF_RUN_MAX {
                newest.pop_front();
            }
        }
        if !full {
            return Ok(newest.into());
        }
    }
}
