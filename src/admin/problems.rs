//! The last word on every answer: no error leaves without a problem document.

use super::Refusal;
use super::view::Code;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Replaces the framework's own refusals, which are plain text or nothing, and keeps their headers.
pub(super) async fn documented(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if is_bare(&response) {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        response = bare(status).into_response();
        // Such as `Allow`; what described the old body goes.
        for (name, value) in &headers {
            if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Answers are of the moment, and of who asked.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An error that no handler of ours has described.
fn is_bare(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let ours = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/"));
    (status.is_client_error() || status.is_server_error()) && !ours
}

fn bare(status: StatusCode) -> Refusal {
    let refusal = match status {
        StatusCode::NOT_FOUND => Refusal::new(
            Code::NotFound,
            "there is nothing at this path",
            "the API begins at /api/v1/status; /openapi.json lists it all",
        ),
        StatusCode::METHOD_NOT_ALLOWED => Refusal::usage("this path does not take this method"),
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::usage("the body is too large"),
        _ if status.is_server_error() => Refusal::new(
            Code::Failed,
            "the request could not be served",
            "the daemon's log says why",
        ),
        _ => Refusal::usage("the request cannot be read"),
    };
    refusal.under(status)
}
