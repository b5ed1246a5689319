//! Answers in the vendor's and in the file host's words.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::job::Refusal;

pub type Reply = Response<Body>;

/// Marks a response that is never written: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub struct Unsent;

pub fn ok(body: Value) -> Reply {
    Json(body).into_response()
}

pub fn error(status: StatusCode, error: &str, message: &str) -> Reply {
    (status, Json(json!({"error": error, "message": message}))).into_response()
}

pub fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Parameter(message) => {
            error(StatusCode::BAD_REQUEST, "Invalid parameter", &message)
        }
        Refusal::List(errors) => {
            (StatusCode::BAD_REQUEST, Json(json!({"errors": errors}))).into_response()
        }
    }
}

pub fn unauthorized() -> Reply {
    error(
        StatusCode::UNAUTHORIZED,
        "Unauthorized",
        "Missing or invalid bearer token",
    )
}

pub fn not_found(what: &str) -> Reply {
    error(
        StatusCode::NOT_FOUND,
        "Not found",
        &format!("{what} not found"),
    )
}

/// The vendor documents no answer for a job that is in the wrong state; the simulator says 409.
pub fn conflict(message: &str) -> Reply {
    error(StatusCode::CONFLICT, "Conflict", message)
}

pub fn unavailable() -> Reply {
    let page = "<html><head><title>503 Service Temporarily Unavailable</title></head><body></body></html>\n";
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::CONTENT_TYPE, "text/html")],
        page,
    )
        .into_response()
}

pub fn quota() -> Reply {
    let body = json!({"error": "Bulk export quota limit exceeded", "quota_limit": 5000, "quota_usage": 5001});
    (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
}

/// No answer at all.
pub fn unsent() -> Reply {
    let mut reply = Response::new(Body::empty());
    reply.extensions_mut().insert(Unsent);
    reply
}

/// The file host's error document.
pub fn xml(status: StatusCode, code: &str, message: &str) -> Reply {
    let mut reply = Response::new(Body::from(xml_document(code, message)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    reply
}

pub fn xml_document(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>SANDBOX0000000001</RequestId><HostId>sandbox</HostId></Error>"
    )
}
