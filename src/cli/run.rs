//! `run`: the daemon in the foreground.

use super::Context;
use super::exit::{Exit, Failure, Outcome, chain};
use super::signals::{Asked, Signals};
use crate::admin::Tally;
use crate::admin::view::Code;
use crate::daemon::{self, AdminDoors, Daemon};
use crate::roster::Mode;
use crate::schedule::Schedule;
use crate::store;
use crate::telemetry::{self, Style};
use crate::{clock, config, sd_notify};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
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
    end_with_the_runtime();
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let count = schedules.len();
    let tally = Tally::default();
    let (mut daemon, doors) = tokio::select! {
        // Whatever is cut short here is as after a SIGKILL: the next start finds it whole.
        () = signals.stop() => {
            tracing::info!("stopping, before the daemon was ready");
            sd_notify::stopping();
            return Ok(Exit::Done);
        }
        started = start(config, schedules, tally.clone(), stop.clone()) => started?,
    };
    let addresses = doors.addresses.clone();
    daemon.serve_admin(doors, tally);
    daemon.serve_notices();
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
    daemon.spawn("the signals", async move {
        while signals.next().await == Asked::Reload {
            // A refused reload is logged fault by fault where it happens.
            let reloading = reloader.reload("signal".to_owned(), Mode::Act);
            tokio::select! {
                () = signals.stop() => break,
                _ = reloading => {}
            }
        }
        tracing::info!("stopping");
        sd_notify::stopping();
        stop.cancel();
    });
    daemon.serve().await.map_err(failure)?;
    Ok(Exit::Done)
}

/// What keeps the daemon's state.
pub use store::Disk;

/// A state that is open, and what was amiss with it.
pub struct OpenStore {
    pub store: Arc<Disk>,
    pub notes: Vec<String>,
}

/// A panic of tokio's runtime itself ends no task that anybody watches over: whom it was about to wake sleeps for ever.
/// The process ends at once, for a whole one to start.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "without a runtime there is no ordered stop"
)]
fn end_with_the_runtime() {
    let log = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log(panic);
        if panic
            .location()
            .is_some_and(|location| is_of_the_runtime(location.file()))
        {
            std::process::exit(Exit::Failed as i32);
        }
    }));
}

/// By the source file of a panic.
fn is_of_the_runtime(file: &str) -> bool {
    let released = file.contains("/tokio-1.") && file.contains("/src/runtime/");
    released || file.contains("/tokio/src/runtime/")
}

/// Everything before readiness, in order; nothing of it needs an orderly end.
async fn start(
    config: config::Daemon,
    schedules: Vec<Schedule>,
    tally: Tally,
    stop: CancellationToken,
) -> Result<(Daemon<Disk>, AdminDoors), Failure> {
    let (opened, listener) = match open_store(&config.state).await {
        Err(failure) if failure.error.code == Code::Unavailable => {
            let (opened, listener) = wait_for_room(&config, failure).await?;
            (opened, Some(listener))
        }
        other => (other?, None),
    };
    let OpenStore { store, notes } = opened;
    let failed = store.failed();
    let doors = AdminDoors::open(&config.admin).await.map_err(failure)?;
    let ended = Box::new(move |run: &crate::run::Run| tally.ended(run));
    let started = Daemon::start_on(listener, config, schedules, store, ended, stop).await;
    let mut daemon = started.map_err(failure)?;
    daemon.parts.store_notes = notes;
    daemon.end_when(failed);
    Ok((daemon, doors))
}

/// Tries again until the disk has room for the state; callbacks are answered 503 meanwhile.
async fn wait_for_room(
    config: &config::Daemon,
    failure: Failure,
) -> Result<(OpenStore, TcpListener), Failure> {
    tracing::error!(
        reason = failure.error.message,
        "the disk is full: the state cannot be opened; callbacks are answered 503 until it can"
    );
    let room = async {
        loop {
            tokio::time::sleep(ROOM_AGAIN).await;
            match open_store(&config.state).await {
                Err(failure) if failure.error.code == Code::Unavailable => {}
                opened => return opened,
            }
        }
    };
    let waited = daemon::answer_unavailable(config, room).await;
    let (opened, listener) = waited.map_err(self::failure)?;
    Ok((opened?, listener))
}

