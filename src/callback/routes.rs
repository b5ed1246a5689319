//! The one route and its answers. All are empty; they differ in the status alone.

use super::verified::VerifiedCallback;
use super::{Acknowledge, Counters, Heard, Limits, Outcome};
use crate::apartmentiq::CallbackKeys;
use crate::run::AttemptId;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::any;
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::time::timeout;

/// Seconds after which a sender may come again when the store cannot take it.
const COME_AGAIN_SECONDS: &str = "30";

/// What the route needs.
pub(super) struct Room<A> {
    pub(super) keys: Arc<CallbackKeys>,
    pub(super) acknowledger: A,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
}

/// Marks a response that is not to be sent: the connection is closed instead.
#[derive(Clone, Copy)]
pub(super) struct HangUp;

pub(super) fn router<A: Acknowledge>(room: Arc<Room<A>>) -> Router {
    // `any`, since a method router would answer 405 and thereby tell the path from others.
    Router::new()
        .route("/cb/v1/{token}", any(heard::<A>))
        .fallback(elsewhere::<A>)
        .with_state(room)
}

async fn heard<A: Acknowledge>(
    State(room): State<Arc<Room<A>>>,
    VerifiedCallback { attempt }: VerifiedCallback,
    request: Request,
) -> Response {
    let rehearsal = rehearsal(&room, &attempt, &request);
    let mut kept = rehearsal.as_ref().map(|_| Vec::new());
    let read = passed_over(request.into_body(), &room.limits, kept.as_mut()).await;
    if let (Some(mut heard), Some(body)) = (rehearsal, kept) {
        heard.body = body;
        room.counters.rehearsals().note(&attempt, heard);
    }
    let outcome = match read {
        Err(outcome) => outcome,
        Ok(()) => {
            let durable = room.acknowledger.acknowledge(attempt);
            match timeout(room.limits.acknowledge, durable).await {
                Ok(Ok(())) => Outcome::Accepted,
                Ok(Err(_)) | Err(_) => Outcome::Unavailable,
            }
        }
    };
    room.counters.add(outcome);
    answer(outcome)
}

async fn elsewhere<A: Acknowledge>(State(room): State<Arc<Room<A>>>) -> Response {
    room.counters.add(Outcome::Forged);
    not_found()
}

/// What is to be told of a callback that we sent ourselves; of others nothing is.
fn rehearsal<A>(room: &Room<A>, attempt: &AttemptId, request: &Request) -> Option<Heard> {
    if !room.counters.rehearsals().is_expected(attempt) {
        return None;
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    Some(Heard {
        method: request.method().to_string(),
        content_type: content_type.map(str::to_owned),
        body: Vec::new(),
    })
}

/// Reads the body to its end and keeps nothing of it, save of a rehearsal: no word in it is believed.
async fn passed_over(
    mut body: Body,
    limits: &Limits,
    mut kept: Option<&mut Vec<u8>>,
) -> Result<(), Outcome> {
    let bytes_max = limits.body_bytes;
    // The announced length, so that a body too large is refused before it is invited (`Expect`).
    if hyper::body::Body::size_hint(&body).lower() > bytes_max {
        return Err(Outcome::Oversized);
    }
    let reading = async {
        let mut bytes: u64 = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Outcome::Broken)?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > bytes_max {
                return Err(Outcome::Oversized);
            }
            if let (Some(kept), Some(data)) = (kept.as_deref_mut(), frame.data_ref()) {
                kept.extend_from_slice(data);
            }
        }
        Ok(())
    };
    timeout(limits.body, reading)
        .await
        .unwrap_or(Err(Outcome::Timeout))
}

fn answer(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Accepted => empty(StatusCode::ACCEPTED),
        Outcome::Forged => not_found(),
        Outcome::Oversized => closing(StatusCode::PAYLOAD_TOO_LARGE),
        Outcome::Unavailable => {
            let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
            let again = HeaderValue::from_static(COME_AGAIN_SECONDS);
            response.headers_mut().insert(RETRY_AFTER, again);
            response
        }
        Outcome::Timeout | Outcome::Broken => {
            let mut response = closing(StatusCode::REQUEST_TIMEOUT);
            response.extensions_mut().insert(HangUp);
            response
        }
    }
}

/// The same bytes whatever was asked, and the end of the connection.
pub(super) fn not_found() -> Response {
    closing(StatusCode::NOT_FOUND)
}

fn closing(status: StatusCode) -> Response {
    let mut response = answer_with(status);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    without_body(response)
}

fn empty(status: StatusCode) -> Response {
    without_body(answer_with(status))
}

fn answer_with(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Comes last: hyper moves a length to the end of the headers, but not in an answer to HEAD.
fn without_body(mut response: Response) -> Response {
    let none = HeaderValue::from_static("0");
    response.headers_mut().insert(CONTENT_LENGTH, none);
    response
}
