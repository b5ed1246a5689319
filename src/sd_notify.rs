//! What systemd is told. Without systemd every call does nothing; a lost message is only logged.

use sd_notify::NotifyState;
use std::time::Duration;

/// Start-up is over: callbacks can be acknowledged.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The one line that `systemctl status` shows.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The ordered stop has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Start-up needs until `more` from now, whatever the unit's `TimeoutStartSec` says: a store is being refilled.
pub fn still_starting(more: Duration, status: &str) {
    let microseconds = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::ExtendTimeoutUsec(microseconds),
        NotifyState::Status(status),
    ]);
}

/// The loop still turns.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`watchdog`] is to be called: half of `WatchdogSec`. `None` if nobody watches.
pub fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
