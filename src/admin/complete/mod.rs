//! What is there and what is lacking, and the acts that fill it.

mod live;
mod place;
mod routes;
mod trail;
mod verdict;

pub use routes::with_routes;
#[cfg(test)]
pub(super) use routes::{DaysQuery, WhyQuery};

use super::{Actor, Intent, Refusal, view};
use crate::coverage::Only;
use crate::roster::Order;
use crate::schedule::{Name, Window};
use chrono::NaiveDate;
use std::future::Future;

/// What `why` is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A landed or raw file, as a person may write its path.
    Path(String),
    Cell {
        schedule: Name,
        property: i64,
        date: NaiveDate,
    },
}

/// What an operator wants filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillOrder {
    pub schedule: Name,
    pub window: Window,
    pub only: Only,
    pub max_active: u32,
    pub order: Order,
}

/// What may be asked about completeness. Answers are documents, ready to send.
pub trait Completeness: Send + Sync + 'static {
    /// Within `window`, or since the schedule began.
    fn coverage(
        &self,
        schedule: Name,
        window: Option<Window>,
    ) -> impl Future<Output = Result<view::Coverage, Refusal>> + Send;

    /// Every cell within `window`, or since the schedule began.
    fn cells(
        &self,
        schedule: Name,
        window: Option<Window>,
    ) -> impl Future<Output = Result<view::CellMap, Refusal>> + Send;

    fn freshness(&self) -> impl Future<Output = Result<view::Freshness, Refusal>> + Send;

    fn backfill(
        &self,
        order: BackfillOrder,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Backfill, Refusal>> + Send;

    fn properties(&self) -> impl Future<Output = Result<view::Properties, Refusal>> + Send;

    /// New runs leave the property out.
    fn exclude(
        &self,
        property: i64,
        reason: String,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Properties, Refusal>> + Send;

    fn include(
        &self,
        property: i64,
        reason: Option<String>,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Properties, Refusal>> + Send;

    /// Removes raw files older than `landing.raw_retention`.
    fn prune(
        &self,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Pruned, Refusal>> + Send;

    /// The chain from a file or a cell back to its decision.
    fn why(&self, subject: Subject) -> impl Future<Output = Result<view::Why, Refusal>> + Send;
}
