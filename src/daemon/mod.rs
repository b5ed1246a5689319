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
mod notices;
mod prune;
mod rebuild;
mod recover;
mod reload;
mod tasks;
mod unavailable;

use crate::apartmentiq::{self, CallbackKeys, Client};
use crate::callback::{self, Counters};
use crate::config;
use crate::engine::{self, Engine, Errands, Handle};
use crate::landing::{self, Landing};
use crate::notify;
use crate::roster::Limits;
use crate::run::Run;
use crate::schedule::Schedule;
use crate::store::{self, Store, record};
use crate::{clock, sd_notify};
pub use admin::{AdminAddresses, AdminDoors};
use callbacks::Acknowledger;
use chrono::{DateTime, Utc};
pub use rebuild::{Ask, Keep, Rebuilt, Reconciled, rebuild};
pub use recover::{TakenIn, note_opening, put_in_doubt};
pub use reload::{LastReload, ReloadError, Reloader};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tasks::Tasks;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
pub use unavailable::answer_unavailable;

/// How long callbacks are still answered, with 503, after the store has failed.
const LINGER: Duration = Duration::from_secs(10);

/// How long the tasks may take to end: SIGTERM ends the process within 15 seconds.
const DRAIN_MAX: Duration = Duration::from_secs(14);

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
    /// Its words may hold what nobody should read; the log has its place.
    #[error("{0} panicked")]
    Panicked(&'static str),
    #[error("{task} did not end within {grace:?}")]
    Stuck { task: &'static str, grace: Duration },
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
    /// What became of notices.
    pub notices: notify::Counts,
    pub started_at: DateTime<Utc>,
    /// Where callbacks are listened for.
    pub callback_address: SocketAddr,
    /// What was amiss with the state when it was opened, for people.
    pub store_notes: Vec<String>,
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
            notices: self.notices.clone(),
            started_at: self.started_at,
            callback_address: self.callback_address,
            store_notes: self.store_notes.clone(),
        }
    }
}

/// Called with every run that has ended, after its commit.
pub type OnEnded = Box<dyn Fn(&Run) + Send>;

/// A started daemon, not yet waited for.
pub struct Daemon<S: Store> {
    pub parts: Parts<S>,
    tasks: Tasks,
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
        Daemon::start_on(None, config, schedules, store, ended, stop).await
    }

    /// The same, on a callback listener that is open already, if one is.
    pub async fn start_on(
        listener: Option<TcpListener>,
        config: config::Daemon,
        schedules: Vec<Schedule>,
        store: Arc<S>,
        ended: OnEnded,
        stop: CancellationToken,
    ) -> Result<Daemon<S>, Error> {
        let keys = Arc::new(callback_keys(&config)?);
        let api = Client::new(api_settings(&config)).map_err(Error::Api)?;
        let landing = Landing::open(landing_settings(&config)).map_err(Error::Landing)?;
        let listener = match listener {
            Some(listener) => listener,
            None => listeners::callback(config.callback.listen).await?,
        };
        recover::recover(
            &*store,
            &landing,
            &schedules,
            config.api.submit_settle,
            clock::now(),
        )
        .await?;
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
            published: published_runs(&store),
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
        let mut tasks = Tasks::new(stop.clone());
        // The listener stops first and hands over what it has; then the engine drains.
        let engine_stop = CancellationToken::new();
        let engine_stopped = engine_stop.clone();
        tasks.spawn(
            "the engine",
            async move { Ok(engine.run(engine_stop).await?) },
        );
        let serving = callback::serve(
            listener,
            Arc::clone(&keys),
            Acknowledger(handle.clone()),
            callback::Limits::default(),
            stop.clone(),
            Arc::clone(&callbacks),
        );
        tasks.spawn("the callback listener", async move {
            serving.await;
            engine_stopped.cancel();
            Ok(())
        });
        let config = Arc::new(config);
        let reloader = Reloader::new(
            Arc::clone(&config),
            handle.clone(),
            api.clone(),
            Arc::clone(&keys),
        );
        let parts = Parts {
            config,
            handle,
            store,
            api,
            landing,
            callbacks,
            keys,
            reloader,
            notices: notify::Counts::default(),
            started_at: clock::now(),
            callback_address,
            store_notes: Vec::new(),
        };
        let pruning = parts.clone().prune_by_the_clock(stop);
        let mut daemon = Daemon { parts, tasks };
        daemon.spawn("the removal of old raw files", pruning);
        Ok(daemon)
    }

    /// Adds a task that ends when the stop token is cancelled, and not before.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(name, async move {
            task.await;
            Ok(())
        });
    }

    /// Ends the daemon with an error once `failed` says why nothing can be made durable any more.
    pub fn end_when(&mut self, failed: impl Future<Output = String> + Send + 'static) {
        let stop = self.tasks.stop().clone();
        self.tasks.spawn("the watch over the store", async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                reason = failed => Err(Error::Store(store::Error::Stopped { reason })),
            }
        });
    }

    /// Waits for the stop token, and then for every task.
    ///
    /// # Errors
    /// The first task that ends unasked or panics, at once; one that does not end although it is asked.
    pub async fn serve(mut self) -> Result<(), Error> {
        if let Err(error) = self.tasks.supervise().await {
            self.linger(&error).await;
            return Err(error);
        }
        self.tasks.drain(DRAIN_MAX).await
    }
}

impl<S: Store> Daemon<S> {
    /// A store that has failed acknowledges nothing more, and the process must end. Senders are told to come
    /// again for a while, rather than be refused until somebody starts it anew.
    async fn linger(&mut self, error: &Error) {
        let of_store = matches!(
            error,
            Error::Store(_) | Error::Engine(engine::Error::Store(_))
        );
        if !of_store {
            return;
        }
        tracing::error!(
            seconds = LINGER.as_secs(),
            "the store has failed: callbacks are answered 503 until the process ends"
        );
        tokio::select! {
            () = self.tasks.stop().cancelled() => {}
            () = tokio::time::sleep(LINGER) => {}
        }
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
    CallbackKeys::load_or_create(&callback_key_file(config)).map_err(Error::Key)
}

fn callback_key_file(config: &config::Daemon) -> PathBuf {
    let own = || config.state.path.join("callback.key");
    config.callback.key_file.clone().unwrap_or_else(own)
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

fn published_runs<S: Store>(store: &Arc<S>) -> engine::PublishedRuns {
    let store = Arc::clone(store);
    Arc::new(move |schedule, window| record::published(&*store, schedule, window))
}
