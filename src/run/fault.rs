//! Why an errand did not do its work. The class steers retries, the message is for people.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// Provably nothing was sent: DNS, connect or TLS failure.
    Unreachable,
    /// Sent, but no answer that can be read: timeout, reset, 5xx, a body cut short.
    Unanswered,
    /// 429 with a time to wait.
    Throttled,
    /// 429 of the quota kind: a person must act.
    Quota,
    /// 401, also after the token was renewed or re-read.
    Credential,
    /// 403.
    Forbidden,
    /// Another 4xx: the request will never be accepted as it is.
    Invalid,
    /// 404 or 410: what was asked for is not there (any more).
    Gone,
    /// An answer outside the contract: not JSON, fields missing, an unknown shape.
    Nonsense,
    /// The vendor ended the job as `failed` or `cancelled`.
    Job,
    /// The download broke on the way: cut, stalled, wrong length, changed ETag.
    Transfer,
    /// The downloaded bytes are not what was asked for: wrong format, corrupt, ragged.
    Content,
    /// More bytes than `bytes_max`.
    TooLarge,
    /// A redirect or host that is not allowed.
    Address,
    /// The landing folder cannot be written: full, read-only, gone.
    Disk,
    /// A check of the schedule failed, or the schema changed and that is rejected.
    Check,
    /// The run's deadline passed.
    Deadline,
    /// An operator, or a newer run of the schedule, cancelled it.
    Cancelled,
}

/// One failure, with the vendor's words kept verbatim in `message`. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub class: FaultClass,
    pub message: String,
    /// The vendor's own wish how long to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// What would mend it. Acted on when the fault is reported, or not at all, so it is not kept.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

/// How a run is to be planned anew so that its files can be landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Parts of one day each: the files name no day, so they cannot be split.
    OneDayParts,
    /// All properties of the partitions: rows that are to stay cannot be told from those delivered anew.
    WholePartitions,
}

impl Fault {
    pub fn new(class: FaultClass, message: impl Into<String>) -> Fault {
        Fault {
            class,
            message: message.into(),
            retry_after: None,
            remedy: None,
        }
    }

    pub fn mended_by(self, remedy: Remedy) -> Fault {
        Fault {
            remedy: Some(remedy),
            ..self
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The three ways a create can fail; they differ in what is known about the job (law 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateFailure {
    /// No byte of the request left: no job exists.
    Unsent(Fault),
    /// A definite 4xx with a body we understand (or an empty 403): no job exists.
    Refused(Fault),
    /// Anything else: a job may exist and must be looked up before another create.
    Unanswered(Fault),
}
