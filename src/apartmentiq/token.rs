//! Which bearer token to send: renewed or re-read when it must be, by one caller for all, with a
//! standby for when the first is refused.

use super::oauth::{Grant, OAuth};
use super::secret_file::SecretFile;
use crate::clock;
use crate::run::{Fault, FaultClass};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Mutex as Turnstile, watch};
use tokio::time::Instant;

/// The rest after a failed renewal or a refusal; doubled each time.
const REST_FIRST: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(300);
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

struct Slots {
    first: Slot,
    standby: Option<Slot>,
    in_use: InUse,
    generation: u64,
}

struct Slot {
    /// Of the token, or of the client secret.
    file: SecretFile,
    token: Option<Token>,
    rest: Option<Rest>,
}

struct Token {
    header: HeaderValue,
    generation: u64,
    expires_at: Option<DateTime<Utc>>,
    renew_at: Option<Instant>,
    valid_until: Option<Instant>,
    /// Got after a refusal and not accepted since: another 401 refuses the credential itself.
    on_trial: bool,
}

struct Rest {
    until: Instant,
    length: Duration,
    fault: Fault,
}

/// A token to send, and which one it was.
#[derive(Clone)]
pub(super) struct Bearer {
    /// `Bearer …`, marked sensitive.
    pub(super) header: HeaderValue,
    slot: InUse,
    generation: u64,
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

enum Standing {
    Good(Bearer),
    /// Valid, but it is time for a new one.
    Due(Bearer),
    Resting(Fault),
    Lacking,
}

impl Slots {
    fn slot(&mut self, which: InUse) -> &mut Slot {
        match (which, &mut self.standby) {
            (InUse::Standby, Some(standby)) => standby,
            _ => &mut self.first,
        }
    }

    fn standing(&mut self, which: InUse) -> Standing {
        let now = Instant::now();
        let slot = self.slot(which);
        let resting = slot.rest.as_ref().filter(|rest| now < rest.until);
        let passed = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        match (&slot.token, resting) {
            (Some(token), None) if passed(token.renew_at) && !passed(token.valid_until) => {
                Standing::Due(self.give(which))
            }
            (Some(token), _) if !passed(token.valid_until) => Standing::Good(self.give(which)),
            (_, Some(rest)) => Standing::Resting(Fault {
                retry_after: Some(rest.until - now),
                ..rest.fault.clone()
            }),
            (_, None) => Standing::Lacking,
        }
    }

    /// Only for a slot that has a token.
    fn give(&mut self, which: InUse) -> Bearer {
        self.in_use = which;
        let token = self.slot(which).token.as_ref().expect("a token is there");
        Bearer {
            header: token.header.clone(),
            slot: which,
            generation: token.generation,
        }
    }

    fn read_token(&mut self, which: InUse) -> Result<Bearer, Fault> {
        let slot = self.slot(which);
        let read = slot.read();
        let placed = read.and_then(|token| self.place(which, &token, None));
        placed.inspect_err(|fault| self.slot(which).rest_for(fault.clone()))
    }

    fn place(
        &mut self,
        which: InUse,
        token: &SecretString,
        expires_in: Option<Duration>,
    ) -> Result<Bearer, Fault> {
        let header = header(token)?;
        self.generation += 1;
        let generation = self.generation;
        let slot = self.slot(which);
        let now = Instant::now();
        let on_trial = slot.is_refused();
        if !on_trial {
            slot.rest = None;
        }
        slot.token = Some(Token {
            header,
            generation,
            expires_at: match expires_in {
                Some(time) => TimeDelta::from_std(time)
                    .ok()
                    .map(|time| clock::now() + time),
                None => expiry_of_jwt(token.expose_secret()),
            },
            renew_at: expires_in.map(|time| now + time.mul_f64(0.8)),
            valid_until: expires_in.map(|time| now + time),
            on_trial,
        });
        Ok(self.give(which))
    }

    /// Drops the rests, and the pasted tokens, of the slots that `changed` names.
    fn renew_trust(&mut self, keep_first: bool, changed: impl Fn(&Slot) -> bool) -> bool {
        let mut any = false;
        for (slot, keep) in [
            (Some(&mut self.first), keep_first),
            (self.standby.as_mut(), false),
        ] {
            if let Some(slot) = slot.filter(|slot| changed(slot)) {
                any = true;
                slot.rest = None;
                slot.file.forget();
                if !keep {
                    slot.token = None;
                }
            }
        }
        any
    }
}

impl Slot {
    fn new(file: PathBuf) -> Slot {
        Slot {
            file: SecretFile::new(file),
            token: None,
            rest: None,
        }
    }

    fn read(&mut self) -> Result<SecretString, Fault> {
        let path = self.file.path().display().to_string();
        match self.file.read() {
            Ok(secret) if secret.expose_secret().is_empty() => Err(Fault::new(
                FaultClass::Credential,
                format!("the credential file {path} is empty"),
            )),
            Ok(secret) => Ok(secret),
            Err(error) => Err(Fault::new(
                FaultClass::Credential,
                format!("cannot read the credential file {path}: {error}"),
            )),
        }
    }

    fn rest_for(&mut self, fault: Fault) {
        let length = match &self.rest {
            Some(rest) => (rest.length * 2).min(REST_MAX),
            None => REST_FIRST,
        };
        let until = Instant::now() + length.max(fault.retry_after.unwrap_or_default());
        self.rest = Some(Rest {
            until,
            length,
            fault,
        });
    }

    fn is_refused(&self) -> bool {
        let refused = |rest: &Rest| rest.fault.class == FaultClass::Credential;
        self.rest.as_ref().is_some_and(refused)
    }
}

fn header(token: &SecretString) -> Result<HeaderValue, Fault> {
    let text = SecretString::from(format!("Bearer {}", token.expose_secret()));
    let mut header = HeaderValue::from_str(text.expose_secret()).map_err(|_| {
        Fault::new(
            FaultClass::Credential,
            "the token has characters that no token has",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The `exp` of a JWT, unverified: only to warn people in time.
fn expiry_of_jwt(token: &str) -> Option<DateTime<Utc>> {
    let payload = decode_base64url(token.split('.').nth(1)?)?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let exp = claims.get("exp")?;
    let seconds = exp.as_i64().or_else(|| Some(exp.as_f64()? as i64))?;
    DateTime::from_timestamp(seconds, 0)
}

fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let sextet = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for b in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(sextet(b)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_pasted_token_is_read_from_it() {
        // {"alg":"none"} . {"sub":"a","exp":1795435200}
        let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiZXhwIjoxNzk1NDM1MjAwfQ.sig";
        let end = expiry_of_jwt(jwt).unwrap();
        assert_eq!(end.to_rfc3339(), "2026-11-23T12:00:00+00:00");
        for other in ["opaque", "a.b.c", "..", "a.!!.c", ""] {
            assert_eq!(expiry_of_jwt(other), None);
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let header = header(&SecretString::from("sesame")).unwrap();
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(super::header(&SecretString::from("two\nlines")).is_err());
    }
}
