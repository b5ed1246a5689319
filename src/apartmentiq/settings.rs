//! Where the API is, and by which credential and at which pace it is asked.

use std::path::PathBuf;
use std::time::Duration;

/// The `[api]` table, resolved.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Without or with a trailing slash; the bearer token goes to this origin only.
    pub base_url: String,
    /// Used by [`Credential::Client`] only.
    pub token_url: String,
    pub credential: Credential,
    /// A pasted token that is used while the first credential is refused.
    pub standby_token_file: Option<PathBuf>,
    /// From the first byte sent to the last one read.
    pub request_timeout: Duration,
    /// One budget for all calls made with the credential; at least 1.
    pub requests_per_minute: u32,
}

/// How a bearer token is come by. Files, never values: nothing here is a secret.
#[derive(Clone, Debug)]
pub enum Credential {
    /// OAuth client credentials; the secret is read anew at each renewal.
    Client { id: String, secret_file: PathBuf },
    /// A pasted access token; read anew when the file changes and on 401.
    Token { file: PathBuf },
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{0}` is not an http or https address")]
    Address(String),
    #[error("cannot set up TLS")]
    Setup(#[source] reqwest::Error),
}
