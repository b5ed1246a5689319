//! What happened to a run, in the past tense. Everything that steers it is one of these.

use super::{Artifact, CreateFailure, Fault, JobSeen, LearnedBy, Part, PartNumber, Published};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Its turn has come: no earlier run of the schedule is in the way.
    Started,
    /// The properties are known and cut into parts. `roster` is the list's hash.
    Planned {
        properties: Arc<Vec<i64>>,
        roster: String,
        parts: Vec<Part>,
    },
    /// The vendor could not be asked for the properties.
    PropertiesUnknown {
        fault: Fault,
    },
    /// The files have no date column: the open parts give way to parts of one day.
    Replanned {
        parts: Vec<Part>,
        because: Fault,
    },
    /// No column tells the rows of properties apart: the run asks for all of its schedule's, in parts
    /// that take the place of its own.
    Widened {
        properties: Arc<Vec<i64>>,
        roster: String,
        parts: Vec<Part>,
        because: Fault,
    },
    SubmitStarted {
        part: PartNumber,
        attempt: u32,
    },
    SubmitAccepted {
        part: PartNumber,
        attempt: u32,
        job: JobSeen,
    },
    SubmitFailed {
        part: PartNumber,
        attempt: u32,
        failure: CreateFailure,
    },
    /// A lookup found the job of an unanswered create, and perhaps more than one.
    JobFound {
        part: PartNumber,
        attempt: u32,
        job: JobSeen,
        extra: Vec<String>,
    },
    /// A complete list that was begun at `asked_at` held no trace of it.
    JobNotFound {
        part: PartNumber,
        attempt: u32,
        asked_at: DateTime<Utc>,
    },
    CallbackHeard {
        part: PartNumber,
        attempt: u32,
        count: u32,
    },
    /// A status read that was begun at `asked_at` answered.
    JobChecked {
        part: PartNumber,
        attempt: u32,
        job: JobSeen,
        by: LearnedBy,
        asked_at: DateTime<Utc>,
    },
    /// A status read answered that there is no such job.
    JobAbsent {
        part: PartNumber,
        attempt: u32,
        fault: Fault,
    },
    /// A job that carries this attempt's address but is not the one adopted.
    SecondJobSeen {
        part: PartNumber,
        attempt: u32,
        job_id: String,
    },
    /// A job that carries our address and that nothing waits for (any more).
    JobUnwanted {
        part: PartNumber,
        attempt: u32,
        job_id: String,
    },
    ArtifactFetched {
        part: PartNumber,
        attempt: u32,
        artifact: Artifact,
    },
    FetchBroken {
        part: PartNumber,
        attempt: u32,
        fault: Fault,
    },
    RunPublished {
        published: Box<Published>,
    },
    PublishBroken {
        fault: Fault,
    },
    /// Fetched parts whose rows cannot be had from the landing folder any more.
    ArtifactsLost {
        parts: Vec<PartNumber>,
    },
    /// A cancel upstream was answered, one way or another.
    CancelSettled {
        part: PartNumber,
        attempt: u32,
        job_id: String,
        outcome: String,
    },
    CancelBroken {
        part: PartNumber,
        attempt: u32,
        job_id: String,
        fault: Fault,
    },
    DeadlinePassed,
    /// By an operator or a newer run; `reason` says which.
    CancelledByOperator {
        reason: String,
    },
    RetriedByOperator {
        by: String,
        what: Retrial,
    },
    /// A credential changed: what rested for its sake may go on.
    CredentialChanged,
    /// The machine's clock went back by so much: waits that end in what is the future now are moved along.
    ClockSetBack {
        by: TimeDelta,
    },
}

/// What an operator wants of a run that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retrial {
    /// New attempts for its failed parts.
    #[default]
    Parts,
    /// Its quarantined files landed as they are.
    Accept,
}

