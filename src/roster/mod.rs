//! All schedules and all open runs: fires, catch-up, overlap, limits, errands under way. Pure.
//!
//! [`Roster::handle`] takes what came in and one `now`, and gives back a [`Turn`]: what to commit,
//! whom to answer after that, which errands to start after that. [`Roster::poll_deadline`] says when
//! it wants to be asked again though nothing came in.

mod backfill;
mod callbacks;
mod cancels;
mod catch_up;
mod cell_map;
mod cells;
mod claims;
mod clock;
mod commands;
mod deadline;
mod declare;
mod dispatch;
mod doubt;
mod due;
mod exclusions;
mod fires;
mod inflight;
mod landing;
mod lateness;
mod limits;
mod listing;
mod lists;
mod loaded;
mod lost;
mod mark;
mod newcomers;
pub mod plan;
mod queues;
mod reconcile;
mod reports;
mod restore;
#[expect(
    clippy::module_inception,
    reason = "the roster is what this room is about"
)]
mod roster;
mod runs;
mod same_cells;
mod silence;
mod snapshot;
mod standing;
mod taken_back;
#[cfg(test)]
mod tests;
mod turn;

pub use backfill::{Backfill, Order};
pub use cell_map::{CellMap, CellRow};
pub use cells::Coverage;
pub use doubt::{Cause, Doubt};
pub use exclusions::{Exclusion, PropertyNow};
pub use lateness::Lateness;
pub use limits::Limits;
pub use loaded::Loaded;
pub use mark::{Ended, Landed, ListName, Mark, Paused};
pub use restore::Grounds;
pub use roster::Roster;
pub use silence::{CallbacksNow, SILENT_SINCE};
pub use standing::{Proof, Standing, standing};
pub use turn::{
    Answer, CellNow, Command, Declared, Effect, Entry, Input, Listed, Mode, OpenRun, Refusal,
    Report, Saved, ScheduleNow, Snapshot, Ticket, Turn,
};
