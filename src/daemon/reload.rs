//! All valid files at once, or none: what a reload reads and what it remembers of the last one.

use super::callback_key_file;
use crate::admin::{Reloaded, view};
use crate::apartmentiq::{CallbackKeys, Client};
use crate::config::{self, Fault, Names, Notifier};
use crate::engine::{Asked, Handle};
use crate::roster::{Answer, Command, Mode};
use crate::{clock, schedule::Schedule};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Receivers of notices by name.
pub(super) type Notifiers = Arc<BTreeMap<String, Notifier>>;

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

/// Reads the configuration again and gives the engine the schedules, the desk the receivers of notices, and whoever
/// signs or verifies callback addresses the keys. What else changed is named, and taken up at the next start.
#[derive(Clone)]
pub struct Reloader {
    /// As the daemon was started with it.
    config: Arc<config::Daemon>,
    handle: Handle,
    api: Client,
    keys: Arc<CallbackKeys>,
    notifiers: watch::Sender<Notifiers>,
    last: Arc<Mutex<LastReload>>,
    count: watch::Sender<u64>,
}

/// What a reload has read, all of it sound.
struct Read {
    config: config::Daemon,
    schedules: Vec<Schedule>,
    keys: CallbackKeys,
}

impl Reloader {
    pub(super) fn new(
        config: Arc<config::Daemon>,
        handle: Handle,
        api: Client,
        keys: Arc<CallbackKeys>,
    ) -> Reloader {
        let last = LastReload {
            at: Some(clock::now()),
            faults: Vec::new(),
        };
        Reloader {
            notifiers: watch::Sender::new(Arc::new(config.notify.clone())),
            config,
            handle,
            api,
            keys,
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

    /// Receivers of notices as they are configured now.
    pub(super) fn notifiers(&self) -> watch::Receiver<Notifiers> {
        self.notifiers.subscribe()
    }

    /// Applies all files or none; `by` goes into the audit trail.
    pub async fn reload(&self, by: String, mode: Mode) -> Result<Reloaded, ReloadError> {
        let running = Arc::clone(&self.config);
        let read = tokio::task::spawn_blocking(move || read(&running));
        let read = read
            .await
            .map_err(|_| ReloadError::Asked(Asked::Stopping))?;
        let outcome = match read {
            Ok(read) => self.apply(read, by, mode).await,
            Err(faults) => Err(ReloadError::Faults(faults)),
        };
        if mode == Mode::Act {
            self.remember(&outcome);
        }
        outcome
    }

    async fn apply(&self, read: Read, by: String, mode: Mode) -> Result<Reloaded, ReloadError> {
        let Names {
            added,
            changed,
            removed,
        } = Names::between(&self.notifiers.borrow(), &read.config.notify);
        let exchange = !(added.is_empty() && changed.is_empty() && removed.is_empty());
        let mut reloaded = Reloaded {
            notifiers: view::Changes {
                added,
                changed,
                removed,
            },
            callback_keys: !self.keys.are(&read.keys),
            needs_restart: self.config.needs_restart(&read.config),
            ..Reloaded::default()
        };
        let declare = Command::Declare {
            schedules: read.schedules,
            by: by.clone(),
            mode,
        };
        if let Answer::Declared(declared) = self.handle.ask(declare).await? {
            reloaded.declared = declared;
        }
        if mode == Mode::Dry {
            return Ok(reloaded);
        }
        if exchange {
            self.notifiers.send_replace(Arc::new(read.config.notify));
        }
        if reloaded.callback_keys {
            self.keys.exchange(&read.keys);
        }
        self.api.reload_credential();
        self.handle.ask(Command::CredentialChanged).await?;
        if let Some(body) = body(&reloaded, &by) {
            self.handle.ask(Command::Note(body)).await?;
        }
        Ok(reloaded)
    }

    fn remember(&self, outcome: &Result<Reloaded, ReloadError>) {
        let faults = match outcome {
            Ok(Reloaded {
                declared,
                needs_restart,
                ..
            }) => {
                if !needs_restart.is_empty() {
                    tracing::warn!(
                        keys = needs_restart.join(", "),
                        "these are taken up at the next start only"
                    );
                }
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

fn read(running: &config::Daemon) -> Result<Read, Vec<Fault>> {
    let (config, schedules) = config::load_all(&running.file, environment())?;
    // The state folder is the running daemon's, whatever the file says of it now.
    let path = match &config.callback.key_file {
        Some(path) => path.clone(),
        None => callback_key_file(&config::Daemon {
            state: running.state.clone(),
            ..config.clone()
        }),
    };
    let keys = CallbackKeys::load(&path).map_err(|error| {
        let help = "64 hex digits a line, newest first; put the file back, for addresses that were given out need its keys";
        let message = format!("the callback keys cannot be used: {error}");
        vec![Fault::of_file(&path, "bad-keys", message, help)]
    })?;
    Ok(Read {
        config,
        schedules,
        keys,
    })
}

/// What the journal is told beside the schedules, if there is anything.
fn body(reloaded: &Reloaded, by: &str) -> Option<serde_json::Value> {
    let Reloaded {
        notifiers,
        callback_keys,
        needs_restart,
        ..
    } = reloaded;
    let told = *notifiers != view::Changes::default() || *callback_keys;
    (told || !needs_restart.is_empty()).then(|| {
        json!({
            "event": "configuration_reloaded", "by": by, "notifiers": notifiers,
            "callback_keys": callback_keys, "needs_restart": needs_restart,
        })
    })
}

/// The variables that are text; others cannot be overrides.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
