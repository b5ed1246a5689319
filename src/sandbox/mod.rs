//! The simulated ApartmentIQ: the bulk export API, its token endpoint and its file host, on loopback.
//!
//! A world of jobs kept in memory, seeded: the same seed and the same orders give the same bytes. It
//! misbehaves when asked to ([`Faults`], [`TABLE`]) and watches the client's manners. It shares no
//! code with the client it tests, so a misunderstanding cannot cancel itself out.
//!
//! What the vendor leaves open is decided here, and marked as the simulator's own:
//! - `/results` of a job that has not succeeded, and `DELETE` of one that has ended: 409 with an error body
//! - a callback: one `POST` of `{"job_id","status"}` when a job succeeds or fails, never repeated;
//!   none for a cancelled job; only loopback addresses are contacted
//! - each call of `/results` signs afresh
//! - any positive or negative property id has data, on every day
//!
//! Beside the vendor's surface there is a control side, `/_sandbox` (see `control.rs`).

mod api;
mod bulk;
mod callbacks;
mod conduct;
mod control;
mod data;
mod directory;
mod faults;
mod files;
mod job;
mod life;
mod oauth;
mod paging;
mod range;
mod reply;
mod seeded;
mod serve;
mod signing;
mod strikes;
mod tokens;
mod world;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use faults::{Entry, Fault, Faults, ParseError, Repeat, TABLE};

use tokens::Tokens;
use world::World;

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub requests: u32,
    pub window: Duration,
}

/// How the simulated service is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The API and the token endpoint; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The file host; `None`: a free port of the same address.
    pub files_listen: Option<SocketAddr>,
    pub faults: Faults,
    pub seed: u64,
    /// A job takes half to one and a half times this, by seed and number.
    pub job_time: Duration,
    /// How late `late-create` and `list-lag` are.
    pub lag: Duration,
    /// What a throttled client is told to wait, in whole seconds.
    pub retry_after: Duration,
    /// `expires_in` of an OAuth token; enforced.
    pub token_lifetime: Duration,
    /// Requests over this are answered 429; `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// Rows of the `units` report for each property and day.
    pub units_per_day: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            files_listen: None,
            faults: Faults::default(),
            seed: 1,
            job_time: Duration::from_millis(400),
            lag: Duration::from_secs(3),
            retry_after: Duration::from_secs(1),
            token_lifetime: Duration::from_secs(7200),
            rate_limit: None,
            units_per_day: 24,
        }
    }
}

/// A running simulated service; dropping it stops it too, without waiting.
pub struct Sandbox {
    world: Arc<World>,
}

impl Sandbox {
    /// Binds both listeners and serves them on the current tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound or the temporary folder cannot be made.
    pub async fn start(options: Options) -> io::Result<Sandbox> {
        let api = TcpListener::bind(options.listen).await?;
        let files_at = options
            .files_listen
            .unwrap_or_else(|| SocketAddr::new(options.listen.ip(), 0));
        let files = TcpListener::bind(files_at).await?;
        let world = Arc::new(World::new(options, api.local_addr()?, files.local_addr()?)?);
        let (api_router, files_router) = (
            api::router(Arc::clone(&world)),
            files::router(Arc::clone(&world)),
        );
        world
            .tasks
            .spawn(serve::serve(Arc::clone(&world), api, api_router));
        world
            .tasks
            .spawn(serve::serve(Arc::clone(&world), files, files_router));
        Ok(Sandbox { world })
    }

    /// `http://HOST:PORT/apartmentiq/api/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.world.api, api::PREFIX)
    }

    pub fn token_url(&self) -> String {
        format!("http://{}/oauth/token", self.world.api)
    }

    /// Where the control side begins.
    pub fn control_url(&self) -> String {
        format!("http://{}/_sandbox", self.world.api)
    }

    pub fn client_id(&self) -> String {
        Tokens::client_id(self.world.options.seed)
    }

    pub fn client_secret(&self) -> String {
        Tokens::client_secret(self.world.options.seed)
    }

    /// A pasted access token: a JWT with `exp` in 30 days.
    pub fn access_token(&self) -> String {
        self.world.change(|state| state.tokens.pasted().to_owned())
    }

    /// Host and port that downloads come from.
    pub fn files_host(&self) -> String {
        self.world.files.to_string()
    }

    /// The same document as `GET /_sandbox/state`.
    pub fn state(&self) -> Value {
        self.world.view()
    }

    /// Everything a client needs to know, with the simulator's worthless credentials.
    pub fn describe(&self) -> Value {
        json!({
            "schema": "aptiqd.sandbox/1",
            "base_url": self.base_url(),
            "token_url": self.token_url(),
            "control_url": self.control_url(),
            "client_id": self.client_id(),
            "client_secret": self.client_secret(),
            "access_token": self.access_token(),
            "files_host": self.files_host(),
            "faults": self.world.options.faults.to_string(),
            "seed": self.world.options.seed,
        })
    }

    /// Closes both listeners and every connection, and removes the files.
    pub async fn stop(self) {
        self.world.stopping.cancel();
        self.world.tasks.close();
        self.world.tasks.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.world.stopping.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_takes_the_files_along_even_while_one_is_being_written() {
        let options = Options {
            units_per_day: 2_000_000,
            job_time: Duration::ZERO,
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let folder = sandbox.world.spool.path().to_owned();
        let order = json!({
            "report_type": "units", "output_format": "jsonl", "property_ids": [1],
            "start_date": "2026-01-01", "end_date": "2026-12-31",
        });
        let url = format!("{}/bulk_api/jobs", sandbox.base_url());
        let client = callbacks::client().unwrap();
        let created = client
            .post(url)
            .bearer_auth(sandbox.access_token())
            .json(&order)
            .send();
        assert!(created.await.unwrap().status().is_success());
        while folder.read_dir().unwrap().next().is_none() {
            tokio::task::yield_now().await;
        }
        sandbox.stop().await;
        assert!(!folder.exists());
    }
}
