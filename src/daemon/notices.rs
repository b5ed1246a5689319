//! Notices over a started daemon: who gets them by the configuration, and how the daemon is.

use super::{Daemon, Parts};
use crate::apartmentiq::CredentialKind;
use crate::config;
use crate::notify::{Address, Desk, Health, Receiver};
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

impl<S: Store> Daemon<S> {
    /// Sends notices until the daemon stops. A reload that changes the receivers opens the desk anew: what was on its
    /// way goes out again under its id, as after a restart.
    pub fn serve_notices(&mut self) {
        let parts = self.parts.clone();
        let stop = self.tasks.stop().clone();
        self.spawn("the notices", async move {
            let mut notifiers = parts.reloader.notifiers();
            while !stop.is_cancelled() {
                let now = Arc::clone(&notifiers.borrow_and_update());
                let (closing, stopping) = (stop.child_token(), stop.clone());
                let open = serve_desk(&parts, &now, closing.clone());
                let changed = async {
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        changed = notifiers.changed() => if changed.is_err() {
                            stopping.cancelled().await;
                        },
                    }
                    closing.cancel();
                };
                tokio::join!(open, changed);
            }
        });
    }
}

/// Until `stop`; without receivers there is nothing to do.
async fn serve_desk<S: Store>(
    parts: &Parts<S>,
    notifiers: &BTreeMap<String, config::Notifier>,
    stop: CancellationToken,
) {
    if notifiers.is_empty() {
        return;
    }
    let receivers = notifiers.iter();
    let receivers = receivers.map(|(name, notifier)| (name.clone(), receiver(notifier)));
    let of_health = parts.clone();
    let desk = Desk {
        store: Arc::clone(&parts.store),
        handle: parts.handle.clone(),
        reloads: parts.reloader.reloads(),
        receivers: receivers.collect(),
        counts: parts.notices.clone(),
        health: Box::new(move || health(&of_health)),
    };
    desk.serve(stop).await;
}

fn receiver(notifier: &config::Notifier) -> Receiver {
    use config::Notifier;
    match notifier {
        Notifier::Slack { url } => Receiver::Slack { url: address(url) },
        Notifier::Webhook { url, secret_file } => Receiver::Webhook {
            url: address(url),
            secret_file: secret_file.clone(),
        },
        Notifier::Ping { url } => Receiver::Ping { url: address(url) },
        Notifier::Exec { command } => Receiver::Exec {
            command: command.clone(),
        },
    }
}

fn address(url: &config::NoticeUrl) -> Address {
    match url {
        config::NoticeUrl::Inline(text) => Address::Inline(text.clone()),
        config::NoticeUrl::File(path) => Address::File(path.clone()),
    }
}

fn health<S: Store>(parts: &Parts<S>) -> Health {
    let credential = parts.api.credential();
    Health {
        credential_renews: credential.kind == CredentialKind::Client,
        credential_expires_at: credential.expires_at,
        credential_refused: credential.refused,
        quota: parts.quota(),
        reload_fault: parts.reloader.last().faults.first().map(|fault| {
            format!(
                "{}:{}:{}: {}",
                fault.file, fault.line, fault.column, fault.message
            )
        }),
        callbacks_expected: parts.config.callback.public_url.is_some(),
        free_bytes: parts.landing.free_bytes().ok(),
    }
}
