//! One POST: bounded in time, no redirects, no proxy, no word of the address in what went wrong.

use super::receiver::Broken;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, redirect};
use std::sync::OnceLock;
use std::time::Duration;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest rest that a receiver is granted.
const REST_MAX: Duration = Duration::from_secs(300);

/// The clients, built when first used: a bare machine without certificates can still reach itself.
#[derive(Default)]
pub(super) struct Web {
    secured: OnceLock<Client>,
    plain: OnceLock<Client>,
}

impl Web {
    pub async fn post(&self, url: &Url, headers: HeaderMap, body: Vec<u8>) -> Result<(), Broken> {
        let request = self.client(url)?.post(url.clone());
        let sent = request.headers(headers).body(body).send().await;
        let answer = sent.map_err(|error| Broken::new(words(&error)))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let asked = answer.headers().get(RETRY_AFTER);
        let seconds = asked.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err(Broken {
            words: format!("it answered {}", answer.status().as_u16()),
            rest: seconds.map(|seconds| Duration::from_secs(seconds).min(REST_MAX)),
        })
    }

    fn client(&self, url: &Url) -> Result<&Client, Broken> {
        let (slot, secured) = match url.scheme() {
            "https" => (&self.secured, true),
            _ => (&self.plain, false),
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let built = build(secured)
            .map_err(|_| Broken::new("no https client: are there system certificates?"))?;
        Ok(slot.get_or_init(|| built))
    }
}

fn build(secured: bool) -> reqwest::Result<Client> {
    // Err means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("aptiqd/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .referer(false)
        .no_proxy();
    let builder = if secured {
        builder
    } else {
        builder.tls_certs_only([])
    };
    builder.build()
}

/// The error's own text holds the address.
fn words(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it does not answer in time"
    } else if error.is_connect() {
        "it cannot be connected to"
    } else {
        "the connection broke off"
    }
}
