//! What requests carry, read so that whatever is wrong with it becomes a problem document.

use super::Refusal;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a request's body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A JSON body, or none where every field may be absent.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Refusal> {
        let is_json = is_json(request.headers());
        let body = whole_body(request, state).await?;
        let body: &[u8] = match body.as_ref() {
            [] => b"{}",
            _ if !is_json => {
                let refusal = Refusal::usage("the body must be application/json");
                return Err(refusal.under(StatusCode::UNSUPPORTED_MEDIA_TYPE));
            }
            some => some,
        };
        // A list would be taken for the fields in their order.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Refusal::usage("the body must be a JSON object"));
        }
        serde_json::from_slice(body)
            .map(Body)
            .map_err(|error| Refusal::usage(format!("the body cannot be read: {error}")))
    }
}

/// The body within the limits of size and time.
pub(super) async fn whole_body<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Bytes, Refusal> {
    let body = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, state)).await;
    let late = Refusal::usage("the body did not come in time");
    let body = body.map_err(|_| late.under(StatusCode::REQUEST_TIMEOUT))?;
    body.map_err(|rejection| {
        let refusal = Refusal::usage(rejection.body_text());
        refusal.under(rejection.into_response().status())
    })
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

/// The query, without unknown names.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Refusal> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|rejection| Refusal::usage(rejection.body_text()))?;
        Ok(Asked(query))
    }
}
