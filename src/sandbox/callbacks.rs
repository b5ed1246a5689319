//! Callbacks to the client. Only loopback is ever contacted: a simulator must not send traffic out.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Url, redirect};
use serde_json::{Value, json};

use super::faults::Fault;
use super::seeded::{salt, uuid};
use super::world::World;

const TIMEOUT: Duration = Duration::from_secs(10);

pub fn client() -> io::Result<reqwest::Client> {
    // An error says that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(TIMEOUT)
        // Only loopback is contacted, where a test's certificate is nobody's.
        .tls_danger_accept_invalid_certs(true)
        .build()
        .map_err(io::Error::other)
}

/// What the callback says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The job's own id and status.
    Truth,
    /// The success of a job that does not exist.
    Forgery,
}

/// Tells the job's callback address, as often and as oddly as the job's faults want it.
pub async fn send(world: &Arc<World>, id: &str, claim: Claim) {
    let Some((url, body, odd, times)) = world.job(id, |job| {
        let body = match claim {
            Claim::Truth => json!({"job_id": job.id, "status": job.status.name()}),
            Claim::Forgery => {
                json!({"job_id": uuid(&[job.created_n, salt("forged job")]), "status": "succeeded"})
            }
        };
        let times = if job.has(Fault::DuplicateCallback) {
            3
        } else {
            1
        };
        (
            job.order.callback_url.clone(),
            body,
            job.has(Fault::OddCallback),
            times,
        )
    }) else {
        return;
    };
    let Some(url) = url else { return };
    for _ in 0..times {
        send_once(world, id, &url, &body, odd).await;
    }
}

async fn send_once(world: &Arc<World>, id: &str, url: &str, body: &Value, odd: bool) {
    let Some(url) = loopback(url) else {
        world.change(|state| state.conduct.callbacks_not_delivered += 1);
        return;
    };
    world.change(|state| {
        state.conduct.callbacks_sent += 1;
        state.conduct.prompted_read();
        state.job(id).map(|job| job.callbacks_sent += 1)
    });
    let request = match odd {
        false => world.client.post(url).json(body),
        true => world
            .client
            .put(url)
            .query(&[("event", "done")])
            .header("content-type", "text/plain")
            .body("done"),
    };
    let sent = tokio::select! {
        sent = request.send() => sent,
        () = world.stopping.cancelled() => return,
    };
    let answered = sent.is_ok_and(|answer| answer.status().is_success());
    world.change(|state| match answered {
        true => {
            state.conduct.callbacks_answered += 1;
            state.job(id).map(|job| job.callbacks_answered += 1)
        }
        false => {
            state.conduct.callbacks_not_delivered += 1;
            None
        }
    });
}

fn loopback(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    (host == "localhost" || address.is_ok_and(|address| address.is_loopback())).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_loopback_is_contacted() {
        for url in [
            "http://127.0.0.1:1/cb",
            "https://127.8.8.8/cb",
            "http://[::1]:2/cb",
            "http://localhost/cb",
        ] {
            assert!(loopback(url).is_some(), "{url}");
        }
        for url in [
            "http://10.0.0.1/cb",
            "https://exports.example.com/cb",
            "http://localhost.example.com/",
            "x",
        ] {
            assert!(loopback(url).is_none(), "{url}");
        }
    }
}
