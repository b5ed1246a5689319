//! `run`: the daemon in the foreground.

use super::Context;
use super::exit::{Exit, Failure, Outcome, chain};
use super::signals::{Asked, Signals};
use crate::admin::Tally;
use crate::admin::view::Code;
use crate::daemon::{self, AdminDoors, Daemon};
use crate::roster::Mode;
use crate::store;
use crate::telemetry::{self, Style};
use crate::{clock, config, sd_notify};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The daemon in the foreground; SIGTERM stops it in order, SIGHUP reloads
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd run --config aptiqd.toml
  APTIQD_LOG=debug aptiqd run")]
pub struct Args {}

pub async fn perform(_: Args, context: &Context) -> Outcome {
    let path = config::locate(context.config.as_deref());
    let path = path.map_err(|fault| Failure::of_faults(&[fault]))?;
    let loaded = config::load_all(&path, super::environment().into_iter());
    let (config, schedules) = loaded.map_err(|faults| Failure::of_faults(&faults))?;
    telemetry::init(Style::detect());
    let mut signals = Signals::listen()?;
    let store = open_store(&config.state).await?;
    let failed = store.failed();
    let doors = AdminDoors::open(&config.admin).await.map_err(failure)?;
    let addresses = doors.addresses.clone();
    let tally = Tally::default();
    let counted = tally.clone();
    let ended = Box::new(move |run: &crate::run::Run| counted.ended(run));
    let stop = CancellationToken::new();
    let count = schedules.len();
    let started = Daemon::start(config, schedules, store, ended, stop.clone());
    let mut daemon = started.await.map_err(failure)?;
    daemon.serve_admin(doors, tally);
    daemon.serve_notices();
    daemon.end_when(failed);
    tracing::info!(
        schedules = count,
        callbacks = %daemon.parts.callback_address,
        admin = %addresses.listen,
        socket = %addresses.socket.display(),
        "ready"
    );
    sd_notify::ready(&format!(
        "{count} schedules, page at http://{}/",
        addresses.listen
    ));
    let reloader = daemon.parts.reloader.clone();
    let asked = stop.clone();
    let signalled = tokio::spawn(async move {
        while signals.next().await == Asked::Reload {
            // A refused reload is logged fault by fault where it happens.
            let _ = reloader.reload("signal".to_owned(), Mode::Act).await;
        }
        tracing::info!("stopping");
        sd_notify::stopping();
        asked.cancel();
    });
    let served = daemon.serve().await;
    signalled.abort();
    served.map_err(failure)?;
    Ok(Exit::Done)
}

/// What keeps the daemon's state.
pub use store::Disk;

/// Opens the state folder; made if absent. A refill after damage may take a while.
pub async fn open_store(state: &config::State) -> Result<Arc<Disk>, Failure> {
    sd_notify::still_starting(REFILL_MAX, "opening the state");
    let settings = store::Settings {
        history: state.history,
        ..store::Settings::new(&state.path, clock::now())
    };
    let opened = tokio::task::spawn_blocking(move || Disk::open(settings)).await;
    match opened {
        Ok(Ok((disk, _))) => Ok(Arc::new(disk)),
        Ok(Err(error)) => Err(failure(daemon::Error::Store(error))),
        Err(panic) => Err(failure(daemon::Error::Panic(panic))),
    }
}

/// How long opening the state may take before systemd gives up.
const REFILL_MAX: Duration = Duration::from_secs(600);

/// Why the daemon did not start or did not go on, with what to do about it.
pub fn failure(error: daemon::Error) -> Failure {
    use daemon::Error;
    let (code, help) = match &error {
        Error::Store(store::Error::Locked) => (
            Code::Conflict,
            "stop the other one, or give this one its own state.path",
        ),
        Error::Store(store::Error::NewerFormat { .. }) => (
            Code::Config,
            "start the newer aptiqd again; its state was not touched",
        ),
        Error::AdminSocket(crate::admin::SocketFault::InUse { .. }) => (
            Code::Conflict,
            "stop the other one, or set admin.socket to another path",
        ),
        Error::Listen { .. } => (
            Code::Conflict,
            "is another aptiqd running? set callback.listen and admin.listen",
        ),
        Error::Key(_) | Error::Api(_) | Error::Landing(_) => (Code::Config, "aptiqd check"),
        Error::AdminSocket(_) | Error::AdminToken { .. } => (Code::Config, "aptiqd check"),
        Error::Store(_) | Error::Engine(_) | Error::Ended(_) | Error::Panic(_) => (
            Code::Failed,
            "nothing acknowledged is lost: start it again, and see its log",
        ),
    };
    Failure::new(code, chain(&error), help)
}
