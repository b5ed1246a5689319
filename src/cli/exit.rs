//! How a verb ends: the exit codes of the contract, and errors that carry their mending.

use crate::admin::view::{Code, Error};
use crate::config;
use std::process::ExitCode;

/// The exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Incomplete = 3,
    Unknown = 4,
    Conflict = 5,
    Unreachable = 69,
    Later = 75,
    Credential = 77,
    Config = 78,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Exit {
        match code {
            Code::Usage => Exit::Usage,
            Code::UnknownSchedule | Code::UnknownRun | Code::NotFound => Exit::Unknown,
            Code::Conflict | Code::Paused => Exit::Conflict,
            Code::Unauthorized | Code::CredentialRefused => Exit::Credential,
            Code::Forbidden | Code::Failed => Exit::Failed,
            Code::Unreachable => Exit::Unreachable,
            Code::Unavailable => Exit::Later,
            Code::Config => Exit::Config,
            Code::Incomplete => Exit::Incomplete,
            Code::Interrupted => Exit::Interrupted,
        }
    }
}

/// Why a verb did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub error: Error,
    /// Where a configuration is at fault, rendered for people.
    pub excerpt: Option<String>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::from(Error::new(code, message, help))
    }

    /// A configuration at fault: every place with its line, for people.
    pub fn of_faults(faults: &[config::Fault]) -> Failure {
        let message = match faults {
            [one] => one.to_string(),
            many => format!("{} faults in the configuration", many.len()),
        };
        let help = match faults {
            [one] if !one.help.is_empty() => one.help.clone(),
            _ => "mend them, then `aptiqd check`".to_owned(),
        };
        let mut failure = Failure::new(Code::Config, message, help);
        if faults.len() > 1 || faults.iter().any(|fault| fault.line > 1) {
            failure.excerpt = Some(config::render(faults));
        }
        failure
    }

    pub fn exit(&self) -> Exit {
        Exit::from(self.error.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            error,
            excerpt: None,
        }
    }
}

/// What every verb ends in.
pub type Outcome = Result<Exit, Failure>;

/// An error's own text and those beneath it, joined by `: `.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
