//! The routes, each one question and one document. All are POSTs: each sends requests elsewhere.

use super::super::routes::{Answer, Body, parse_name, parse_window};
use super::super::view::{ActRequest, CallbackTest, Doctor, Forecast, TokenCheck, TriggerRequest};
use super::super::{Peer, Refusal};
use super::Operations;
use axum::extract::{Extension, Path, State};
use axum::routing::post;
use axum::{Json, Router};
use std::sync::Arc;

/// Adds the routes of the operator's questions.
pub fn with_routes<D: Operations>(router: Router<Arc<D>>) -> Router<Arc<D>> {
    router
        .route("/api/v1/doctor", post(doctor::<D>))
        .route("/api/v1/callback/test", post(callback_test::<D>))
        .route("/api/v1/token/check", post(token_check::<D>))
        .route("/api/v1/schedules/{schedule}/forecast", post(forecast::<D>))
}

async fn doctor<D: Operations>(
    State(daemon): State<Arc<D>>,
    _: Body<ActRequest>,
) -> Answer<Doctor> {
    Ok(Json(daemon.doctor().await?))
}

async fn callback_test<D: Operations>(
    State(daemon): State<Arc<D>>,
    _: Body<ActRequest>,
) -> Answer<CallbackTest> {
    Ok(Json(daemon.callback_test().await?))
}

async fn token_check<D: Operations>(
    State(daemon): State<Arc<D>>,
    _: Body<ActRequest>,
) -> Answer<TokenCheck> {
    Ok(Json(daemon.token_check().await?))
}

async fn forecast<D: Operations>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(schedule): Path<String>,
    body: Body<TriggerRequest>,
) -> Answer<Forecast> {
    let schedule = parse_name(&schedule)?;
    let window = match (body.0.from, body.0.to) {
        (None, None) => None,
        (Some(from), Some(to)) => Some(parse_window(from, to)?),
        _ => return Err(Refusal::usage("`from` and `to` go together")),
    };
    let forecast = daemon.forecast(schedule, window, peer.actor()).await?;
    Ok(Json(forecast))
}
