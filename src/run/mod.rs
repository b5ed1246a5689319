//! One run's life: what happened folds into state ([`step`]), state says what to do ([`next`]). Pure.
//!
//! ```text
//! run    Queued → Resolving → Running → Publishing → Landed | Incomplete | Failed
//!        any of these → Cancelled; a fire that must not run is born Skipped
//! part   Planned → Submitting → Exporting → Fetching → Fetched
//!                      └ Unanswered ┘ (looked up, never repeated blindly)
//!        any attempt may fall to Resting(until) → Submitting(n+1), or to Abandoned
//! ```

mod artifact;
mod event;
mod fault;
mod id;
mod job;
mod next;
mod part;
mod remains;
#[expect(
    clippy::module_inception,
    reason = "the run is what this room is about"
)]
mod run;
mod step;
#[cfg(test)]
mod tests;

pub use artifact::{Artifact, CellSpan, Check, CheckStatus, Published, PublishedFile, Verdict};
pub use event::{Event, Retrial};
pub use fault::{CreateFailure, Fault, FaultClass, Remedy};
pub use id::{AttemptId, IdFault, PartNumber, RunId};
pub use job::{JobSeen, JobStatus};
pub use next::{Next, NextPart, cancels, next, next_part, settled};
pub use part::{Attempt, AttemptState, Cancelling, LearnedBy, Part, PartState};
pub use remains::{JobRemains, Remains, RunRemains};
pub use run::{Batch, Cells, Quarantine, Run, RunState, Source, Terms, Trigger};
pub use step::{Ignored, Touched, step};
