//! Who may call the API: one OAuth client, the tokens it was given, and one pasted access token.

use std::time::{Duration, Instant};

use serde_json::json;

use super::seeded::{base64url, hex, salt};

/// How long the pasted token says that it lives.
const PASTED_LIFETIME: i64 = 30 * 24 * 3600;

pub struct Tokens {
    seed: u64,
    lifetime: Duration,
    issued: Vec<(String, Instant)>,
    issued_in_all: u64,
    pasted: String,
}

impl Tokens {
    /// `now` is in seconds since 1970.
    pub fn new(seed: u64, lifetime: Duration, now: i64) -> Tokens {
        let header = base64url(json!({"alg": "HS256", "typ": "JWT"}).to_string().as_bytes());
        let claims =
            json!({"iss": "aptiqd-sandbox", "sub": "1", "iat": now, "exp": now + PASTED_LIFETIME});
        let claims = base64url(claims.to_string().as_bytes());
        let signature = base64url(hex(&[seed, salt("pasted token")], 2).as_bytes());
        let pasted = format!("{header}.{claims}.{signature}");
        Tokens {
            seed,
            lifetime,
            issued: Vec::new(),
            issued_in_all: 0,
            pasted,
        }
    }

    pub fn client_id(seed: u64) -> String {
        format!("sandbox-{}", hex(&[seed, salt("client id")], 1))
    }

    pub fn client_secret(seed: u64) -> String {
        hex(&[seed, salt("client secret")], 2)
    }

    pub fn pasted(&self) -> &str {
        &self.pasted
    }

    /// A new token and its lifetime.
    pub fn issue(&mut self) -> (String, Duration) {
        self.issued_in_all += 1;
        let token = hex(&[self.seed, salt("token"), self.issued_in_all], 4);
        self.issued
            .push((token.clone(), Instant::now() + self.lifetime));
        (token, self.lifetime)
    }

    pub fn accepts(&mut self, bearer: &str) -> bool {
        let now = Instant::now();
        self.issued.retain(|(_, until)| *until > now);
        bearer == self.pasted || self.issued.iter().any(|(token, _)| token == bearer)
    }

    /// Every issued token is refused from now on.
    pub fn revoke_issued(&mut self) {
        self.issued.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_token_is_good_until_it_expires_or_is_revoked_and_the_pasted_one_stays() {
        let mut tokens = Tokens::new(1, Duration::from_secs(60), 0);
        let (token, _) = tokens.issue();
        assert!(tokens.accepts(&token));
        tokens.revoke_issued();
        assert!(!tokens.accepts(&token));
        let (expired, _) = Tokens::new(1, Duration::ZERO, 0).issue();
        assert!(!tokens.accepts(&expired));
        let pasted = tokens.pasted().to_owned();
        assert!(tokens.accepts(&pasted));
    }
}
