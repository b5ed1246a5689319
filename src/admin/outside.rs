//! What the admin side shows and does beside the engine: the composition root knows it.

use super::view::{
    Callbacks, Changes, ConfigHealth, Credential, Fault, File, JobOfFile, LandingHealth, Pruned,
};
use crate::engine::Asked;
use crate::roster::{Declared, Mode};
use crate::run::Run;
use crate::schedule::{Name, Window};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// How everything around the engine is, at one moment.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// `Err`: callbacks cannot be acknowledged, and why.
    pub ready: Result<(), String>,
    /// `share` is filled in from what the engine saw.
    pub callbacks: Callbacks,
    /// Requests to the callback listener, by outcome.
    pub callback_outcomes: Vec<(&'static str, u64)>,
    pub credential: Credential,
    /// Requests to ApartmentIQ: endpoint, status or `unreachable` or `unanswered`, how many.
    pub requests: Vec<(&'static str, String, u64)>,
    /// All pauses that ApartmentIQ asked for, together.
    pub throttled: Duration,
    /// The last quota refusal, in words.
    pub quota: Option<String>,
    pub landing: LandingHealth,
    /// Bytes free where the store lives.
    pub store_free_bytes: Option<u64>,
    /// Notices: receiver, what became of them, how many.
    pub notices: Vec<(String, &'static str, u64)>,
    /// Receivers whose last notice did not get through, and why.
    pub notifiers_failing: Vec<(String, String)>,
    /// What was amiss with the state when it was opened.
    pub store_notes: Vec<String>,
}

/// The composition root as the admin side needs it.
pub trait Outside: Send + Sync + 'static {
    /// Cheap; called for every status and scrape.
    fn vitals(&self) -> Vitals;

    /// Where the configuration lies, and how its last reload went.
    fn config(&self) -> ConfigHealth;

    /// What the manifest of a partition says; `None` if it was never published.
    ///
    /// # Errors
    /// In words, if the manifest cannot be read.
    fn landed_file(&self, schedule: &Name, key: &str) -> Result<Option<LandedFile>, String>;

    /// Paths, below the landing folder, of raw files of a run that are not there any more.
    fn raw_gone(&self, run: &Run) -> Vec<String>;

    /// What later runs changed in the rows of a partition, oldest first.
    fn restatements(&self, schedule: &Name, key: &str) -> Vec<Value>;

    /// Removes raw files older than the retention.
    ///
    /// # Errors
    /// In words, if the landing folder cannot be read or written.
    fn prune(&self, by: String, mode: Mode) -> impl Future<Output = Result<Pruned, String>> + Send;

    /// Takes schedules, receivers of notices and callback keys as they are on disk now, all or none, and reads
    /// credentials again.
    fn reload(
        &self,
        by: String,
        mode: Mode,
    ) -> impl Future<Output = Result<Reloaded, NotReloaded>> + Send;
}

/// Whether a landed file is where its manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    There,
    Gone,
    /// Of another length.
    Changed,
}

/// A landed file as its manifest tells of it.
#[derive(Clone, Debug)]
pub struct LandedFile {
    /// That last changed it.
    pub run: String,
    /// Without rows there is none.
    pub file: Option<File>,
    /// The days asked for in it.
    pub window: Window,
    pub landed_at: DateTime<Utc>,
    /// How the file is now, by a look at its length.
    pub presence: Presence,
    pub jobs: Vec<JobOfFile>,
}

/// What a reload has taken up, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    pub declared: Declared,
    /// Receivers of notices.
    pub notifiers: Changes,
    /// Other keys sign or verify callback addresses.
    pub callback_keys: bool,
    /// Keys of `aptiqd.toml` that changed and wait for the next start.
    pub needs_restart: Vec<&'static str>,
}

/// Why a reload changed nothing.
#[derive(Debug)]
pub enum NotReloaded {
    Faults(Vec<Fault>),
    Asked(Asked),
}
