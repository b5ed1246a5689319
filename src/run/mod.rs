//! One run's life: what happened folds into state (`step`), state says what to do (`next`). Pure.

mod artifact;
mod attempt;
mod fault;
mod id;
mod job;

pub use artifact::{Artifact, CellSpan, Check, CheckStatus, Published, PublishedFile, Verdict};
pub use attempt::*;
pub use fault::{CreateFailure, Fault, FaultClass};
pub use id::{AttemptId, IdFault, PartNumber, RunId};
pub use job::{JobSeen, JobStatus};
