//! Notices over a started daemon: who gets them by the configuration, and how the daemon is.

use super::{Daemon, Parts};
use crate::apartmentiq::CredentialKind;
use crate::config;
use crate::notify::{Address, Desk, Health, Receiver};
use crate::store::Store;
use std::sync::Arc;

impl<S: Store> Daemon<S> {
    /// Sends notices until the daemon stops; without receivers there is nothing to do.
    pub fn serve_notices(&mut self) {
        let parts = self.parts.clone();
        if parts.config.notify.is_empty() {
            return;
        }
        let receivers = parts.config.notify.iter();
        let receivers = receivers.map(|(name, notifier)| (name.clone(), receiver(notifier)));
        let desk = Desk {
            store: Arc::clone(&parts.store),
            handle: parts.handle.clone(),
            reloads: parts.reloader.reloads(),
            receivers: receivers.collect(),
            counts: parts.notices.clone(),
            health: Box::new(move || health(&parts)),
        };
        let stop = self.stop.clone();
        self.spawn("the notices", async move {
            // A fault here must not end the daemon: data matters more than word of it.
            if tokio::spawn(desk.serve(stop.clone())).await.is_err() {
                tracing::error!("the notices ended abnormally; nobody is told until a restart");
                stop.cancelled().await;
            }
        });
    }
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
