//! The control side, `/_sandbox`: only a simulator has it, and only loopback may use it.
//!
//! - `GET /_sandbox/state[?after=REVISION]`: jobs, requests, violations; waits for something newer
//!   than REVISION (at most 10 s) when one is given
//! - `GET /_sandbox/faults`: the table of faults; `POST`: a new list, as text; counts start again
//! - `POST /_sandbox/jobs/{job_id}/finish` and `/fail`: ends a running job now; answers when it has ended
//! - `POST /_sandbox/jobs/{job_id}/callback`: calls back now, whatever the job's state
//! - `POST /_sandbox/release`: lets every held job end

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::routing::{get, post};
use serde_json::json;

use super::callbacks::{self, Claim};
use super::faults::{Faults, Repeat, TABLE};
use super::life::{self, Ending};
use super::reply::{self, Reply};
use super::serve::Peer;
use super::strikes::Strikes;
use super::world::World;

const WAIT_MAX: Duration = Duration::from_secs(10);

pub fn router(world: Arc<World>) -> Router<Arc<World>> {
    Router::new()
        .route("/state", get(state))
        .route("/faults", get(faults).post(set_faults))
        .route("/jobs/{job_id}/finish", post(finish))
        .route("/jobs/{job_id}/fail", post(fail))
        .route("/jobs/{job_id}/callback", post(callback))
        .route("/release", post(release))
        .layer(from_fn(only_loopback))
        .with_state(world)
}

async fn only_loopback(request: Request, next: Next) -> Reply {
    match request
        .extensions()
        .get::<Peer>()
        .is_some_and(|peer| peer.0.ip().is_loopback())
    {
        true => next.run(request).await,
        false => reply::not_found("Endpoint"),
    }
}

async fn state(State(world): State<Arc<World>>, request: Request) -> Reply {
    let after = request
        .uri()
        .query()
        .and_then(|query| query.strip_prefix("after="))
        .map(str::parse);
    match after {
        None => {}
        Some(Err(_)) => {
            return reply::error(
                StatusCode::BAD_REQUEST,
                "Invalid parameter",
                "after must be a number",
            );
        }
        // Nothing new within the time is an answer too: the same state again.
        Some(Ok(revision)) => {
            drop(tokio::time::timeout(WAIT_MAX, world.changed_since(revision)).await)
        }
    }
    reply::ok(world.view())
}

async fn faults(State(world): State<Arc<World>>) -> Reply {
    let table: Vec<_> = TABLE
        .iter()
        .map(|entry| {
            let repeat = match entry.repeat {
                Repeat::Once => "once",
                Repeat::OncePerJob => "once per job",
                Repeat::OncePerEndpoint => "once per endpoint",
                Repeat::Always => "always",
            };
            json!({"name": entry.name, "default": repeat, "effect": entry.effect})
        })
        .collect();
    let active = world.change(|state| state.strikes.faults().to_string());
    reply::ok(json!({"active": active, "known": table}))
}

async fn set_faults(State(world): State<Arc<World>>, list: String) -> Reply {
    match list.parse::<Faults>() {
        Err(error) => reply::error(
            StatusCode::BAD_REQUEST,
            "Invalid parameter",
            &error.to_string(),
        ),
        Ok(faults) => {
            let active = faults.to_string();
            world.change(|state| state.strikes = Strikes::new(faults));
            reply::ok(json!({"active": active}))
        }
    }
}

async fn finish(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    end(&world, &id, Ending::Natural).await
}

async fn fail(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    end(&world, &id, Ending::Failed).await
}

async fn end(world: &Arc<World>, id: &str, ending: Ending) -> Reply {
    life::end(world, id, ending).await;
    life::over(world, id).await;
    world
        .job(id, |job| reply::ok(job.inside_view()))
        .unwrap_or_else(|| reply::not_found("Job"))
}

async fn callback(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    callbacks::send(&world, &id, Claim::Truth).await;
    world
        .job(&id, |job| reply::ok(job.inside_view()))
        .unwrap_or_else(|| reply::not_found("Job"))
}

async fn release(State(world): State<Arc<World>>) -> Reply {
    let released = world.change(|state| {
        let running = state.jobs.iter().filter(|job| !job.status.is_final());
        running.map(|job| job.release.notify_one()).count()
    });
    reply::ok(json!({"released": released}))
}
