//! The journal as it grows: server-sent events, resumable by `Last-Event-ID`; or one JSON document.

use super::routes::{Asked, parse_name, parse_run};
use super::view::Events;
use super::{Daemon, EventFilter, Refusal, view};
use crate::store::Sequence;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Events read at a time.
const PAGE: usize = 256;
/// Events in one document: by default and at most.
const EVENTS_DEFAULT: usize = 100;
const EVENTS_MAX: usize = 10_000;
/// Events looked through for those of one schedule.
const SEARCHED_MAX: u64 = 200_000;

/// Ends the streams when the daemon stops.
#[derive(Clone)]
pub(super) struct Stop(pub CancellationToken);

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Only events beyond this sequence; `Last-Event-ID` goes before it.
    after: Option<Sequence>,
    /// Only events of this run.
    run: Option<String>,
    /// Only events of this schedule.
    schedule: Option<String>,
    /// Of a JSON document only: at most so many, 100 unless said, never more than 10000.
    limit: Option<usize>,
}

pub(super) async fn events<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Extension(stop): Extension<Stop>,
    headers: HeaderMap,
    Asked(query): Asked<EventsQuery>,
) -> Result<Response, Refusal> {
    let filter = EventFilter {
        run: query.run.as_deref().map(parse_run).transpose()?,
        schedule: query.schedule.as_deref().map(parse_name).transpose()?,
    };
    let last_seen = last_event_id(&headers)?;
    if wants_document(&headers) {
        let limit = query.limit.unwrap_or(EVENTS_DEFAULT).min(EVENTS_MAX);
        let events = newest(&*daemon, filter, query.after, limit).await?;
        return Ok(Json(Events::new(events)).into_response());
    }
    let end = *daemon.position().borrow();
    // Beyond the end stands only who followed another journal.
    let after = last_seen.or(query.after).map_or(end, |seen| seen.min(end));
    let lines = follow(daemon, filter, after).take_until(stop.0.cancelled_owned());
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let stream = Sse::new(lines).keep_alive(keep_alive);
    Ok(([(header::CACHE_CONTROL, "no-store")], stream).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Sequence>, Refusal> {
    let id = headers.get("last-event-id");
    let id = id.map(|id| id.to_str().ok().and_then(|id| id.parse().ok()));
    match id {
        Some(None) => Err(Refusal::usage("Last-Event-ID is an event's sequence")),
        Some(known) => Ok(known),
        None => Ok(None),
    }
}

/// A document only for who asks for JSON and not for a stream.
fn wants_document(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/event-stream")
}

/// The newest `limit` events that pass the filter, or the first ones beyond `after`.
async fn newest<D: Daemon>(
    daemon: &D,
    filter: EventFilter,
    after: Option<Sequence>,
    limit: usize,
) -> Result<Vec<view::Event>, Refusal> {
    let end = *daemon.position().borrow();
    let unfiltered = filter == EventFilter::default();
    let mut position = match after {
        Some(after) => after,
        None if unfiltered => end.saturating_sub(limit as u64),
        // A run's events are indexed; those of a schedule are looked for among the newest.
        None if filter.run.is_some() => 0,
        None => end.saturating_sub(SEARCHED_MAX),
    };
    let mut found = std::collections::VecDeque::new();
    while position < end {
        let (page, looked) = daemon.events(filter.clone(), position, PAGE).await?;
        for event in page {
            found.push_back(event);
            if found.len() > limit {
                if after.is_some() {
                    found.pop_back();
                    return Ok(found.into());
                }
                found.pop_front();
            }
        }
        if looked <= position {
            break;
        }
        position = looked;
    }
    Ok(found.into())
}

struct Follow<D> {
    daemon: Arc<D>,
    filter: EventFilter,
    after: Sequence,
    waiting: std::vec::IntoIter<view::Event>,
    position: tokio::sync::watch::Receiver<Sequence>,
}

fn follow<D: Daemon>(
    daemon: Arc<D>,
    filter: EventFilter,
    after: Sequence,
) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send {
    let position = daemon.position();
    let start = Follow {
        daemon,
        filter,
        after,
        waiting: Vec::new().into_iter(),
        position,
    };
    stream::unfold(start, async |mut state| {
        let event = state.next().await?;
        Some((Ok(line(&event)), state))
    })
}

impl<D: Daemon> Follow<D> {
    /// The next event; `None` when the daemon is gone or its store cannot be read.
    async fn next(&mut self) -> Option<view::Event> {
        loop {
            if let Some(event) = self.waiting.next() {
                return Some(event);
            }
            if *self.position.borrow_and_update() <= self.after {
                self.position.changed().await.ok()?;
                continue;
            }
            let filter = self.filter.clone();
            let (page, looked) = self.daemon.events(filter, self.after, PAGE).await.ok()?;
            if looked <= self.after {
                self.position.changed().await.ok()?;
            }
            self.after = self.after.max(looked);
            self.waiting = page.into_iter();
        }
    }
}

fn line(event: &view::Event) -> sse::Event {
    sse::Event::default()
        .id(event.sequence.to_string())
        .event(event.event.replace(['\n', '\r'], " "))
        .data(serde_json::to_string(event).unwrap_or_default())
}
