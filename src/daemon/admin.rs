//! The admin side over a started daemon: its socket, its listener, and what it is told of the rest.

use super::{Daemon, Error, Parts, ReloadError};
use crate::admin::{
    self, Access, Bound, LandedFile, Live, NotReloaded, Outside, Presence, Reloaded, Tally, Vitals,
    view,
};
use crate::apartmentiq::CredentialKind;
use crate::callback::Outcome;
use crate::config;
use crate::landing::Manifest;
use crate::roster::Mode;
use crate::run::Run;
use crate::schedule::{Name, Window};
use crate::store::Store;
use secrecy::SecretString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Where the admin side answers.
#[derive(Clone, Debug)]
pub struct AdminAddresses {
    pub socket: PathBuf,
    pub listen: SocketAddr,
}

/// The doors of the admin side, open but not yet served.
pub struct AdminDoors {
    socket: Bound,
    listener: TcpListener,
    access: Access,
    pub addresses: AdminAddresses,
}

impl AdminDoors {
    /// Opens both; refuses a socket at which another daemon answers.
    pub async fn open(config: &config::Admin) -> Result<AdminDoors, Error> {
        let access = match &config.token_file {
            Some(file) => Access::with_bearer(&token(file)?),
            None => Access::open(),
        };
        let listening = |source| Error::Listen {
            address: config.listen.to_string(),
            source,
        };
        let socket = admin::bind(&config.socket)?;
        let listener = TcpListener::bind(config.listen).await.map_err(listening)?;
        let addresses = AdminAddresses {
            socket: config.socket.clone(),
            listen: listener.local_addr().map_err(listening)?,
        };
        Ok(AdminDoors {
            socket,
            listener,
            access,
            addresses,
        })
    }
}

