//! The API listener: which request goes where, and what every one must pass first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use super::conduct::{Rule, Seen};
use super::faults::Fault;
use super::reply::{self, Reply};
use super::world::{World, now};
use super::{bulk, control, directory, oauth, world};

/// The vendor's prefix of every API path.
pub const PREFIX: &str = "/apartmentiq/api/v1";

/// What `X-RateLimit-Limit` says when no limit is set: the one a real customer saw.
const ADVERTISED_LIMIT: u32 = 100;

pub fn router(world: Arc<World>) -> Router {
    let api = Router::new()
        .route("/bulk_api/jobs", post(bulk::create).get(bulk::list))
        .route(
            "/bulk_api/jobs/{job_id}",
            get(bulk::show).delete(bulk::cancel),
        )
        .route("/bulk_api/jobs/{job_id}/results", get(bulk::results))
        .route("/accounts", get(directory::accounts))
        .route("/accounts/{id}/comp_sets", get(directory::comp_sets))
        .route(
            "/comp_sets/{id}/market_survey",
            get(directory::market_survey),
        )
        .fallback(async || reply::not_found("Endpoint"));
    // Outside of the nest, so that the whole path is seen.
    let api = Router::new()
        .nest(PREFIX, api)
        .layer(from_fn_with_state(Arc::clone(&world), admit));
    let token = Router::new()
        .route("/oauth/token", post(oauth::token))
        .layer(from_fn_with_state(Arc::clone(&world), admit_token));
    Router::new()
        .merge(api)
        .merge(token)
        .nest("/_sandbox", control::router(Arc::clone(&world)))
        .with_state(world)
}

/// The name of an endpoint in counts and faults; the path is without the prefix.
fn endpoint(method: &Method, path: &str) -> &'static str {
    let path = path.strip_prefix(PREFIX).unwrap_or(path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["bulk_api", "jobs"]) => "create",
        ("GET", ["bulk_api", "jobs"]) => "list",
        ("GET", ["bulk_api", "jobs", _]) => "job",
        ("GET", ["bulk_api", "jobs", _, "results"]) => "results",
        ("DELETE", ["bulk_api", "jobs", _]) => "cancel",
        ("GET", ["accounts"]) => "accounts",
        ("GET", ["accounts", _, "comp_sets"]) => "comp_sets",
        ("GET", ["comp_sets", _, "market_survey"]) => "market_survey",
        ("POST", ["oauth", "token"]) => "token",
        _ => "unknown",
    }
}

/// The query fields that an endpoint knows.
fn fields(endpoint: &str) -> &'static [&'static str] {
    match endpoint {
        "list" | "accounts" | "comp_sets" | "market_survey" => &["page", "per_page"],
        _ => &[],
    }
}

/// What the log keeps of a request.
pub fn seen<'a>(
    endpoint: &'static str,
    request: &'a Request,
    path: &'a str,
    query: Option<&'a str>,
) -> Seen<'a> {
    let headers = request.headers();
    Seen {
        endpoint,
        method: request.method().as_str(),
        path,
        query,
        authorization: headers.contains_key(header::AUTHORIZATION),
        referer: headers.contains_key(header::REFERER),
        range: headers
            .get(header::RANGE)
            .and_then(|range| range.to_str().ok()),
    }
}

/// Log, outage, limit, credential, in this order; whoever passes reaches the handler.
async fn admit(State(world): State<Arc<World>>, request: Request, next: Next) -> Reply {
    let path = request.uri().path();
    let endpoint = endpoint(request.method(), path);
    let query = request.uri().query();
    let refusal = world.change(|state| {
        state.conduct.saw(&seen(endpoint, &request, path, query));
        note_unknown_fields(state, endpoint, query);
        let down = state.strike(Fault::ServerError, endpoint);
        down.then(reply::unavailable)
            .or_else(|| throttle(state, &world, endpoint))
            .or_else(|| authorize(state, request.headers()))
    });
    let mut answer = match refusal {
        None => next.run(request).await,
        Some(refusal) => refusal,
    };
    add_limit_headers(&world, &mut answer);
    answer
}

async fn admit_token(State(world): State<Arc<World>>, request: Request, next: Next) -> Reply {
    let path = request.uri().path();
    let down = world.change(|state| {
        state.conduct.saw(&seen("token", &request, path, None));
        state.strike(Fault::ServerError, "token")
    });
    match down {
        true => reply::unavailable(),
        false => next.run(request).await,
    }
}

fn note_unknown_fields(state: &mut world::State, endpoint: &'static str, query: Option<&str>) {
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let name = pair.split('=').next().unwrap_or_default();
        if !fields(endpoint).contains(&name) {
            state
                .conduct
                .violated(Rule::UnknownQueryField, format!("{endpoint}: {name}"));
        }
    }
}

fn throttle(state: &mut world::State, world: &World, endpoint: &'static str) -> Option<Reply> {
    if let Some(left) = state.conduct.barred(endpoint) {
        return Some(too_many(left));
    }
    let limit = world.options.rate_limit;
    let over = limit.is_some_and(|limit| state.conduct.over(limit.requests, limit.window));
    let wait = world.options.retry_after;
    (over || state.strike(Fault::Throttled, endpoint)).then(|| {
        state.conduct.bar(Instant::now() + wait);
        too_many(wait)
    })
}

fn authorize(state: &mut world::State, headers: &HeaderMap) -> Option<Reply> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if !state.tokens.accepts(bearer) {
        return Some(reply::unauthorized());
    }
    // Without a number the fault waits until a job exists, so that it hits a run under way.
    let ripe = state.strikes.is_dosed(Fault::Unauthorized) || !state.jobs.is_empty();
    (ripe && state.strike(Fault::Unauthorized, "any")).then(|| {
        state.tokens.revoke_issued();
        reply::unauthorized()
    })
}

fn too_many(wait: Duration) -> Reply {
    let mut answer = (
        StatusCode::TOO_MANY_REQUESTS,
        [(header::CONTENT_TYPE, "text/plain")],
        "Too many requests. Please retry later.\n",
    )
        .into_response();
    let seconds = HeaderValue::from(wait.as_secs_f64().ceil() as u64);
    answer
        .headers_mut()
        .insert(header::RETRY_AFTER, seconds.clone());
    answer
        .headers_mut()
        .insert(HeaderName::from_static("x-ratelimit-reset-after"), seconds);
    answer
}

/// The vendor gives the limit and when it resets, never what remains.
fn add_limit_headers(world: &World, answer: &mut Reply) {
    let (limit, window) = match world.options.rate_limit {
        Some(limit) => (limit.requests, limit.window.as_secs()),
        None => (ADVERTISED_LIMIT, 300),
    };
    let headers = answer.headers_mut();
    let after = HeaderName::from_static("x-ratelimit-reset-after");
    let seconds = headers
        .get(&after)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(window);
    headers.insert(
        HeaderName::from_static("x-ratelimit-limit"),
        HeaderValue::from(limit),
    );
    headers.insert(
        HeaderName::from_static("x-ratelimit-reset"),
        HeaderValue::from(now().timestamp() + seconds as i64),
    );
    headers.insert(after, HeaderValue::from(seconds));
}
