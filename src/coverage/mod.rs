//! Which property has which day: intervals of cells, what is lacking, and the fewest jobs that fill it. Pure.
//!
//! A cell is one property on one day. The [`Ledger`] remembers what became of the cells that runs
//! asked for; whether a cell is excluded, or not due yet, is derived when it is asked about.

mod gaps;
mod ledger;
mod line;
mod scope;

pub use gaps::{Group, groups, job_count};
pub use ledger::Ledger;
pub use line::{Fate, Line, LineFault};
pub use scope::{CellState, Days, Only, Scope, Tally};
