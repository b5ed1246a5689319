//! What becomes of orders to cancel a job upstream.

use super::{Roster, Turn};
use crate::run::{AttemptId, Event, Fault, FaultClass, JobSeen};
use chrono::{DateTime, Utc};
use serde_json::json;

impl Roster {
    pub(super) fn order_reported(
        &mut self,
        id: &AttemptId,
        job_id: String,
        outcome: Result<JobSeen, Fault>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let (part, attempt) = (id.part, id.number);
        let event = match outcome {
            Ok(job) => Event::CancelSettled {
                part,
                attempt,
                job_id,
                outcome: job.status.as_str().to_owned(),
            },
            // A job that has ended, or that is not there, needs no cancel.
            Err(fault) if matches!(fault.class, FaultClass::Gone | FaultClass::Invalid) => {
                Event::CancelSettled {
                    part,
                    attempt,
                    job_id,
                    outcome: fault.message,
                }
            }
            Err(fault) => Event::CancelBroken {
                part,
                attempt,
                job_id,
                fault,
            },
        };
        let _ = self.apply(&id.run, &event, now, turn);
        let Event::CancelBroken { job_id, fault, .. } = &event else {
            return;
        };
        let given_up = self.runs.get(&id.run).is_some_and(|run| {
            let mut attempts = run.parts.values().flat_map(|part| &part.attempts);
            attempts.any(|attempt| attempt.was_ordered(job_id) && !attempt.cancels(job_id))
        });
        if given_up {
            let body = json!({
                "event": "cancel_given_up", "part": part, "attempt": attempt, "job_id": job_id, "error": fault.message,
                "again": "when a list shows the job alive",
            });
            self.note(&id.run, body, turn);
        }
    }
}
