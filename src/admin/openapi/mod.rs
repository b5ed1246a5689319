//! `/openapi.json`: what can be asked, for people and for generators of clients.
//!
//! The document is checked in and compiled in. A test builds it anew from the table of operations and
//! the types that the handlers read and write, and fails if it differs, or if a route is not in it.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod build;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
