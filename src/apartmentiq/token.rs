//! Which bearer token to send: renewed or re-read when it must be, by one caller for all, with a
//! standby for when the first is refused.

use super::oauth::{Grant, OAuth};
use super::slot::{Bearer, Slot, Slots, Standing};
use crate::run::{Fault, FaultClass};
use chrono::{DateTime, Utc};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Mutex as Turnstile, watch};

/// How often the files are looked at while someone waits for a change.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What is known of the credential, for status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialState {
    /// Of the one in use.
    pub kind: CredentialKind,
    /// When the token in use ends: by its grant, or by the `exp` of a pasted JWT.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether none of the credentials is accepted at present.
    pub refused: bool,
    pub in_use: InUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// Renews itself.
    Client,
    /// Pasted, ends silently.
    Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InUse {
    First,
    Standby,
}

pub(super) struct Credentials {
    slots: Mutex<Slots>,
    /// Absent if the first credential is a pasted token.
    oauth: Option<OAuth>,
    renewal: Turnstile<()>,
    changes: watch::Sender<u64>,
}

impl Credentials {
    /// `oauth` is given when `file` holds a client secret.
    pub(super) fn new(
        file: PathBuf,
        oauth: Option<OAuth>,
        standby: Option<PathBuf>,
    ) -> Credentials {
        let credentials = Credentials {
            slots: Mutex::new(Slots {
                first: Slot::new(file),
                standby: standby.map(Slot::new),
                in_use: InUse::First,
                generation: 0,
            }),
            oauth,
            renewal: Turnstile::new(()),
            changes: watch::Sender::new(0),
        };
        // So that a pasted token's end is known before the first request; a fault shows there.
        if credentials.oauth.is_none() {
            let _ = credentials.slots().read_token(InUse::First);
        }
        credentials
    }

    /// The token to send now, or why there is none.
    pub(super) async fn bearer(&self) -> Result<Bearer, Fault> {
        self.look();
        let fault = match self.bearer_of(InUse::First).await {
            Ok(bearer) => return Ok(bearer),
            Err(fault) => fault,
        };
        match self.has_standby() {
            true => self.bearer_of(InUse::Standby).await.map_err(|_| fault),
            false => Err(fault),
        }
    }

    /// `bearer` was answered 401. The token to repeat the request with, if there is one.
    pub(super) async fn refused(&self, bearer: &Bearer) -> Option<Bearer> {
        if let Some(renewed) = self.after_refusal(bearer).await {
            return Some(renewed);
        }
        if bearer.slot == InUse::First && self.has_standby() {
            return self.bearer_of(InUse::Standby).await.ok();
        }
        None
    }

    /// `bearer` was answered otherwise than by 401.
    pub(super) fn accepted(&self, bearer: &Bearer) {
        let mut slots = self.slots();
        let slot = slots.slot(bearer.slot);
        if let Some(token) = &mut slot.token
            && token.on_trial
            && token.generation == bearer.generation
        {
            token.on_trial = false;
            slot.rest = None;
        }
    }

    pub(super) fn state(&self) -> CredentialState {
        let mut slots = self.slots();
        let refused =
            slots.first.is_refused() && slots.standby.as_ref().is_none_or(Slot::is_refused);
        let in_use = slots.in_use;
        let token = slots.slot(in_use).token.as_ref();
        CredentialState {
            kind: match (&self.oauth, in_use) {
                (Some(_), InUse::First) => CredentialKind::Client,
                _ => CredentialKind::Token,
            },
            expires_at: token.and_then(|token| token.expires_at),
            refused,
            in_use,
        }
    }

    /// Forgets pasted tokens and rests, so that the next request reads the files anew.
    pub(super) fn reload(&self) {
        let keep_first = self.oauth.is_some();
        self.slots().renew_trust(keep_first, |_| true);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Returns once a token or secret file has changed. Looks every 5 s while it is awaited.
    pub(super) async fn changed(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            self.look();
            if tokio::time::timeout(LOOK_INTERVAL, changes.changed())
                .await
                .is_ok()
            {
                return;
            }
        }
    }

    fn look(&self) {
        let keep_first = self.oauth.is_some();
        let changed = |slot: &Slot| slot.file.has_changed();
        if self.slots().renew_trust(keep_first, changed) {
            tracing::info!("a credential file has changed");
            self.changes.send_modify(|count| *count += 1);
        }
    }

    async fn bearer_of(&self, which: InUse) -> Result<Bearer, Fault> {
        let valid = match self.slots().standing(which) {
            Standing::Good(bearer) => return Ok(bearer),
            Standing::Resting(fault) => return Err(fault),
            Standing::Due(bearer) => Some(bearer),
            Standing::Lacking => None,
        };
        // Whoever still has a valid token does not wait for the one who renews it.
        let _single = match (self.renewal.try_lock(), valid) {
            (Ok(single), _) => single,
            (Err(_), Some(valid)) => return Ok(valid),
            (Err(_), None) => self.renewal.lock().await,
        };
        match self.slots().standing(which) {
            Standing::Good(bearer) => return Ok(bearer),
            Standing::Resting(fault) => return Err(fault),
            Standing::Due(_) | Standing::Lacking => {}
        }
        match self.renew(which).await {
            Ok(bearer) => Ok(bearer),
            // A failed renewal of a token that is still valid costs nothing yet.
            Err(fault) => match self.slots().standing(which) {
                Standing::Good(bearer) | Standing::Due(bearer) => Ok(bearer),
                _ => Err(fault),
            },
        }
    }

    async fn after_refusal(&self, bearer: &Bearer) -> Option<Bearer> {
        let _single = self.renewal.lock().await;
        {
            let mut slots = self.slots();
            let which = bearer.slot;
            let slot = slots.slot(which);
            let token = slot.token.as_mut()?;
            if token.generation != bearer.generation {
                return Some(slots.give(which));
            }
            if token.on_trial {
                let words = "the credential was refused, also after it was renewed or read anew";
                slot.token = None;
                slot.rest_for(Fault::new(FaultClass::Credential, words));
                tracing::error!(credential = ?which, "the credential is refused");
                return None;
            }
            slot.token = None;
        }
        let renewed = self.renew(bearer.slot).await.ok()?;
        if let Some(token) = &mut self.slots().slot(bearer.slot).token {
            token.on_trial = true;
        }
        Some(renewed)
    }

    /// Under the renewal's turnstile: a new token of the slot, or its rest.
    async fn renew(&self, which: InUse) -> Result<Bearer, Fault> {
        let Some(oauth) = self.oauth.as_ref().filter(|_| which == InUse::First) else {
            return self.slots().read_token(which);
        };
        let secret = self.slots().first.read();
        let granted = match secret {
            Ok(secret) => oauth.renew(&secret).await,
            Err(fault) => Err(fault),
        };
        let mut slots = self.slots();
        match granted {
            Ok(Grant { token, expires_in }) => slots.place(which, &token, expires_in),
            Err(fault) => {
                tracing::warn!(fault = %fault, "no new token");
                slots.first.rest_for(fault.clone());
                Err(fault)
            }
        }
    }

    fn has_standby(&self) -> bool {
        self.slots().standby.is_some()
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().expect("no panic while tokens are held")
    }
}
