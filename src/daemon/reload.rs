//! All valid files at once, or none: what a reload reads and what it remembers of the last one.

use crate::apartmentiq::Client;
use crate::config::{self, Fault};
use crate::engine::{Asked, Handle};
use crate::roster::{Answer, Command, Declared, Mode};
use crate::{clock, schedule::Schedule};
use chrono::{DateTime, Utc};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// How the last reload went; the start counts as one that went well.
#[derive(Clone, Debug, Default)]
pub struct LastReload {
    pub at: Option<DateTime<Utc>>,
    pub faults: Vec<Fault>,
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("{} fault(s) in the configuration", .0.len())]
    Faults(Vec<Fault>),
    #[error(transparent)]
    Asked(#[from] Asked),
}

/// Reads the configuration again and gives the engine the schedules. Addresses and folders of
/// `aptiqd.toml` are checked but taken up at the next start only.
#[derive(Clone)]
pub struct Reloader {
    file: PathBuf,
    handle: Handle,
    api: Client,
    last: Arc<Mutex<LastReload>>,
    count: watch::Sender<u64>,
}

impl Reloader {
    pub(super) fn new(file: PathBuf, handle: Handle, api: Client) -> Reloader {
        let last = LastReload {
            at: Some(clock::now()),
            faults: Vec::new(),
        };
        Reloader {
            file,
            handle,
            api,
            last: Arc::new(Mutex::new(last)),
            count: watch::Sender::new(0),
        }
    }

    pub fn last(&self) -> LastReload {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes after every reload, taken or refused.
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// Applies all files or none; `by` goes into the audit trail.
    pub async fn reload(&self, by: String, mode: Mode) -> Result<Declared, ReloadError> {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || config::load_all(&file, environment()));
        let loaded = read
            .await
            .map_err(|_| ReloadError::Asked(Asked::Stopping))?;
        let outcome = match loaded {
            Ok((_, schedules)) => self.apply(schedules, by, mode).await,
            Err(faults) => Err(ReloadError::Faults(faults)),
        };
        if mode == Mode::Act {
            self.remember(&outcome);
        }
        outcome
    }

    async fn apply(
        &self,
        schedules: Vec<Schedule>,
        by: String,
        mode: Mode,
    ) -> Result<Declared, ReloadError> {
        match self
            .handle
            .ask(Command::Declare {
                schedules,
                by,
                mode,
            })
            .await?
        {
            Answer::Declared(declared) => {
                if mode == Mode::Act {
                    self.api.reload_credential();
                    self.handle.ask(Command::CredentialChanged).await?;
                }
                Ok(declared)
            }
            _ => Ok(Declared::default()),
        }
    }

    fn remember(&self, outcome: &Result<Declared, ReloadError>) {
        let faults = match outcome {
            Ok(declared) => {
                tracing::info!(
                    added = declared.added.len(),
                    changed = declared.changed.len(),
                    removed = declared.removed.len(),
                    "reloaded"
                );
                Vec::new()
            }
            Err(ReloadError::Faults(faults)) => {
                for fault in faults {
                    tracing::error!(
                        file = %fault.file, line = fault.line, code = %fault.code,
                        "reload refused, nothing changed: {}", fault.message
                    );
                }
                faults.clone()
            }
            Err(ReloadError::Asked(_)) => return,
        };
        let last = LastReload {
            at: Some(clock::now()),
            faults,
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        self.count.send_modify(|count| *count += 1);
    }
}

/// The variables that are text; others cannot be overrides.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
