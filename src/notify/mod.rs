//! Notices: people and machines are told what changed, once, and again while it lasts.
//!
//! ```text
//! journal (what happened) ─┐
//! snapshot (how it stands) ┼─▶ look ─▶ Memory, notices ─▶ one commit ─▶ one task a receiver
//! health (of the daemon)  ─┘   pure                       durable       tries, waits, gives up
//! ```
//!
//! `look` compares what is so with what was told: nothing is said twice, and a restart
//! finds both in the store. A notice is committed before it is sent and forgotten once it has arrived,
//! so one that a crash held up goes out later under the same id. Nothing here can hold up a run: the
//! engine is read from and asked for one small commit, and every receiver has a queue and a task of
//! its own.

mod condition;
mod counts;
mod decide;
mod desk;
mod exec;
mod heard;
mod memory;
mod notice;
mod ping;
mod receiver;
mod route;
mod seen;
mod sender;
mod slack;
mod web;
mod webhook;

pub use counts::{Counts, Outcome};
pub use desk::Desk;
pub use notice::{Kind, Level, Notice};
pub use receiver::{Address, Receiver};
pub use seen::Health;

#[cfg(test)]
mod tests;
