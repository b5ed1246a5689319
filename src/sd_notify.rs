//! What systemd is told. Without systemd every call does nothing; a lost message is only logged.
//!
//! A datagram waits for its reader, so a thread of its own sends them: whoever holds `NOTIFY_SOCKET` and does not
//! read holds up nothing but that thread.

use sd_notify::NotifyState;
use std::sync::OnceLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

/// Messages that may wait for their reader; beyond it they are dropped.
const WAITING_MAX: usize = 16;

enum Message {
    Ready(String),
    Status(String),
    Stopping,
    StillStarting(u32, String),
    Watchdog,
}

/// Start-up is over: callbacks can be acknowledged.
pub fn ready(status: &str) {
    tell(Message::Ready(status.to_owned()));
}

/// The one line that `systemctl status` shows.
pub fn status(status: &str) {
    tell(Message::Status(status.to_owned()));
}

/// The ordered stop has begun.
pub fn stopping() {
    tell(Message::Stopping);
}

/// Start-up needs until `more` from now, whatever the unit's `TimeoutStartSec` says: a store is being refilled.
pub fn still_starting(more: Duration, status: &str) {
    let microseconds = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    tell(Message::StillStarting(microseconds, status.to_owned()));
}

/// The loop still turns.
pub fn watchdog() {
    if watchdog_period().is_some() {
        tell(Message::Watchdog);
    }
}

/// How often [`watchdog`] is to be called: half of `WatchdogSec`. `None` if nobody watches.
pub fn watchdog_period() -> Option<Duration> {
    static PERIOD: OnceLock<Option<Duration>> = OnceLock::new();
    *PERIOD.get_or_init(|| sd_notify::watchdog_enabled().map(|limit| limit / 2))
}

fn tell(message: Message) {
    static TELLER: OnceLock<Option<SyncSender<Message>>> = OnceLock::new();
    if let Some(teller) = TELLER.get_or_init(teller)
        && teller.try_send(message).is_err()
    {
        tracing::debug!("systemd does not listen");
    }
}

fn teller() -> Option<SyncSender<Message>> {
    std::env::var_os("NOTIFY_SOCKET")?;
    let (sender, receiver) = mpsc::sync_channel(WAITING_MAX);
    let named = thread::Builder::new().name("sd-notify".to_owned());
    let started = named.spawn(move || {
        for message in receiver {
            if let Err(error) = send(&message) {
                tracing::debug!(%error, "systemd could not be told");
            }
        }
    });
    started.is_ok().then_some(sender)
}

fn send(message: &Message) -> std::io::Result<()> {
    match message {
        Message::Ready(status) => {
            sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
        }
        Message::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
        Message::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Message::StillStarting(microseconds, status) => sd_notify::notify(&[
            NotifyState::ExtendTimeoutUsec(*microseconds),
            NotifyState::Status(status),
        ]),
        Message::Watchdog => sd_notify::notify(&[NotifyState::Watchdog]),
    }
}
