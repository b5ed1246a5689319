//! The sections of `aptiqd.toml`, each with its defaults and limits.

use super::WebAddress;
use super::address::{allowed_host, is_loopback_host};
use super::daemon::{Admin, Api, Callback, Credential, Download, Landing, State, Surroundings};
use super::secret_file::{Holds, Secrets};
use super::section::{At, Section, brief};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads a section; one that is absent reads like an empty one.
pub(super) fn section<T>(
    top: &Section<'_>,
    key: &'static str,
    read: impl Fn(&Section<'_>) -> Option<T>,
) -> Option<T> {
    let empty = toml::de::DeTable::new();
    let section = match top.value(key) {
        Some(at) => top.table_at(key, &at)?,
        None => Section::top(top.sheet, &empty, &[]),
    };
    let value = read(&section);
    section.finish();
    value
}

pub(super) fn api(top: &Section<'_>, secrets: &Secrets<'_>) -> Option<Api> {
    const HELP: &str =
        "give `client_id` with `client_secret_file` (renews itself), or `token_file`, below [api]";
    if !top.has("api") {
        top.value("api");
        return top.fault(
            0..0,
            "missing-credential",
            "no credential for ApartmentIQ is configured",
            HELP,
        );
    }
    section(top, "api", |s| {
        let base_url = address(
            s,
            "base_url",
            "https://data.apartmentiq.io/apartmentiq/api/v1",
        );
        let token_url = address(s, "token_url", "https://data.apartmentiq.io/oauth/token");
        let client = (
            s.text("client_id"),
            secrets.file(s, "client_secret_file", Holds::Word),
        );
        let token = secrets.file(s, "token_file", Holds::Word);
        let standby = secrets.file(s, "standby_token_file", Holds::Word);
        let credential = match (
            s.has("client_id"),
            s.has("client_secret_file"),
            s.has("token_file"),
        ) {
            (false, false, true) => token.map(|file| Credential::Token { file: file.value }),
            (true, true, false) => match client {
                (Some(id), _) if id.value.trim().is_empty() => s.fault(
                    id.span,
                    "bad-value",
                    "`api.client_id` is empty",
                    "ApartmentIQ shows it beside the secret",
                ),
                (Some(id), Some(secret)) => Some(Credential::Client {
                    id: id.value.into_owned(),
                    secret_file: secret.value,
                }),
                _ => None,
            },
            (false, false, false) => s.fault(
                s.span.clone(),
                "missing-credential",
                "no credential for ApartmentIQ is configured",
                HELP,
            ),
            (_, _, true) => {
                let help = "keep either the client (renews itself) or the token; a spare token is `standby_token_file`";
                s.fault(
                    s.key_span("token_file"),
                    "contradiction",
                    "both a client and a `token_file` are given",
                    help,
                )
            }
            (true, false, false) => s.fault(
                s.key_span("client_id"),
                "missing-key",
                "`api.client_secret_file` is missing",
                "`client_id` needs it",
            ),
            (false, true, false) => s.fault(
                s.key_span("client_secret_file"),
                "missing-key",
                "`api.client_id` is missing",
                "`client_secret_file` needs it",
            ),
        };
        let request_timeout = duration(s, "request_timeout", 30 * SECOND);
        let requests_per_minute = count(s, "requests_per_minute", 100_000, 18);
        let open_jobs_max = count(s, "open_jobs_max", 1000, 32);
        let poll_interval = duration(s, "poll_interval", 30 * SECOND);
        let submit_settle = duration(s, "submit_settle", 10 * MINUTE);
        Some(Api {
            base_url: base_url?,
            token_url: token_url?,
            credential: credential?,
            standby_token_file: standby.map(|file| file.value),
            request_timeout,
            requests_per_minute,
            open_jobs_max,
            poll_interval,
            submit_settle,
        })
    })
}

pub(super) fn callback(s: &Section<'_>, secrets: &Secrets<'_>) -> Option<Callback> {
    let listen = listen(s, "127.0.0.1:8470");
    let public_url = match s.has("public_url") {
        true => address(s, "public_url", "").map(Some),
        false => Some(s.value("public_url").and(None)),
    };
    let key_file = secrets
        .file(s, "key_file", Holds::Keys)
        .map(|file| file.value);
    Some(Callback {
        listen: listen?.value,
        public_url: public_url?,
        key_file,
    })
}

pub(super) fn admin(
    s: &Section<'_>,
    secrets: &Secrets<'_>,
    state: &Path,
    around: &Surroundings,
) -> Option<Admin> {
    let listen = listen(s, "127.0.0.1:8471");
    let token_file = secrets
        .file(s, "token_file", Holds::Word)
        .map(|file| file.value);
    if let Some(listen) = &listen
        && !listen.value.ip().is_loopback()
        && !s.has("token_file")
    {
        let message = format!("`admin.listen` opens {} without a token", listen.value);
        let help = "listen on 127.0.0.1, or give `token_file` below [admin]";
        return s.fault(listen.span.clone(), "open-admin", message, help);
    }
    let default = around
        .runtime_folder
        .as_deref()
        .unwrap_or(state)
        .join("admin.sock");
    let socket = path(s, "socket", secrets.folder).unwrap_or(default);
    Some(Admin {
        listen: listen?.value,
        token_file,
        socket,
    })
}

pub(super) fn state(s: &Section<'_>, folder: &Path) -> State {
    State {
        path: path(s, "path", folder).unwrap_or_else(|| folder.join("state")),
        history: duration(s, "history", 90 * DAY),
    }
}

pub(super) fn landing(s: &Section<'_>, folder: &Path) -> Landing {
    Landing {
        path: path(s, "path", folder).unwrap_or_else(|| folder.join("exports")),
        raw_retention: duration(s, "raw_retention", 90 * DAY),
    }
}

pub(super) fn download(s: &Section<'_>, on_loopback: bool) -> Option<Download> {
    let concurrency = count(s, "concurrency", 256, 4);
    let bytes_max = s
        .integer("bytes_max", 1..=i64::MAX)
        .map_or(8 << 30, i64::cast_unsigned);
    let mut allowed_hosts = vec!["*.amazonaws.com".to_owned()];
    if let Some(hosts) = s.texts("allowed_hosts") {
        if hosts.value.is_empty() {
            s.sheet.fault(
                hosts.span,
                "bad-host",
                "`download.allowed_hosts` is empty",
                "nothing could be downloaded: leave the key out",
            );
        }
        allowed_hosts = hosts
            .value
            .iter()
            .filter_map(|host| host_of(s, host, on_loopback))
            .collect();
    }
    Some(Download {
        concurrency,
        allowed_hosts,
        bytes_max,
    })
}

fn host_of(
    s: &Section<'_>,
    at: &At<std::borrow::Cow<'_, str>>,
    on_loopback: bool,
) -> Option<String> {
    match allowed_host(&at.value) {
        Err(help) => s.fault(
            at.span.clone(),
            "bad-host",
            format!("`{}` is no host", brief(&at.value)),
            help,
        ),
        Ok(host) if is_loopback_host(&host) && !on_loopback => {
            let message = format!("`{host}` is this machine, and `api.base_url` is not");
            s.fault(
                at.span.clone(),
                "bad-host",
                message,
                "results of the real service never come from here: remove it",
            )
        }
        Ok(host) => Some(host),
    }
}

pub(super) fn path(s: &Section<'_>, key: &'static str, folder: &Path) -> Option<PathBuf> {
    let at = s.text(key)?;
    if at.value.is_empty() || at.value.contains('\0') {
        return s.fault(
            at.span,
            "bad-value",
            format!("`{}` is no path", s.name(key)),
            "leave the key out for its default",
        );
    }
    Some(folder.join(at.value.as_ref()))
}

fn duration(s: &Section<'_>, key: &'static str, default: Duration) -> Duration {
    s.duration(key, SECOND).map_or(default, |at| at.value)
}

fn count(s: &Section<'_>, key: &'static str, max: u32, default: u32) -> u32 {
    let number = s.integer(key, 1..=i64::from(max));
    number
        .and_then(|n| u32::try_from(n).ok())
        .unwrap_or(default)
}

fn address(s: &Section<'_>, key: &'static str, default: &str) -> Option<WebAddress> {
    let Some(at) = s.text(key) else {
        return WebAddress::parse(default).ok();
    };
    match WebAddress::parse(&at.value) {
        Ok(address) => Some(address),
        Err((what, help)) => s.fault(
            at.span,
            "bad-url",
            format!("`{}` is {what}", s.name(key)),
            help,
        ),
    }
}

fn listen(s: &Section<'_>, default: &str) -> Option<At<SocketAddr>> {
    let Some(at) = s.text("listen") else {
        // Absent, or of the wrong type: then a fault is noted already.
        return default.parse().ok().map(|value| At { value, span: 0..0 });
    };
    match at.value.parse() {
        Ok(value) => Some(At {
            value,
            span: at.span,
        }),
        Err(_) => {
            let message = format!("`{}` is \"{}\"", s.name("listen"), brief(&at.value));
            let help = format!("write an address and a port, such as {default} or [::1]:8470");
            s.fault(at.span, "bad-address", message, help)
        }
    }
}
