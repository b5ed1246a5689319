//! Runs and events out of the store, filtered.

use super::daemon::{EventFilter, RunFilter};
use super::{present, view};
use crate::run::RunId;
use crate::store::{Error, Sequence, Store, Tree, record};
use std::collections::BTreeSet;

/// Index entries read at a time.
const PAGE: usize = 256;
/// Events shown with one run: the newest.
const EVENTS_OF_RUN_MAX: usize = 1_000;

/// Newest first; runs that the index already rules out are not read.
pub fn runs<S: Store>(store: &S, filter: &RunFilter) -> Result<Vec<view::Run>, Error> {
    let mut found = Vec::new();
    let open = match filter.state {
        Some(_) => record::open_runs(store)?,
        None => BTreeSet::new(),
    };
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
        for (key, listed) in &page {
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
                let ended = match open.contains(id.as_str()) {
                    true => None,
                    false => record::ended_of(listed)?,
                };
                let state = match ended {
                    Some(_) => ended,
                    None => record::run_state(store, id.as_str())?,
                };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Saved, Turn};
    use crate::run::{Run, RunState};
    use crate::store::Memory;
    use chrono::TimeDelta;

    /// A run of minute `number`, as the stored form has it.
    fn run(number: i64, state: RunState) -> Run {
        let golden = include_str!("../store/golden/run.json");
        let mut run: Run = serde_json::from_str(golden).unwrap();
        run.created_at += TimeDelta::minutes(number);
        run.id = format!("daily.20261123T18{:02}00Z", number)
            .parse()
            .unwrap();
        run.state = state;
        run
    }

    async fn keep(store: &Memory, saved: Vec<Saved>) {
        let turn = Turn {
            saved,
            ..Turn::default()
        };
        let now = "2026-11-24T00:00:00Z".parse().unwrap();
        store.commit(record::commit_of(&turn, now)).await.unwrap();
    }

    fn saved(run: &Run, new: bool) -> Saved {
        Saved::Run {
            run: Box::new(run.clone()),
            new,
        }
    }

    fn found(store: &Memory, state: RunState) -> Vec<String> {
        let filter = RunFilter {
            schedule: None,
            state: Some(state.into()),
            since: None,
            after: None,
            limit: 10,
        };
        let runs = runs(store, &filter).unwrap();
        runs.into_iter().map(|run| run.id).collect()
    }

    #[tokio::test]
    async fn a_run_is_found_by_its_state_also_once_it_is_opened_again() {
        let store = Memory::new();
        let mut failed = run(1, RunState::Running);
        let landed = run(2, RunState::Landed);
        let id = failed.id.to_string();
        let alone = std::slice::from_ref(&id);
        keep(
            &store,
            vec![saved(&failed, true), Saved::Opened(failed.id.clone())],
        )
        .await;
        keep(&store, vec![saved(&landed, true)]).await;
        assert_eq!(found(&store, RunState::Running), alone);
        failed.state = RunState::Failed;
        keep(
            &store,
            vec![saved(&failed, false), Saved::Closed(failed.id.clone())],
        )
        .await;
        assert_eq!(found(&store, RunState::Failed), alone);
        assert_eq!(found(&store, RunState::Running), [""; 0]);
        assert_eq!(found(&store, RunState::Landed), [landed.id.to_string()]);
        failed.state = RunState::Running;
        keep(
            &store,
            vec![saved(&failed, false), Saved::Opened(failed.id.clone())],
        )
        .await;
        assert_eq!(found(&store, RunState::Running), alone);
        assert_eq!(found(&store, RunState::Failed), [""; 0]);
        failed.state = RunState::Landed;
        keep(
            &store,
            vec![saved(&failed, false), Saved::Closed(failed.id.clone())],
        )
        .await;
        assert_eq!(
            found(&store, RunState::Landed),
            [landed.id.to_string(), id.clone()]
        );
        assert_eq!(found(&store, RunState::Failed), [""; 0]);
    }

    #[tokio::test]
    async fn an_entry_that_does_not_say_how_the_run_ended_is_looked_up() {
        let store = Memory::new();
        let run = run(1, RunState::Failed);
        let turn = Turn {
            saved: vec![saved(&run, true)],
            ..Turn::default()
        };
        let mut commit = record::commit_of(&turn, run.created_at);
        for change in &mut commit.changes {
            if let crate::store::Change::Put { key, value } = change
                && key.tree == Tree::Recent
            {
                *value = b"null".to_vec();
            }
        }
        store.commit(commit).await.unwrap();
        assert_eq!(found(&store, RunState::Failed), [run.id.to_string()]);
    }
}
