//! The bulk export endpoints.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use http_body_util::{BodyExt, Limited};
use serde_json::json;

use super::conduct::Rule;
use super::faults::Fault;
use super::job::{Job, Order, Status};
use super::life;
use super::paging::Paging;
use super::reply::{self, Reply};
use super::signing;
use super::world::{World, now};

/// The longest create body that is read.
const BODY_MAX: usize = 4 << 20;
/// Where a redirect that leads astray points: the address that clouds keep their credentials at.
const ELSEWHERE: &str = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";

pub async fn create(State(world): State<Arc<World>>, request: Request) -> Reply {
    let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await else {
        return reply::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Payload too large",
            "request body is too large",
        );
    };
    let body = body.to_bytes();
    world.change(|state| state.conduct.saw_create(&body));
    let strike = |fault| world.change(|state| state.strike(fault, "create"));
    if strike(Fault::Forbidden) {
        return (StatusCode::FORBIDDEN, Body::empty()).into_response();
    }
    let order = match Order::read(&body) {
        Err(refusal) => return reply::refused(refusal),
        Ok((order, unknown)) => {
            for name in unknown {
                world.change(|state| state.conduct.violated(Rule::UnknownBodyField, name));
            }
            order
        }
    };
    if strike(Fault::Quota) {
        return reply::quota();
    }
    if strike(Fault::LateCreate) {
        create_late(&world, order);
        return reply::unsent();
    }
    let (id, early, view) = world.change(|state| {
        let job = state.create(order, &world.options);
        (job.id.clone(), job.has(Fault::EarlyCallback), job.view())
    });
    match early {
        true => life::end(&world, &id, life::Ending::Natural).await,
        false => life::begin(&world, &id),
    }
    if strike(Fault::LostCreateReply) {
        return reply::unsent();
    }
    let mut view = view;
    if let Some(fields) = view
        .as_object_mut()
        .filter(|_| strike(Fault::NonsenseCreate))
    {
        fields.remove("job_id");
        fields.remove("status");
    }
    reply::ok(view)
}

fn create_late(world: &Arc<World>, order: Order) {
    let world = Arc::clone(world);
    world.tasks.clone().spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(world.options.lag) => {}
            () = world.stopping.cancelled() => return,
        }
        let id = world.change(|state| state.create(order, &world.options).id.clone());
        life::begin(&world, &id);
    });
}

pub async fn list(State(world): State<Arc<World>>, request: Request) -> Reply {
    let paging = match Paging::read(request.uri().query()) {
        Ok(paging) => paging,
        Err(refusal) => return reply::refused(refusal),
    };
    world.change(|state| {
        let now = Instant::now();
        let shown: Vec<&Job> = state
            .jobs
            .iter()
            .rev()
            .filter(|job| !job.vanished && job.listed_from <= now)
            .collect();
        let (jobs, pagination) = paging.page(&shown);
        reply::ok(json!({
            "jobs": jobs.iter().map(|job| job.view()).collect::<Vec<_>>(),
            "pagination": pagination,
        }))
    })
}

pub async fn show(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    world.change(|state| {
        state.conduct.read_one_job(&id);
        match state.job(&id).filter(|job| !job.vanished) {
            None => reply::not_found("Job"),
            Some(job) => {
                job.status_reads += 1;
                reply::ok(job.view())
            }
        }
    })
}

pub async fn cancel(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    world.change(|state| {
        let Some(job) = state.job(&id).filter(|job| !job.vanished) else {
            return reply::not_found("Job");
        };
        if job.status.is_final() {
            return reply::conflict(&format!(
                "job cannot be cancelled: it is {}",
                job.status.name()
            ));
        }
        job.status = Status::Cancelled;
        job.updated_at = now();
        job.release.notify_one();
        let view = job.view();
        state.cancels += 1;
        reply::ok(view)
    })
}

pub async fn results(State(world): State<Arc<World>>, Path(id): Path<String>) -> Reply {
    world.change(|state| {
        let Some(job) = state.job(&id).filter(|job| !job.vanished) else {
            return reply::not_found("Job");
        };
        if job.status != Status::Succeeded {
            return reply::conflict(&format!(
                "results are not available: job is {}",
                job.status.name()
            ));
        }
        let key = signing::key(job);
        let location = if state.strike_job(Fault::RedirectElsewhere, &id) {
            ELSEWHERE.to_owned()
        } else {
            let issued_at = match state.strike_job(Fault::ExpiredUrl, &id) {
                true => now() - signing::LIFETIME - chrono::TimeDelta::hours(1),
                false => now(),
            };
            state.signed += 1;
            signing::url(&world, &key, issued_at, state.signed)
        };
        (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
    })
}
