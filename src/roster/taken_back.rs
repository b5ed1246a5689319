//! What the vendor takes back after it was final: it changes nothing, and is told once.

use super::Roster;
use super::lost::Lost;
use super::reconcile::JUDGED_MAX;
use super::standing::STALE;
use super::turn::Turn;
use crate::run::{AttemptId, AttemptState, JobSeen, Run};
use serde_json::json;

impl Roster {
    /// A job that had ended is told to have ended otherwise, or not at all: that is told once.
    pub(super) fn note_taken_back(
        &mut self,
        id: &AttemptId,
        job: &JobSeen,
        was: &str,
        turn: &mut Turn,
    ) {
        let unsaid = &mut self.reconciliation.unsaid;
        if was == job.status.as_str() || unsaid.len() > JUDGED_MAX {
            return;
        }
        if unsaid.insert(job.job_id.clone()) {
            let body = json!({
                "event": "status_taken_back", "part": id.part, "attempt": id.number, "job_id": job.job_id,
                "was": was, "now": job.status.as_str(),
            });
            self.note(&id.run, body, turn);
        }
    }
}

/// An attempt of the run has seen the job succeed, well before the list was begun.
pub(super) fn had_succeeded(run: &Run, lost: &Lost) -> bool {
    let mut attempts = run.parts.values().flat_map(|part| &part.attempts);
    attempts.any(|attempt| {
        attempt.state == AttemptState::Succeeded
            && attempt.job_id.as_ref() == Some(&lost.job.job_id)
            && attempt
                .ended_at
                .is_some_and(|at| lost.asked_at - at > STALE)
    })
}
