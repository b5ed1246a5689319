//! What is held of one credential: its file, its token, and the rest it takes after a failure.

use super::jwt::expiry_of_jwt;
use super::secret_file::SecretFile;
use super::token::InUse;
use crate::clock;
use crate::run::{Fault, FaultClass};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// The rest after a failed renewal or a refusal; doubled each time.
const REST_FIRST: Duration = Duration::from_secs(5);
const REST_MAX: Duration = Duration::from_secs(300);

pub(super) struct Slots {
    pub(super) first: Slot,
    pub(super) standby: Option<Slot>,
    pub(super) in_use: InUse,
    pub(super) generation: u64,
}

pub(super) struct Slot {
    /// Of the token, or of the client secret.
    pub(super) file: SecretFile,
    pub(super) token: Option<Token>,
    pub(super) rest: Option<Rest>,
}

pub(super) struct Token {
    header: HeaderValue,
    pub(super) generation: u64,
    pub(super) expires_at: Option<DateTime<Utc>>,
    renew_at: Option<Instant>,
    valid_until: Option<Instant>,
    /// Got after a refusal and not accepted since: another 401 refuses the credential itself.
    pub(super) on_trial: bool,
}

pub(super) struct Rest {
    until: Instant,
    length: Duration,
    fault: Fault,
}

/// A token to send, and which one it was.
#[derive(Clone)]
pub(super) struct Bearer {
    /// `Bearer …`, marked sensitive.
    pub(super) header: HeaderValue,
    pub(super) slot: InUse,
    pub(super) generation: u64,
}

pub(super) enum Standing {
    Good(Bearer),
    /// Valid, but it is time for a new one.
    Due(Bearer),
    Resting(Fault),
    Lacking,
}

impl Slots {
    pub(super) fn slot(&mut self, which: InUse) -> &mut Slot {
        match (which, &mut self.standby) {
            (InUse::Standby, Some(standby)) => standby,
            _ => &mut self.first,
        }
    }

    pub(super) fn standing(&mut self, which: InUse) -> Standing {
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
    pub(super) fn give(&mut self, which: InUse) -> Bearer {
        self.in_use = which;
        let token = self.slot(which).token.as_ref().expect("a token is there");
        Bearer {
            header: token.header.clone(),
            slot: which,
            generation: token.generation,
        }
    }

    pub(super) fn read_token(&mut self, which: InUse) -> Result<Bearer, Fault> {
        let slot = self.slot(which);
        let read = slot.read();
        let placed = read.and_then(|token| self.place(which, &token, None));
        placed.inspect_err(|fault| self.slot(which).rest_for(fault.clone()))
    }

    pub(super) fn place(
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
    pub(super) fn renew_trust(
        &mut self,
        keep_first: bool,
        changed: impl Fn(&Slot) -> bool,
    ) -> bool {
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
    pub(super) fn new(file: PathBuf) -> Slot {
        Slot {
            file: SecretFile::new(file),
            token: None,
            rest: None,
        }
    }

    pub(super) fn read(&mut self) -> Result<SecretString, Fault> {
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

    pub(super) fn rest_for(&mut self, fault: Fault) {
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

    pub(super) fn is_refused(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_printed() {
        let header = header(&SecretString::from("sesame")).unwrap();
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(super::header(&SecretString::from("two\nlines")).is_err());
    }
}
