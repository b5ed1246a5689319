//! The seam between the routes and whatever runs schedules.

use super::{Refusal, view};
use crate::run::{Retrial, RunId};
use crate::schedule::{Name, Window};
use crate::store::Sequence;
use chrono::{DateTime, Utc};
use std::future::Future;
use tokio::sync::watch;

/// Who asked, for the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Over the Unix socket, by the kernel's word.
    User { uid: u32 },
    /// Over TCP.
    Remote,
    /// A signal to the process, such as SIGHUP.
    Signal,
}

impl Actor {
    /// `uid 1000`, `tcp` or `signal`.
    pub fn label(self) -> String {
        match self {
            Actor::User { uid } => format!("uid {uid}"),
            Actor::Remote => "tcp".to_owned(),
            Actor::Signal => "signal".to_owned(),
        }
    }
}

/// Whether to do it or only to say what it would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    #[default]
    Perform,
    DryRun,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFilter {
    pub schedule: Option<Name>,
    pub state: Option<view::RunState>,
    /// Created at or after.
    pub since: Option<DateTime<Utc>>,
    /// At most; the newest are kept.
    pub limit: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFilter {
    pub run: Option<RunId>,
    pub schedule: Option<Name>,
}

/// What the admin side may ask of the daemon. Answers are documents, ready to send.
pub trait Daemon: Send + Sync + 'static {
    fn status(&self) -> impl Future<Output = Result<view::Status, Refusal>> + Send;

    /// Newest first.
    fn runs(
        &self,
        filter: RunFilter,
    ) -> impl Future<Output = Result<Vec<view::Run>, Refusal>> + Send;

    fn run(&self, id: RunId) -> impl Future<Output = Result<view::RunDetail, Refusal>> + Send;

    /// Events beyond `after` that pass the filter, oldest first, and how far was looked: fewer
    /// than `limit` may come back although there are more beyond.
    fn events(
        &self,
        filter: EventFilter,
        after: Sequence,
        limit: usize,
    ) -> impl Future<Output = Result<(Vec<view::Event>, Sequence), Refusal>> + Send;

    /// The newest durable event, watched.
    fn position(&self) -> watch::Receiver<Sequence>;

    /// Whether callbacks can be acknowledged; else why not.
    fn ready(&self) -> Result<(), String>;

    /// The Prometheus text.
    fn metrics(&self) -> impl Future<Output = Result<String, Refusal>> + Send;

    fn reload(
        &self,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Reload, Refusal>> + Send;

    /// A run now, of `window` or of what a fire now would export.
    fn trigger(
        &self,
        schedule: Name,
        window: Option<Window>,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Run, Refusal>> + Send;

    fn pause(
        &self,
        schedule: Name,
        reason: String,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::ScheduleStatus, Refusal>> + Send;

    fn resume(
        &self,
        schedule: Name,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::ScheduleStatus, Refusal>> + Send;

    fn cancel(
        &self,
        run: RunId,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Run, Refusal>> + Send;

    /// New attempts for the failed parts of a run that has ended, or its quarantined files landed.
    fn retry(
        &self,
        run: RunId,
        what: Retrial,
        actor: Actor,
        intent: Intent,
    ) -> impl Future<Output = Result<view::Run, Refusal>> + Send;
}
