//! The routes of the contract, each a parse, one question to the daemon and one document.

pub(super) use super::extract::{Asked, Body};
use super::view::{
    ActRequest, Acted, PauseRequest, Ready, RetryRequest, RunDetail, RunState, Runs, Schedules,
    TriggerRequest, Triggered,
};
use super::{
    Access, Completeness, Cursor, Daemon, Intent, Operations, Peer, Refusal, RunFilter, Survey,
    access, complete, events, idempotency, openapi, operations, page, problems,
};
use crate::run::{Retrial, RunId};
use crate::schedule::{Name, Window};
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The largest body of a request.
const BODY_MAX: usize = 64 * 1024;
/// Runs in one answer: by default and at most.
const RUNS_DEFAULT: usize = 50;
const RUNS_MAX: usize = 1000;
/// The longest window that may be asked for at once, in days: twenty years.
const WINDOW_MAX: u32 = 7_305;
/// The longest reason of a pause.
const REASON_MAX: usize = 500;

/// All routes of the admin side over `daemon`; `stop` ends the event streams.
pub fn router<D: Daemon + Completeness + Survey + Operations>(
    daemon: Arc<D>,
    access: Access,
    stop: CancellationToken,
) -> Router {
    let router = Router::new()
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready::<D>))
        .route("/-/reload", post(reload::<D>))
        .route("/metrics", get(metrics::<D>))
        .route("/openapi.json", get(openapi::document))
        .route("/api/v1/status", get(status::<D>))
        .route("/api/v1/schedules", get(schedules::<D>))
        .route("/api/v1/schedules/{schedule}/trigger", post(trigger::<D>))
        .route("/api/v1/schedules/{schedule}/pause", post(pause::<D>))
        .route("/api/v1/schedules/{schedule}/resume", post(resume::<D>))
        .route("/api/v1/runs", get(runs::<D>))
        .route("/api/v1/runs/{run}", get(show_run::<D>))
        .route("/api/v1/runs/{run}/cancel", post(cancel::<D>))
        .route("/api/v1/runs/{run}/retry", post(retry::<D>))
        .route("/api/v1/events", get(events::events::<D>));
    let keys = idempotency::Keys::default();
    page::with_routes(operations::with_routes(complete::with_routes(router)))
        .layer(middleware::from_fn_with_state(keys, idempotency::once))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(Extension(events::Stop(stop)))
        .layer(middleware::from_fn_with_state(access, access::guard))
        .layer(middleware::from_fn(problems::documented))
        .with_state(daemon)
}

pub(super) type Answer<T> = Result<Json<T>, Refusal>;

async fn healthy() -> Json<Ready> {
    Json(Ready {
        ok: true,
        reason: None,
    })
}

async fn ready<D: Daemon>(State(daemon): State<Arc<D>>) -> Response {
    match daemon.ready() {
        Ok(()) => healthy().await.into_response(),
        Err(reason) => {
            let reason = Some(reason);
            let body = Json(Ready { ok: false, reason });
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

async fn metrics<D: Daemon>(State(daemon): State<Arc<D>>) -> Result<Response, Refusal> {
    let text = daemon.metrics().await?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn status<D: Daemon>(State(daemon): State<Arc<D>>) -> Answer<super::view::Status> {
    let mut status = daemon.status().await?;
    status.sort();
    Ok(Json(status))
}

async fn schedules<D: Daemon>(State(daemon): State<Arc<D>>) -> Answer<Schedules> {
    let mut schedules = daemon.status().await?.schedules;
    schedules.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(Schedules {
        schema: "aptiqd.schedules/1".to_owned(),
        schedules,
    }))
}

/// Which runs, newest first.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    /// Only runs of this schedule.
    schedule: Option<String>,
    /// Only runs in this state.
    #[cfg_attr(test, schemars(with = "Option<RunState>"))]
    state: Option<String>,
    /// Only runs made at or after this instant.
    since: Option<DateTime<Utc>>,
    /// At most so many: 50 unless said, and never more than 1000 at once.
    #[cfg_attr(test, schemars(range(min = 1)))]
    limit: Option<usize>,
    /// Goes on behind a page: the `next` of that page.
    #[cfg_attr(
        test,
        schemars(
            with = "Option<String>",
            regex(pattern = "^[0-9]{1,15}\\.[a-z0-9][A-Za-z0-9._-]+$")
        )
    )]
    after: Option<String>,
}

async fn runs<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Asked(query): Asked<RunsQuery>,
) -> Answer<Runs> {
    let limit = query.limit.unwrap_or(RUNS_DEFAULT).min(RUNS_MAX);
    if limit == 0 {
        return Err(Refusal::usage("`limit` is at least 1"));
    }
    let filter = RunFilter {
        schedule: query.schedule.as_deref().map(parse_name).transpose()?,
        state: query.state.as_deref().map(parse_state).transpose()?,
        since: query.since,
        after: query.after.as_deref().map(parse_cursor).transpose()?,
        // One more tells whether there is a next page.
        limit: limit + 1,
    };
    let mut page = Runs::new(daemon.runs(filter).await?);
    if page.runs.len() > limit {
        page.runs.truncate(limit);
        let last = page.runs.last().and_then(Cursor::behind);
        page.next = last.map(|cursor| cursor.to_string());
    }
    Ok(Json(page))
}

