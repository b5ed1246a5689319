//! What the admin side shows and does beside the engine: the composition root knows it.

use super::view::{Callbacks, Credential, Fault, LandingHealth};
use crate::schedule::Schedule;
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
}

/// The composition root as the admin side needs it.
pub trait Outside: Send + Sync + 'static {
    /// Cheap; called for every status and scrape.
    fn vitals(&self) -> Vitals;

    /// The configuration's file, for people.
    fn config_path(&self) -> Option<String>;

    /// Reads the schedules as they are on disk now: all of them, or every fault. May block.
    fn schedules(&self) -> Result<Vec<Schedule>, Vec<Fault>>;

    /// Credentials are read again from their files.
    fn renew_credential(&self);
}