/// Between two looks for room on a full disk.
const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// Opens the state folder; made if absent. A refill after damage may take a while.
pub async fn open_store(state: &config::State) -> Result<OpenStore, Failure> {
    sd_notify::still_starting(REFILL_MAX, "opening the state");
    let settings = store::Settings {
        history: state.history,
        ..store::Settings::new(&state.path, clock::now())
    };
    let opened = tokio::task::spawn_blocking(move || Disk::open(settings)).await;
    match opened {
        Ok(Ok((disk, opened))) => {
            let noted = daemon::note_opening(&disk, &opened, clock::now()).await;
            noted.map_err(|error| failure(daemon::Error::Store(error)))?;
            Ok(OpenStore {
                store: Arc::new(disk),
                notes: opened.notes(),
            })
        }
        Ok(Err(error)) => Err(failure(daemon::Error::Store(error))),
        Err(_) => Err(failure(daemon::Error::Panicked("opening the state"))),
    }
}

/// How long opening the state may take before systemd gives up.
const REFILL_MAX: Duration = Duration::from_secs(600);

const GO_ON: &str = "nothing acknowledged is lost: start it again, and see its log";

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
        Error::Store(store::Error::UnknownFormat { .. }) => (
            Code::Config,
            "put its number back if you know which aptiqd wrote this state; it was not touched",
        ),
        Error::Store(store::Error::Io { source, .. }) => match source.kind() {
            std::io::ErrorKind::StorageFull => {
                (Code::Unavailable, "make room on the disk of state.path")
            }
            std::io::ErrorKind::PermissionDenied
            | std::io::ErrorKind::NotADirectory
            | std::io::ErrorKind::AlreadyExists
            | std::io::ErrorKind::NotFound
            | std::io::ErrorKind::ReadOnlyFilesystem => (
                Code::Failed,
                "state.path must be a folder, and the daemon's user must own it: see what is in its place, and `ls -ld` it",
            ),
            _ => (Code::Failed, GO_ON),
        },
        Error::AdminSocket(crate::admin::SocketFault::InUse { .. }) => (
            Code::Conflict,
            "stop the other one, or set admin.socket to another path",
        ),
        Error::Listen { .. } => (
            Code::Conflict,
            "is another aptiqd running? set callback.listen and admin.listen",
        ),
        Error::Api(_) | Error::Landing(_) if chain(&error).contains("No CA certificates") => (
            Code::Config,
            "apt install ca-certificates, or name the certificate authorities by $SSL_CERT_FILE",
        ),
        Error::Key(_) | Error::Api(_) | Error::Landing(_) => (Code::Config, "aptiqd check"),
        Error::AdminSocket(_) | Error::AdminToken { .. } => (Code::Config, "aptiqd check"),
        Error::Store(_)
        | Error::Engine(_)
        | Error::Ended(_)
        | Error::Panicked(_)
        | Error::Stuck { .. } => (Code::Failed, GO_ON),
    };
    Failure::new(code, chain(&error), help)
}

#[cfg(test)]
mod tests {
    use super::is_of_the_runtime;

    #[test]
    fn the_runtimes_own_panics_are_told_by_their_file() {
        for (file, own) in [
            ("/r/src/i/tokio-1.54.1/src/runtime/io/driver.rs", true),
            ("vendor/tokio/src/runtime/park.rs", true),
            ("/v/tokio/src/runtime/park.rs", true),
            ("/r/src/i/tokio-1.54.1/src/sync/oneshot.rs", false),
            ("/r/src/i/tokio-util-0.7.1/src/runtime/x.rs", false),
            ("src/engine/engine.rs", false),
            ("", false),
        ] {
            assert_eq!(is_of_the_runtime(file), own, "{file}");
        }
    }
}
