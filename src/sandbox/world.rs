//! The whole state of the simulated service, behind one lock.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Options;
use super::conduct::{Conduct, Rule};
use super::faults::Fault;
use super::job::{Job, Order, Status};
use super::seeded::{salt, uuid};
use super::strikes::{At, Strikes};
use super::tokens::Tokens;

/// Faults that are drawn when a job is created and stay with it.
const OF_A_JOB: &[Fault] = &[
    Fault::LostCallback,
    Fault::DuplicateCallback,
    Fault::EarlyCallback,
    Fault::ForgedCallback,
    Fault::OddCallback,
    Fault::ListLag,
    Fault::UnknownStatus,
    Fault::NewField,
    Fault::NoEcho,
    Fault::Flips,
    Fault::Failed,
    Fault::BadProperty,
    Fault::BadPropertyNamed,
    Fault::Hold,
    Fault::VanishedJob,
    Fault::WrongFormat,
    Fault::ZeroRows,
    Fault::MissingProperties,
];

pub fn now() -> DateTime<Utc> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulator shares no code with the daemon"
    )]
    Utc::now()
}

pub struct World {
    pub options: Options,
    pub api: SocketAddr,
    pub files: SocketAddr,
    pub client: reqwest::Client,
    pub spool: Spool,
    pub stopping: CancellationToken,
    pub tasks: TaskTracker,
    state: Mutex<State>,
    revision: watch::Sender<u64>,
}

pub struct State {
    pub jobs: Vec<Job>,
    pub strikes: Strikes,
    pub tokens: Tokens,
    pub conduct: Conduct,
    pub signed: u64,
    pub cancels: u64,
}

impl World {
    pub fn new(options: Options, api: SocketAddr, files: SocketAddr) -> io::Result<World> {
        let state = State {
            jobs: Vec::new(),
            strikes: Strikes::new(options.faults.clone()),
            tokens: Tokens::new(options.seed, options.token_lifetime, now().timestamp()),
            conduct: Conduct::new(),
            signed: 0,
            cancels: 0,
        };
        Ok(World {
            client: super::callbacks::client()?,
            spool: Spool::make()?,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            state: Mutex::new(state),
            revision: watch::Sender::new(0),
            options,
            api,
            files,
        })
    }

    /// Changes the state and wakes whoever watches it.
    pub fn change<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let answer = act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.revision.send_modify(|revision| *revision += 1);
        answer
    }

    /// Looks at one job; `None` when there is no such job.
    pub fn job<R>(&self, id: &str, look: impl FnOnce(&mut Job) -> R) -> Option<R> {
        self.change(|state| state.job(id).map(look))
    }

    /// Whether nothing more happens to the job; true for an unknown one.
    pub fn is_over(&self, id: &str) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .jobs
            .iter()
            .find(|job| job.id == id)
            .is_none_or(Job::is_over)
    }

    /// Grows with every change.
    pub fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Waits until something has changed since that revision, or the world ends.
    pub async fn changed_since(&self, revision: u64) {
        let mut watched = self.revision.subscribe();
        tokio::select! {
            _ = watched.wait_for(|now| *now > revision) => {}
            () = self.stopping.cancelled() => {}
        }
    }

    /// The document behind `/_sandbox/state`.
    pub fn view(&self) -> Value {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = state.conduct.view();
        view["schema"] = json!("aptiqd.sandbox_state/1");
        view["revision"] = json!(*self.revision.borrow());
        view["faults"] = json!(state.strikes.faults().to_string());
        view["seed"] = json!(self.options.seed);
        view["jobs"] = state.jobs.iter().map(Job::inside_view).collect();
        view["creates"] = json!(state.jobs.len());
        view["cancels"] = json!(state.cancels);
        view
    }
}

impl State {
    pub fn job(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    /// Whether a fault of an endpoint shows now.
    pub fn strike(&mut self, fault: Fault, endpoint: &str) -> bool {
        self.strikes.strike(fault, At::Endpoint(endpoint))
    }

    /// Whether a fault that concerns one job shows now.
    pub fn strike_job(&mut self, fault: Fault, id: &str) -> bool {
        self.strikes.strike(fault, At::Job(id))
    }

    /// A new job, with the faults that will go with it.
    pub fn create(&mut self, order: Order, options: &Options) -> &Job {
        self.note_second_live_create(&order);
        let created_n = self.jobs.len() as u64 + 1;
        let id = uuid(&[options.seed, salt("job"), created_n]);
        let faults = OF_A_JOB
            .iter()
            .copied()
            .filter(|fault| self.strikes.strike(*fault, At::Job(&id)))
            .collect();
        let at = now();
        let mut job = Job {
            created_n,
            id,
            order,
            status: Status::Submitted,
            error_message: None,
            created_at: at,
            updated_at: at,
            listed_from: Instant::now(),
            artifact: None,
            restated: 0,
            faults,
            vanished: false,
            ending: false,
            downloads: 0,
            status_reads: 0,
            callbacks_sent: 0,
            callbacks_answered: 0,
            release: Arc::new(Notify::new()),
        };
        if job.has(Fault::ListLag) {
            job.listed_from += options.lag;
        }
        self.jobs.push(job);
        &self.jobs[self.jobs.len() - 1]
    }

    fn note_second_live_create(&mut self, order: &Order) {
        let Some(url) = order.callback_url.as_deref() else {
            return;
        };
        let live = self
            .jobs
            .iter()
            .find(|job| !job.is_over() && job.order.callback_url.as_deref() == Some(url));
        if let Some(first) = live.map(|job| job.id.clone()) {
            self.conduct
                .violated(Rule::SecondLiveCreate, format!("while job {first} is live"));
        }
    }
}

/// The folder that the jobs' files are written to; gone with the world.
pub struct Spool(PathBuf);

impl Spool {
    fn make() -> io::Result<Spool> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let nanos = now().timestamp_nanos_opt().unwrap_or_default();
        let n = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(
            "aptiqd-sandbox-{}-{n}-{nanos:x}",
            std::process::id()
        ));
        std::fs::create_dir(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        Ok(Spool(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Best effort: the folder lies in the system's temporary folder, which is cleaned anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
