//! The composition root: bind, start, serve, stop in order.
//!
//! Everything that can be refused is refused before a port is opened: the configuration, the state
//! folder, the landing folder. Readiness is told once callbacks can be acknowledged.
//!
//! ```text
//! Daemon::start   config + schedules + store → Parts (what the admin side looks at) and tasks
//! Daemon::serve   until the stop token or the first task that ends unasked
//! ```

mod admin;
mod callbacks;
mod diagnosis;
mod listeners;
mod reload;

use crate::apartmentiq::{self, CallbackKeys, Client};
use crate::callback::{self, Counters};
use crate::config;
use crate::engine::{self, Engine, Errands, Handle};
use crate::landing::{self, Landing};
use crate::roster::Limits;
use crate::run::Run;
use crate::schedule::Schedule;
use crate::store::{self, Store};
use crate::{clock, sd_notify};
pub use admin::{AdminAddresses, AdminDoors};
use callbacks::Acknowledger;
use chrono::{DateTime, Utc};
pub use reload::{LastReload, ReloadError, Reloader};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Why the daemon did not start, or ended unasked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("cannot read the callback key")]
    Key(#[source] apartmentiq::KeyError),
    #[error("cannot set up the API's client")]
    Api(#[source] apartmentiq::Error),
    #[error("cannot use the landing folder")]
    Landing(#[source] landing::Error),
    #[error("cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot open the admin socket")]
    AdminSocket(#[from] crate::admin::SocketFault),
    #[error("cannot read admin.token_file {path}")]
    AdminToken {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("{0} ended unasked")]
    Ended(&'static str),
    #[error("a task panicked")]
    Panic(#[source] tokio::task::JoinError),
}

/// Everything that is looked at and acted on from outside; cheap to clone.
pub struct Parts<S> {
    pub config: Arc<config::Daemon>,
    pub handle: Handle,
    pub store: Arc<S>,
    pub api: Client,
    pub landing: Landing,
    pub callbacks: Arc<Counters>,
    pub keys: Arc<CallbackKeys>,
    pub reloader: Reloader,
    pub started_at: DateTime<Utc>,
    /// Where callbacks are listened for.
    pub callback_address: SocketAddr,
}

impl<S> Clone for Parts<S> {
    fn clone(&self) -> Parts<S> {
        Parts {
            config: Arc::clone(&self.config),
            handle: self.handle.clone(),
            store: Arc::clone(&self.store),
            api: self.api.clone(),
            landing: self.landing.clone(),
            callbacks: Arc::clone(&self.callbacks),
            keys: Arc::clone(&self.keys),
            reloader: self.reloader.clone(),
            started_at: self.started_at,
            callback_address: self.callback_address,
        }
    }
}

/// Called with every run that has ended, after its commit.
pub type OnEnded = Box<dyn Fn(&Run) + Send>;

/// A started daemon, not yet waited for.
pub struct Daemon<S: Store> {
    pub parts: Parts<S>,
    stop: CancellationToken,
    tasks: JoinSet<Result<&'static str, Error>>,
}

impl<S: Store> Daemon<S> {
    /// Starts the engine and the callback listener. Nothing is written or opened before everything
    /// that can be refused was looked at.
    pub async fn start(
        config: config::Daemon,
        schedules: Vec<Schedule>,
        store: Arc<S>,
        ended: OnEnded,
        stop: CancellationToken,
    ) -> Result<Daemon<S>, Error> {
        let keys = Arc::new(callback_keys(&config)?);
        let api = Client::new(api_settings(&config)).map_err(Error::Api)?;
        let landing = Landing::open(landing_settings(&config)).map_err(Error::Landing)?;
        let listener = listeners::callback(config.callback.listen).await?;
        let callback_address = listener.local_addr().unwrap_or(config.callback.listen);
        let errands = Errands {
            api: api.clone(),
            landing: landing.clone(),
            keys: Arc::clone(&keys),
            public_url: config
                .callback
                .public_url
                .as_ref()
                .map(|url| url.as_str().to_owned()),
        };
        let options = engine::Options {
            limits: limits(&config),
            schedules,
            beat: Box::new(sd_notify::watchdog),
            beat_period: sd_notify::watchdog_period(),
            ended,
        };
        let (engine, handle) = Engine::open(Arc::clone(&store), errands, options)?;
        let callbacks = Arc::new(Counters::default());
        let mut tasks = JoinSet::new();
        // The listener stops first and hands over what it has; then the engine drains.
        let engine_stop = CancellationToken::new();
        let engine_stopped = engine_stop.clone();
        tasks.spawn(async move {
            engine.run(engine_stop).await?;
            Ok("the engine")
        });
        let serving = callback::serve(
            listener,
            Arc::clone(&keys),
            Acknowledger(handle.clone()),
            callback::Limits::default(),
            stop.clone(),
            Arc::clone(&callbacks),
        );
        tasks.spawn(async move {
            serving.await;
            engine_stopped.cancel();
            Ok("the callback listener")
        });
        let reloader = Reloader::new(config.file.clone(), handle.clone(), api.clone());
        let parts = Parts {
            config: Arc::new(config),
            handle,
            store,
            api,
            landing,
            callbacks,
            keys,
            reloader,
            started_at: clock::now(),
            callback_address,
        };
        Ok(Daemon { parts, stop, tasks })
    }

    /// Adds a task that ends when the stop token is cancelled, and not before.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            Ok(name)
        });
    }

    /// Ends the daemon with an error once `failed` says why nothing can be made durable any more.
    pub fn end_when(&mut self, failed: impl Future<Output = String> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => Ok("the watch over the store"),
                reason = failed => Err(Error::Store(store::Error::Stopped { reason })),
            }
        });
    }

    /// Waits for the stop token and then for every task; the first task that ends unasked, or
    /// panics, ends the daemon with an error.
    pub async fn serve(mut self) -> Result<(), Error> {
        while let Some(ended) = self.tasks.join_next().await {
            let name = ended.map_err(Error::Panic)??;
            if !self.stop.is_cancelled() {
                self.stop.cancel();
                return Err(Error::Ended(name));
            }
        }
        Ok(())
    }
}

