//! What the user declares: when to fire, which days and properties, on which terms. Pure.

mod cadence;
mod jitter;
#[expect(
    clippy::module_inception,
    reason = "the schedule is what this room is about"
)]
mod schedule;
mod shared;
#[cfg(test)]
pub(crate) mod tests;
mod window;

pub use cadence::{Cadence, CadenceFault, CadenceFaultKind, Compiler, DAWN};
pub use schedule::{
    Accounts, CatchUp, CatchUpMode, Checks, Chunk, Columns, Format, Freshness, Name, NameFault,
    OnFail, Overlap, Partition, Properties, Property, Report, Retry, Schedule, SchemaChange,
};
pub use shared::{Alike, Shared};
pub use window::{Window, WindowRule};
