//! The JSON documents of the command line and the admin API: one spelling for both.
//!
//! Fields are only ever added; a change of meaning is a new `schema` number. Instants are RFC 3339.

mod cells;
mod complete;
mod doctor;
mod error;
mod event;
mod plan;
mod prune;
mod request;
mod run;
mod status;

pub use cells::{CellMap, CellsOfProperty};
pub use complete::{
    Age, AgeLevel, BackfillRequest, CallbackHeard, ExcludeRequest, Exclusion, Freshness,
    IncludeRequest, JobOfFile, Properties, Property, Why,
};
pub use doctor::{
    Account, CallbackTest, Certificate, Doctor, Examined, Finding, Forecast, Standing, TokenCheck,
};
pub use error::{Code, Error, ErrorDocument, Problem};
pub use event::{Event, Events};
pub use plan::{Check, Coverage, CoverageCells, Fault, Fire, MissingSpan, Plan, only};
pub use prune::{KeptRun, Pruned, PrunedRun};
pub use request::{ActRequest, PauseRequest, RetryRequest, TriggerRequest};
pub use run::{
    Artifact, Attempt, Backfill, BackfillPlan, CheckResult, File, Part, PartCount, Run, RunDetail,
    RunState, Runs, Triggered, Window,
};
pub use status::{
    Acted, Attention, Callbacks, Changes, ConfigHealth, Credential, LandingHealth, LastRun, Level,
    Pause, Ready, Reload, ScheduleStatus, Schedules, Status, StoreHealth,
};

#[cfg(test)]
mod tests;
