//! The signals that end or reload a process in the foreground.

use super::exit::Failure;
use crate::admin::view::Code;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from the moment it is made, so that no signal is lost while things start.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Stop,
    Reload,
}

impl Signals {
    /// # Errors
    /// When the process may not handle signals, which no ordinary system says.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn listen() -> Result<Signals, Failure> {
        let on = |kind| {
            signal(kind).map_err(|error| {
                let message = format!("cannot listen for signals: {error}");
                Failure::new(Code::Unavailable, message, "")
            })
        };
        Ok(Signals {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// The next SIGINT, SIGTERM or SIGHUP.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// The next SIGINT or SIGTERM; a SIGHUP that comes meanwhile is kept for [`Signals::next`].
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
