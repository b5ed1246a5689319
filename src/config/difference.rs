//! What a changed `aptiqd.toml` asks for that a running daemon cannot take up.

use super::{Credential, Daemon, NoticeUrl, Notifier};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};

/// Names that came, changed and went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

impl Names {
    /// What turns `old` into `new`.
    pub fn between(old: &BTreeMap<String, Notifier>, new: &BTreeMap<String, Notifier>) -> Names {
        let mut names = Names::default();
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let list = match (old.get(name), new.get(name)) {
                (None, _) => &mut names.added,
                (_, None) => &mut names.removed,
                (Some(old), Some(new)) if !same(old, new) => &mut names.changed,
                _ => continue,
            };
            list.push(name.clone());
        }
        names
    }
}

impl Daemon {
    /// The keys that say something else in `new` and are taken up at a start alone, in order. A daemon holds its
    /// sockets, its folders, its clients and its limits for as long as it runs.
    pub fn needs_restart(&self, new: &Daemon) -> Vec<&'static str> {
        let (api, callback, admin) = (&self.api, &self.callback, &self.admin);
        let changed = [
            ("admin.listen", admin.listen != new.admin.listen),
            ("admin.socket", admin.socket != new.admin.socket),
            ("admin.token_file", admin.token_file != new.admin.token_file),
            ("api.base_url", api.base_url != new.api.base_url),
            (
                "api.open_jobs_max",
                api.open_jobs_max != new.api.open_jobs_max,
            ),
            (
                "api.poll_interval",
                api.poll_interval != new.api.poll_interval,
            ),
            (
                "api.request_timeout",
                api.request_timeout != new.api.request_timeout,
            ),
            (
                "api.requests_per_minute",
                api.requests_per_minute != new.api.requests_per_minute,
            ),
            (
                "api.standby_token_file",
                api.standby_token_file != new.api.standby_token_file,
            ),
            (
                "api.submit_settle",
                api.submit_settle != new.api.submit_settle,
            ),
            ("api.token_url", api.token_url != new.api.token_url),
            (
                credential(&new.api.credential),
                api.credential != new.api.credential,
            ),
            ("callback.listen", callback.listen != new.callback.listen),
            (
                "callback.public_url",
                callback.public_url != new.callback.public_url,
            ),
            (
                "download.allowed_hosts",
                self.download.allowed_hosts != new.download.allowed_hosts,
            ),
            (
                "download.bytes_max",
                self.download.bytes_max != new.download.bytes_max,
            ),
            (
                "download.concurrency",
                self.download.concurrency != new.download.concurrency,
            ),
            ("landing.path", self.landing.path != new.landing.path),
            (
                "landing.raw_retention",
                self.landing.raw_retention != new.landing.raw_retention,
            ),
            ("state.history", self.state.history != new.state.history),
            ("state.path", self.state.path != new.state.path),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(key, _)| key).collect()
    }
}

fn credential(credential: &Credential) -> &'static str {
    match credential {
        Credential::Client { .. } => "api.client_id",
        Credential::Token { .. } => "api.token_file",
    }
}

fn same(a: &Notifier, b: &Notifier) -> bool {
    match (a, b) {
        (Notifier::Slack { url: a }, Notifier::Slack { url: b })
        | (Notifier::Ping { url: a }, Notifier::Ping { url: b }) => same_url(a, b),
        (
            Notifier::Webhook {
                url: a,
                secret_file: of_a,
            },
            Notifier::Webhook {
                url: b,
                secret_file: of_b,
            },
        ) => same_url(a, b) && of_a == of_b,
        (Notifier::Exec { command: a }, Notifier::Exec { command: b }) => a == b,
        _ => false,
    }
}

fn same_url(a: &NoticeUrl, b: &NoticeUrl) -> bool {
    match (a, b) {
        (NoticeUrl::Inline(a), NoticeUrl::Inline(b)) => a.expose_secret() == b.expose_secret(),
        (NoticeUrl::File(a), NoticeUrl::File(b)) => a == b,
        _ => false,
    }
}