impl Event {
    /// The name in the journal and in `events`.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Started => "run_started",
            Event::Planned { .. } => "planned",
            Event::PropertiesUnknown { .. } => "properties_unknown",
            Event::Replanned { .. } => "replanned",
            Event::Widened { .. } => "widened",
            Event::SubmitStarted { .. } => "submit_started",
            Event::SubmitAccepted { .. } => "submit_accepted",
            Event::SubmitFailed {
                failure: CreateFailure::Unsent(_),
                ..
            } => "submit_unsent",
            Event::SubmitFailed {
                failure: CreateFailure::Refused(_),
                ..
            } => "submit_refused",
            Event::SubmitFailed { .. } => "submit_unanswered",
            Event::JobFound { .. } => "job_found",
            Event::JobNotFound { .. } => "job_not_found",
            Event::CallbackHeard { .. } => "callback_heard",
            Event::JobChecked { .. } => "job_checked",
            Event::JobAbsent { .. } => "job_absent",
            Event::SecondJobSeen { .. } => "second_job_seen",
            Event::JobUnwanted { .. } => "job_unwanted",
            Event::ArtifactFetched { .. } => "artifact_fetched",
            Event::FetchBroken { .. } => "fetch_broken",
            Event::RunPublished { .. } => "run_published",
            Event::PublishBroken { .. } => "publish_broken",
            Event::ArtifactsLost { .. } => "artifacts_lost",
            Event::CancelSettled { .. } => "cancel_settled",
            Event::CancelBroken { .. } => "cancel_broken",
            Event::DeadlinePassed => "deadline_passed",
            Event::CancelledByOperator { .. } => "run_cancelled",
            Event::RetriedByOperator { .. } => "run_retried",
            Event::CredentialChanged => "credential_changed",
            Event::ClockSetBack { .. } => "clock_set_back",
        }
    }

    /// The part and attempt it is about, if it is about one.
    pub fn about(&self) -> Option<(PartNumber, u32)> {
        match self {
            Event::SubmitStarted { part, attempt }
            | Event::SubmitAccepted { part, attempt, .. }
            | Event::SubmitFailed { part, attempt, .. }
            | Event::JobFound { part, attempt, .. }
            | Event::JobNotFound { part, attempt, .. }
            | Event::CallbackHeard { part, attempt, .. }
            | Event::JobChecked { part, attempt, .. }
            | Event::JobAbsent { part, attempt, .. }
            | Event::SecondJobSeen { part, attempt, .. }
            | Event::JobUnwanted { part, attempt, .. }
            | Event::ArtifactFetched { part, attempt, .. }
            | Event::FetchBroken { part, attempt, .. }
            | Event::CancelSettled { part, attempt, .. }
            | Event::CancelBroken { part, attempt, .. } => Some((*part, *attempt)),
            _ => None,
        }
    }

    /// What the journal and `events` keep of it: bounded, and without any secret.
    pub fn body(&self) -> Value {
        let mut body = self.details();
        if let Value::Object(fields) = &mut body {
            fields.insert("event".into(), self.name().into());
            if let Some((part, attempt)) = self.about() {
                fields.insert("part".into(), part.into());
                fields.insert("attempt".into(), attempt.into());
            }
        }
        body
    }

    fn details(&self) -> Value {
        match self {
            Event::Planned {
                properties,
                roster,
                parts,
            } => {
                json!({"properties": properties.len(), "roster": roster, "parts": parts.len()})
            }
            Event::Replanned { parts, because } => {
                json!({"parts": parts.len(), "reason": because.message})
            }
            Event::Widened {
                properties,
                roster,
                parts,
                because,
            } => json!({
                "properties": properties.len(), "roster": roster, "parts": parts.len(),
                "reason": because.message,
            }),
            Event::SubmitAccepted { job, .. } | Event::JobFound { job, .. } => {
                json!({"job_id": job.job_id, "status": job.status.as_str()})
            }
            Event::JobChecked { job, by, .. } => json!({
                "job_id": job.job_id, "status": job.status.as_str(), "learned_by": by.as_str(),
                "error_message": job.error_message,
            }),
            Event::SubmitFailed { failure, .. } => {
                let (CreateFailure::Unsent(fault)
                | CreateFailure::Refused(fault)
                | CreateFailure::Unanswered(fault)) = failure;
                fault_body(fault)
            }
            Event::PropertiesUnknown { fault }
            | Event::JobAbsent { fault, .. }
            | Event::FetchBroken { fault, .. }
            | Event::PublishBroken { fault } => fault_body(fault),
            Event::CancelBroken { job_id, fault, .. } => {
                json!({"job_id": job_id, "class": fault.class, "error": fault.message})
            }
            Event::CancelSettled {
                job_id, outcome, ..
            } => {
                json!({"job_id": job_id, "outcome": outcome})
            }
            Event::SecondJobSeen { job_id, .. } | Event::JobUnwanted { job_id, .. } => {
                json!({"job_id": job_id})
            }
            Event::CallbackHeard { count, .. } => json!({"count": count}),
            Event::ArtifactFetched { artifact, .. } => json!({
                "bytes": artifact.bytes, "sha256": artifact.sha256, "rows": artifact.rows,
            }),
            Event::RunPublished { published } => json!({
                "verdict": published.verdict, "reason": published.reason,
                "files": published.files.len(), "rows": published.rows, "bytes": published.bytes,
                "missing": published.missing.len(),
            }),
            Event::ArtifactsLost { parts } => {
                json!({"parts": parts.len(), "first": parts[..parts.len().min(20)]})
            }
            Event::CancelledByOperator { reason } => json!({"reason": reason}),
            Event::ClockSetBack { by } => json!({"seconds": by.num_seconds()}),
            Event::RetriedByOperator { by, what } => match what {
                Retrial::Parts => json!({"by": by}),
                Retrial::Accept => json!({"by": by, "accept": true}),
            },
            Event::Started
            | Event::SubmitStarted { .. }
            | Event::JobNotFound { .. }
            | Event::DeadlinePassed
            | Event::CredentialChanged => json!({}),
        }
    }
}

fn fault_body(fault: &Fault) -> Value {
    json!({"class": fault.class, "error": fault.message})
}