fn token(file: &Path) -> Result<SecretString, Error> {
    let fault = |source: io::Error| Error::AdminToken {
        path: file.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(file).map_err(fault)?;
    match text.trim() {
        "" => Err(fault(io::Error::other("it is empty"))),
        token => Ok(SecretString::from(token)),
    }
}

impl<S: Store> Daemon<S> {
    /// Serves the admin side until the daemon stops.
    pub fn serve_admin(&mut self, doors: AdminDoors, tally: Tally) {
        let parts = self.parts.clone();
        let (store, handle) = (Arc::clone(&parts.store), parts.handle.clone());
        let live = Arc::new(Live::new(store, handle, parts, tally));
        let routes = admin::router(live, doors.access, self.tasks.stop().clone());
        let (socket, listener) = (doors.socket, doors.listener);
        let (by_socket, stop) = (routes.clone(), self.tasks.stop().clone());
        self.spawn("the admin socket", async move {
            admin::serve_unix(socket.listener(), by_socket, stop).await;
        });
        let stop = self.tasks.stop().clone();
        self.spawn("the admin listener", async move {
            admin::serve_tcp(&listener, routes, stop).await;
        });
    }
}

impl<S: Store> Outside for Parts<S> {
    fn vitals(&self) -> Vitals {
        let limits = self.api.limits();
        let outcomes =
            Outcome::ALL.map(|outcome| (outcome.as_str(), self.callbacks.count(outcome)));
        let requests = limits.requests.into_iter();
        Vitals {
            ready: match self.handle.is_open() {
                true => Ok(()),
                false => Err("the engine has stopped".to_owned()),
            },
            callbacks: self.callback_health(),
            callback_outcomes: outcomes.to_vec(),
            credential: self.credential(),
            requests: requests
                .map(|request| (request.endpoint, request.code, request.count))
                .collect(),
            throttled: limits.throttled,
            quota: self.quota(),
            landing: view::LandingHealth {
                path: self.config.landing.path.display().to_string(),
                free_bytes: self.landing.free_bytes().ok(),
            },
            store_free_bytes: free_bytes(&self.config.state.path),
            notices: self.notices.outcomes(),
            notifiers_failing: self.notices.failing(),
            store_notes: self.store_notes.clone(),
        }
    }

    fn config(&self) -> view::ConfigHealth {
        let last = self.reloader.last();
        view::ConfigHealth {
            path: Some(self.config.file.display().to_string()),
            last_reload_at: last.at,
            ok: last.faults.is_empty(),
            faults: last.faults.iter().map(view::Fault::from).collect(),
        }
    }

    fn landed_file(&self, schedule: &Name, key: &str) -> Result<Option<LandedFile>, String> {
        let manifest = self.landing.manifest(schedule, key);
        let manifest = manifest.map_err(|fault| fault.message)?;
        Ok(manifest.map(|manifest| {
            let path = manifest.file.path.as_deref();
            let presence = match path.map(|path| self.landing.length(path)) {
                Some(None) => Presence::Gone,
                Some(Some(length)) if length != manifest.file.bytes => Presence::Changed,
                _ => Presence::There,
            };
            landed_file(&manifest, presence)
        }))
    }

    fn raw_gone(&self, run: &Run) -> Vec<String> {
        let raw = run.live_parts().filter_map(|part| part.artifact.as_ref());
        let gone = raw.filter(|raw| self.landing.length(&raw.path).is_none());
        gone.map(|raw| raw.path.clone()).collect()
    }

    fn restatements(&self, schedule: &Name, key: &str) -> Vec<serde_json::Value> {
        let all = self.landing.restatements(schedule, key);
        all.iter()
            .filter_map(|one| serde_json::to_value(one).ok())
            .collect()
    }

    async fn prune(&self, by: String, mode: Mode) -> Result<view::Pruned, String> {
        let pruned = Parts::prune(self, &by, mode).await;
        let pruned = pruned.map_err(|fault| fault.message)?;
        let removed = pruned.removed.into_iter().map(|run| view::PrunedRun {
            path: run.path,
            files: run.files,
            bytes: run.bytes,
            delivered_at: run.delivered_at,
        });
        let kept = pruned.kept.into_iter().map(|run| view::KeptRun {
            path: run.path,
            reason: run.reason,
        });
        let retention = self.config.landing.raw_retention;
        Ok(view::Pruned::new(
            removed.collect(),
            kept.collect(),
            retention,
            mode == Mode::Dry,
        ))
    }

    async fn reload(&self, by: String, mode: Mode) -> Result<Reloaded, NotReloaded> {
        let reloaded = self.reloader.reload(by, mode).await;
        reloaded.map_err(|error| match error {
            ReloadError::Faults(faults) => {
                NotReloaded::Faults(faults.iter().map(view::Fault::from).collect())
            }
            ReloadError::Asked(asked) => NotReloaded::Asked(asked),
        })
    }
}

impl<S: Store> Parts<S> {
    fn callback_health(&self) -> view::Callbacks {
        let public_url = self.config.callback.public_url.as_ref();
        view::Callbacks {
            public_url: public_url.map(|url| url.as_str().to_owned()),
            received: self.callbacks.count(Outcome::Accepted),
            refused: self.callbacks.count(Outcome::Forged),
            ..view::Callbacks::default()
        }
    }

    /// The quota refusal that still stands.
    pub(super) fn quota(&self) -> Option<String> {
        let quota = self.api.limits().quota?;
        Some(match quota.usage {
            Some(usage) => format!("ApartmentIQ's quota is spent: {usage} of {}", quota.limit),
            None => format!("ApartmentIQ's quota of {} is spent", quota.limit),
        })
    }

    fn credential(&self) -> view::Credential {
        let state = self.api.credential();
        let kind = match state.kind {
            CredentialKind::Client => "client",
            CredentialKind::Token => "token",
        };
        view::Credential {
            kind: kind.to_owned(),
            expires_at: state.expires_at,
            refused: state.refused,
        }
    }
}

fn landed_file(manifest: &Manifest, presence: Presence) -> LandedFile {
    let file = &manifest.file;
    let there = file.path.clone().zip(file.sha256.clone());
    let jobs = manifest.jobs.iter().map(|job| view::JobOfFile {
        job_id: job.job_id.clone(),
        properties: job.properties as u64,
        from: job.from,
        to: job.to,
        sha256: job.sha256.clone(),
    });
    LandedFile {
        run: manifest.run.to_string(),
        file: there.map(|(path, sha256)| view::File {
            path,
            bytes: file.bytes,
            sha256,
            rows: file.rows,
            generation: manifest.generation,
        }),
        window: Window {
            from: manifest.dates.from,
            to: manifest.dates.to,
        },
        landed_at: manifest.landed_at,
        presence,
        jobs: jobs.collect(),
    }
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl From<&config::Fault> for view::Fault {
    fn from(fault: &config::Fault) -> view::Fault {
        view::Fault {
            file: fault.file.clone(),
            line: fault.line as u64,
            column: fault.column as u64,
            code: fault.code.to_owned(),
            message: fault.message.clone(),
            help: fault.help.clone(),
        }
    }
}
