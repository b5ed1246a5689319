//! A request that was not fulfilled, as an RFC 9457 problem document.

use super::view::{Code, Error, Fault, Problem};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request was not fulfilled, and what to do about it. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .error.message)]
pub struct Refusal {
    pub error: Error,
    /// Of a configuration that was refused.
    pub faults: Vec<Fault>,
    /// The HTTP status, where it says more than the code's own.
    pub status: Option<u16>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Refusal {
        Refusal {
            error: Error::new(code, message, help),
            faults: Vec::new(),
            status: None,
        }
    }

    /// The same under a status of its own.
    pub fn under(mut self, status: StatusCode) -> Refusal {
        self.status = Some(status.as_u16());
        self
    }

    pub fn usage(message: impl Into<String>) -> Refusal {
        Refusal::new(
            Code::Usage,
            message,
            "see /openapi.json or `aptiqd --help` for what can be asked",
        )
    }

    pub fn unknown_schedule(name: &str) -> Refusal {
        Refusal::new(
            Code::UnknownSchedule,
            format!("there is no schedule `{name}`"),
            "`aptiqd status` lists the schedules",
        )
    }

    pub fn unknown_run(id: &str) -> Refusal {
        Refusal::new(
            Code::UnknownRun,
            format!("there is no run `{id}`"),
            "`aptiqd runs` lists the runs",
        )
    }

    pub fn unavailable(message: impl Into<String>) -> Refusal {
        Refusal::new(
            Code::Unavailable,
            message,
            "try again in a few seconds; `aptiqd status` says how the daemon is",
        )
    }
}

impl IntoResponse for Refusal {
    /// Header and document say the same status.
    fn into_response(self) -> Response {
        let code = self.error.code;
        let retryable = self.error.retryable;
        let mut problem = Problem::new(self.error, self.faults);
        problem.status = self.status.unwrap_or(problem.status);
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if code == Code::Unauthorized {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer, Basic realm=\"aptiqd\""),
            );
        }
        if retryable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
