//! The OAuth client credentials grant: an id and a secret for a bearer token of two hours.

use super::reply::{Reply, exchange};
use super::usage::Usage;
use crate::run::{Fault, FaultClass};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;

const GRANT_BYTES_MAX: usize = 64 * 1024;

pub(super) struct OAuth {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    pub(super) id: String,
    pub(super) usage: Arc<Usage>,
}

pub(super) struct Grant {
    pub(super) token: SecretString,
    pub(super) expires_in: Option<Duration>,
}

impl OAuth {
    /// Asks for a new token. `Credential` if id or secret are refused.
    pub(super) async fn renew(&self, secret: &SecretString) -> Result<Grant, Fault> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.id),
            ("client_secret", secret.expose_secret()),
        ];
        let request = self.http.post(self.url.clone()).form(&form);
        let reply = match exchange(request, GRANT_BYTES_MAX).await {
            Ok(reply) => reply,
            Err(none) => {
                self.usage.count("token", none.code().to_owned());
                return Err(none.fault());
            }
        };
        let code = reply.status.as_u16();
        self.usage.count("token", code.to_string());
        match code {
            200 => grant(&reply),
            400 | 401 | 403 => Err(Fault {
                class: FaultClass::Credential,
                ..reply.fault()
            }),
            _ => Err(reply.fault()),
        }
    }
}

fn grant(reply: &Reply) -> Result<Grant, Fault> {
    let body = reply.json()?;
    let token = body.get("access_token").and_then(|token| token.as_str());
    let token = token.filter(|token| !token.is_empty());
    let seconds = body.get("expires_in").and_then(|seconds| seconds.as_u64());
    Ok(Grant {
        token: SecretString::from(token.ok_or_else(|| reply.nonsense("no access token in it"))?),
        expires_in: seconds.map(Duration::from_secs),
    })
}