fn parse_cursor(text: &str) -> Result<Cursor, Refusal> {
    Cursor::parse(text)
        .ok_or_else(|| Refusal::usage("`after` is the `next` of an earlier page, nothing else"))
}

async fn show_run<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Path(run): Path<String>,
) -> Answer<RunDetail> {
    Ok(Json(daemon.run(parse_run(&run)?).await?))
}

async fn reload<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    body: Body<ActRequest>,
) -> Answer<super::view::Reload> {
    let intent = intent(body.0.dry_run);
    Ok(Json(daemon.reload(peer.actor(), intent).await?))
}

async fn trigger<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(schedule): Path<String>,
    body: Body<TriggerRequest>,
) -> Answer<Triggered> {
    let schedule = parse_name(&schedule)?;
    let window = match (body.0.from, body.0.to) {
        (None, None) => None,
        (Some(from), Some(to)) => Some(acting_window(from, to)?),
        _ => return Err(Refusal::usage("`from` and `to` go together")),
    };
    let intent = intent(body.0.dry_run);
    let run = daemon
        .trigger(schedule, window, peer.actor(), intent)
        .await?;
    let mut triggered = Triggered::new(run);
    triggered.dry_run = body.0.dry_run;
    Ok(Json(triggered))
}

async fn pause<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(schedule): Path<String>,
    body: Body<PauseRequest>,
) -> Answer<Acted> {
    let schedule = parse_name(&schedule)?;
    let reason = body.0.reason.trim();
    if reason.is_empty() || reason.len() > REASON_MAX {
        let message = format!("a pause needs a reason of at most {REASON_MAX} bytes");
        return Err(Refusal::usage(message));
    }
    let wanted = intent(body.0.dry_run);
    let after = daemon
        .pause(schedule, reason.to_owned(), peer.actor(), wanted)
        .await?;
    Ok(Json(Acted::on_schedule("pause", after, body.0.dry_run)))
}

async fn resume<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(schedule): Path<String>,
    body: Body<ActRequest>,
) -> Answer<Acted> {
    let wanted = intent(body.0.dry_run);
    let after = daemon
        .resume(parse_name(&schedule)?, peer.actor(), wanted)
        .await?;
    Ok(Json(Acted::on_schedule("resume", after, body.0.dry_run)))
}

async fn cancel<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(run): Path<String>,
    body: Body<ActRequest>,
) -> Answer<Acted> {
    let wanted = intent(body.0.dry_run);
    let after = daemon
        .cancel(parse_run(&run)?, peer.actor(), wanted)
        .await?;
    Ok(Json(Acted::on_run("cancel", after, body.0.dry_run)))
}

async fn retry<D: Daemon>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(run): Path<String>,
    body: Body<RetryRequest>,
) -> Answer<Acted> {
    let wanted = intent(body.0.dry_run);
    let what = match body.0.accept {
        true => Retrial::Accept,
        false => Retrial::Parts,
    };
    let run = parse_run(&run)?;
    let after = daemon.retry(run, what, peer.actor(), wanted).await?;
    Ok(Json(Acted::on_run("retry", after, body.0.dry_run)))
}

pub(super) fn intent(dry_run: bool) -> Intent {
    if dry_run {
        Intent::DryRun
    } else {
        Intent::Perform
    }
}

pub(super) fn parse_name(text: &str) -> Result<Name, Refusal> {
    Name::parse(text).map_err(|_| Refusal::unknown_schedule(&clip(text)))
}

pub(super) fn parse_run(text: &str) -> Result<RunId, Refusal> {
    text.parse().map_err(|_| Refusal::unknown_run(&clip(text)))
}

fn parse_state(text: &str) -> Result<RunState, Refusal> {
    RunState::parse(text).ok_or_else(|| {
        let words: Vec<&str> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        Refusal::usage(format!("a state is one of {}", words.join(", ")))
    })
}

pub(super) fn parse_window(from: NaiveDate, to: NaiveDate) -> Result<Window, Refusal> {
    Window::new(from, to).ok_or_else(|| Refusal::usage("`to` lies before `from`"))
}

/// Days to be exported: so many that a slip of the keyboard cannot ask for a thousand years.
pub(super) fn acting_window(from: NaiveDate, to: NaiveDate) -> Result<Window, Refusal> {
    let window = parse_window(from, to)?;
    match window.len() <= WINDOW_MAX {
        true => Ok(window),
        false => Err(Refusal::usage(format!(
            "a window of {} days is over the limit of {WINDOW_MAX}",
            window.len()
        ))),
    }
}

/// What a stranger sent, short enough and plain enough for a message.
fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
