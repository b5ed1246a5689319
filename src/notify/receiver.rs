//! Where notices go, and how one is handed over.

use super::notice::Notice;
use super::route::Channel;
use super::web::Web;
use super::{exec, ping, slack, webhook};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// Secrets are short; a larger file is another one.
const SECRET_MAX: usize = 64 * 1024;

/// One `[notify.NAME]`.
#[derive(Clone, Debug)]
pub enum Receiver {
    Slack {
        url: Address,
    },
    Webhook {
        url: Address,
        secret_file: PathBuf,
    },
    Ping {
        url: Address,
    },
    /// The program and its arguments; never empty.
    Exec {
        command: Vec<String>,
    },
}

/// An address whose knowledge is the permission to use it.
#[derive(Clone, Debug)]
pub enum Address {
    Inline(SecretString),
    /// Read for every notice, so that it may change.
    File(PathBuf),
}

/// Why a notice was not taken, in words without any secret.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(super) struct Broken {
    pub words: String,
    /// The receiver wants to be left alone so long.
    pub rest: Option<Duration>,
}

impl Broken {
    pub fn new(words: impl Into<String>) -> Broken {
        Broken {
            words: words.into(),
            rest: None,
        }
    }
}

impl Receiver {
    pub(super) fn channel(&self) -> Channel {
        match self {
            Receiver::Ping { .. } => Channel::Beat,
            _ => Channel::Reader,
        }
    }

    pub(super) async fn hand(&self, notice: &Notice, web: &Web) -> Result<(), Broken> {
        match self {
            Receiver::Slack { url } => slack::post(&url.read().await?, notice, web).await,
            Receiver::Webhook { url, secret_file } => {
                let secret = secret(secret_file).await?;
                webhook::post(&url.read().await?, &secret, notice, web).await
            }
            Receiver::Ping { url } => ping::post(&url.read().await?, notice, web).await,
            Receiver::Exec { command } => exec::run(command, notice).await,
        }
    }
}

impl Address {
    /// https to anywhere, plain http to this machine only.
    async fn read(&self) -> Result<Url, Broken> {
        let text = match self {
            Address::Inline(text) => text.clone(),
            Address::File(path) => secret(path).await?,
        };
        let url = Url::parse(text.expose_secret());
        let url = url.map_err(|_| Broken::new("its address is no web address"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) => Ok(url),
            _ => Err(Broken::new(
                "its address is not https; http is for this machine only",
            )),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

async fn secret(path: &Path) -> Result<SecretString, Broken> {
    let shown = path.display();
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| Broken::new(format!("{shown} cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(Broken::new(format!("{shown} is empty"))),
        _ if text.len() > SECRET_MAX => Err(Broken::new(format!("{shown} is no secret: too long"))),
        word => Ok(SecretString::from(word)),
    }
}
