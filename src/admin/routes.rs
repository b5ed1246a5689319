//! The routes of the contract, each a parse, one question to the daemon and one document.

use super::view::{
    ActRequest, Acted, Code, PauseRequest, Ready, RetryRequest, RunDetail, RunState, Runs,
    Schedules, TriggerRequest, Triggered,
};
use super::{
    Access, Completeness, Daemon, Intent, Operations, Peer, Refusal, RunFilter, access, complete,
    events, operations, page,
};
use crate::run::{Retrial, RunId};
use crate::schedule::{Name, Window};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The largest body of a request.
const BODY_MAX: usize = 64 * 1024;
/// How long a request's body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// Runs in one answer: by default and at most.
const RUNS_DEFAULT: usize = 50;
const RUNS_MAX: usize = 1000;
/// The longest reason of a pause.
const REASON_MAX: usize = 500;

/// All routes of the admin side over `daemon`; `stop` ends the event streams.
pub fn router<D: Daemon + Completeness + Operations>(
    daemon: Arc<D>,
    access: Access,
    stop: CancellationToken,
) -> Router {
    let router = Router::new()
        .route("/", get(page::show::<D>))
        .route("/style.css", get(page::style))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready::<D>))
        .route("/-/reload", post(reload::<D>))
        .route("/metrics", get(metrics::<D>))
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
    operations::with_routes(complete::with_routes(router))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(Extension(events::Stop(stop)))
        .layer(middleware::from_fn_with_state(access, access::guard))
        .with_state(daemon)
}

pub(super) type Answer<T> = Result<Json<T>, Refusal>;

async fn unknown_path() -> Refusal {
    Refusal::new(
        Code::NotFound,
        "there is nothing at this path",
        "the API begins at /api/v1/status",
    )
}

async fn wrong_method() -> Response {
    Refusal::usage("this path does not take this method")
        .answered_with(StatusCode::METHOD_NOT_ALLOWED)
}

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunsQuery {
    schedule: Option<String>,
    state: Option<String>,
    since: Option<DateTime<Utc>>,
    limit: Option<usize>,
}

async fn runs<D: Daemon>(
    State(daemon): State<Arc<D>>,
    query: Result<Query<RunsQuery>, QueryRejection>,
) -> Answer<Runs> {
    let Query(query) = query.map_err(|rejection| Refusal::usage(rejection.body_text()))?;
    let state = query.state.as_deref().map(parse_state).transpose()?;
    let filter = RunFilter {
        schedule: query.schedule.as_deref().map(parse_name).transpose()?,
        state,
        since: query.since,
        limit: query.limit.unwrap_or(RUNS_DEFAULT).min(RUNS_MAX),
    };
    Ok(Json(Runs::new(daemon.runs(filter).await?)))
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
        (Some(from), Some(to)) => Some(parse_window(from, to)?),
        _ => return Err(Refusal::usage("`from` and `to` go together")),
    };
    let intent = intent(body.0.dry_run);
    let run = daemon
        .trigger(schedule, window, peer.actor(), intent)
        .await?;
    Ok(Json(Triggered::new(run)))
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

/// What a stranger sent, short enough and plain enough for a message.
fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// A JSON body, or none where every field may be absent.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Refusal> {
        let is_json = is_json(request.headers());
        let body = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, state))
            .await
            .map_err(|_| Refusal::usage("the body did not come in time"))?
            .map_err(|rejection| Refusal::usage(rejection.body_text()))?;
        let body: &[u8] = match body.as_ref() {
            [] => b"{}",
            _ if !is_json => return Err(Refusal::usage("the body must be application/json")),
            some => some,
        };
        serde_json::from_slice(body)
            .map(Body)
            .map_err(|error| Refusal::usage(format!("the body cannot be read: {error}")))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    })
}