fn limits(config: &config::Daemon) -> Limits {
    Limits {
        open_jobs_max: config.api.open_jobs_max as usize,
        downloads: config.download.concurrency as usize,
        poll_interval: config.api.poll_interval,
        submit_settle: config.api.submit_settle,
    }
}

fn callback_keys(config: &config::Daemon) -> Result<CallbackKeys, Error> {
    let path = config
        .callback
        .key_file
        .clone()
        .unwrap_or_else(|| config.state.path.join("callback.key"));
    CallbackKeys::load_or_create(&path).map_err(Error::Key)
}

fn api_settings(config: &config::Daemon) -> apartmentiq::Settings {
    apartmentiq::Settings {
        base_url: config.api.base_url.as_str().to_owned(),
        token_url: config.api.token_url.as_str().to_owned(),
        credential: match &config.api.credential {
            config::Credential::Client { id, secret_file } => apartmentiq::Credential::Client {
                id: id.clone(),
                secret_file: secret_file.clone(),
            },
            config::Credential::Token { file } => {
                apartmentiq::Credential::Token { file: file.clone() }
            }
        },
        standby_token_file: config.api.standby_token_file.clone(),
        request_timeout: config.api.request_timeout,
        requests_per_minute: config.api.requests_per_minute,
    }
}

fn landing_settings(config: &config::Daemon) -> landing::Settings {
    landing::Settings {
        root: config.landing.path.clone(),
        bytes_max: config.download.bytes_max,
        allowed_hosts: config.download.allowed_hosts.clone(),
        loopback_allowed: config.api.base_url.is_loopback(),
        read_timeout: Duration::from_secs(30),
    }
}
