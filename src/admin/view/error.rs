//! Errors as scripts see them, on stderr and over HTTP.

use super::Fault;
use serde::{Deserialize, Serialize};

/// What kind of error; scripts may branch on it, and each has one exit code and one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request or the command line is not of the contract.
    Usage,
    UnknownSchedule,
    UnknownRun,
    /// No such path, file or folder.
    NotFound,
    /// Already running, already ended, already there, locked.
    Conflict,
    Paused,
    /// The bearer token is missing or wrong.
    Unauthorized,
    /// A request that a web page elsewhere, or a name that is not ours, may have caused.
    Forbidden,
    /// No daemon answers.
    Unreachable,
    /// The daemon cannot do it now.
    Unavailable,
    /// ApartmentIQ refuses the credential.
    CredentialRefused,
    /// The configuration has faults.
    Config,
    /// What was asked for was tried and failed.
    Failed,
    /// Done, but not all of it.
    Incomplete,
    Interrupted,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Usage => "usage",
            Code::UnknownSchedule => "unknown_schedule",
            Code::UnknownRun => "unknown_run",
            Code::NotFound => "not_found",
            Code::Conflict => "conflict",
            Code::Paused => "paused",
            Code::Unauthorized => "unauthorized",
            Code::Forbidden => "forbidden",
            Code::Unreachable => "unreachable",
            Code::Unavailable => "unavailable",
            Code::CredentialRefused => "credential_refused",
            Code::Config => "config",
            Code::Failed => "failed",
            Code::Incomplete => "incomplete",
            Code::Interrupted => "interrupted",
        }
    }

    /// Whether the same request may succeed later without anybody mending anything.
    pub fn is_retryable(self) -> bool {
        matches!(self, Code::Unreachable | Code::Unavailable)
    }

    /// The HTTP status it travels under.
    pub fn status(self) -> u16 {
        match self {
            Code::Usage => 400,
            Code::Unauthorized => 401,
            Code::Forbidden => 403,
            Code::UnknownSchedule | Code::UnknownRun | Code::NotFound => 404,
            Code::Conflict | Code::Paused | Code::Incomplete => 409,
            Code::Config => 422,
            Code::CredentialRefused => 502,
            Code::Unreachable | Code::Unavailable => 503,
            Code::Failed | Code::Interrupted => 500,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Error {
    pub code: Code,
    pub message: String,
    /// What to do about it; a command where there is one.
    pub help: String,
    pub retryable: bool,
}

/// The one line on stderr.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorDocument {
    pub error: Error,
}

/// RFC 9457, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Problem {
    /// Always `about:blank`: `code` says what it is.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    pub code: Code,
    pub help: String,
    pub retryable: bool,
    /// Of a configuration that was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Error {
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Error {
        Error {
            code,
            message: message.into(),
            help: help.into(),
            retryable: code.is_retryable(),
        }
    }
}

impl Problem {
    pub fn new(error: Error, faults: Vec<Fault>) -> Problem {
        Problem {
            kind: "about:blank".to_owned(),
            title: error.code.as_str().replace('_', " "),
            status: error.code.status(),
            detail: error.message,
            code: error.code,
            help: error.help,
            retryable: error.retryable,
            faults,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error {
            code: problem.code,
            message: problem.detail,
            help: problem.help,
            retryable: problem.retryable,
        }
    }
}
