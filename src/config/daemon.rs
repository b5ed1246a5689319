//! `aptiqd.toml`: what it says, section by section, with every default filled in.

use super::notifier::notifiers;
use super::secret_file::Secrets;
use super::section::Section;
use super::sections;
use super::sheet::Sheet;
use super::{Fault, Notifier, WebAddress, overrides};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The daemon's configuration. Paths are usable as they are: relative ones were joined to the file's folder.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// The file all this was read from.
    pub file: PathBuf,
    /// The folder of the schedules.
    pub schedules: PathBuf,
    pub api: Api,
    pub callback: Callback,
    pub admin: Admin,
    pub state: State,
    pub landing: Landing,
    pub download: Download,
    pub notify: BTreeMap<String, Notifier>,
}

#[derive(Clone, Debug)]
pub struct Api {
    pub base_url: WebAddress,
    pub token_url: WebAddress,
    pub credential: Credential,
    /// A second pasted token, for when the first credential is refused.
    pub standby_token_file: Option<PathBuf>,
    pub request_timeout: Duration,
    pub requests_per_minute: u32,
    pub open_jobs_max: u32,
    pub poll_interval: Duration,
    /// How long an unanswered create may still turn up in the list.
    pub submit_settle: Duration,
}

/// How requests are authorised. Secrets stay in their files and are read when used, so that they may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// OAuth client credentials; tokens are renewed with them.
    Client { id: String, secret_file: PathBuf },
    /// A pasted access token.
    Token { file: PathBuf },
}

#[derive(Clone, Debug)]
pub struct Callback {
    pub listen: SocketAddr,
    /// `None`: no callback address is sent, polling alone drives the jobs.
    pub public_url: Option<WebAddress>,
    /// `None`: one is made in the state folder.
    pub key_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Admin {
    pub listen: SocketAddr,
    pub token_file: Option<PathBuf>,
    pub socket: PathBuf,
}

#[derive(Clone, Debug)]
pub struct State {
    pub path: PathBuf,
    pub history: Duration,
}

#[derive(Clone, Debug)]
pub struct Landing {
    pub path: PathBuf,
    pub raw_retention: Duration,
}

#[derive(Clone, Debug)]
pub struct Download {
    pub concurrency: u32,
    /// Hosts, or `*.` and a suffix, in lower case. A loopback host is among them only if the API is on loopback too.
    pub allowed_hosts: Vec<String>,
    pub bytes_max: u64,
}

pub(super) const KEYS: &[&str] = &[
    "schedules",
    "api",
    "callback",
    "admin",
    "state",
    "landing",
    "download",
    "notify",
];

/// What the environment adds to the file.
#[derive(Default)]
pub(super) struct Surroundings {
    overrides: Vec<(String, String)>,
    warnings: Vec<Fault>,
    pub runtime_folder: Option<PathBuf>,
    credentials: Option<PathBuf>,
}

impl Surroundings {
    pub fn of(env: impl Iterator<Item = (String, String)>) -> Surroundings {
        let mut found = Surroundings::default();
        for (name, value) in env {
            match name.as_str() {
                // systemd may name several, for several runtime folders.
                "RUNTIME_DIRECTORY" => {
                    found.runtime_folder = value.split(':').next().map(PathBuf::from)
                }
                "CREDENTIALS_DIRECTORY" => found.credentials = Some(PathBuf::from(value)),
                _ if overrides::is_override(&name) => found.overrides.push((name, value)),
                _ => found.warnings.extend(overrides::nearly(&name, KEYS)),
            }
        }
        found.overrides.sort();
        found.warnings.sort_by(|a, b| a.file.cmp(&b.file));
        found
    }
}

/// Reads the configuration at `path` under what the environment says.
pub(super) fn load(
    path: &Path,
    mut around: Surroundings,
) -> (Result<Daemon, Vec<Fault>>, Vec<Fault>) {
    let mut sheet = match Sheet::open(path) {
        Ok(sheet) => sheet,
        Err(fault) => return (Err(vec![fault]), Vec::new()),
    };
    for (variable, value) in std::mem::take(&mut around.overrides) {
        sheet.push_override(variable, value);
    }
    for warning in std::mem::take(&mut around.warnings) {
        sheet.push_warning(warning);
    }
    let daemon = sheet.table().and_then(|mut table| {
        overrides::apply(&sheet, &mut table);
        resolve(Section::top(&sheet, &table, KEYS), &around)
    });
    sheet.close(daemon)
}

fn resolve(top: Section<'_>, around: &Surroundings) -> Option<Daemon> {
    let sheet = top.sheet;
    let folder = sheet.folder();
    let secrets = Secrets {
        folder,
        credentials: around.credentials.as_deref(),
    };
    let schedules =
        sections::path(&top, "schedules", folder).unwrap_or_else(|| folder.join("schedules"));
    let api = sections::api(&top, &secrets);
    let callback = sections::section(&top, "callback", |s| sections::callback(s, &secrets));
    let state = sections::section(&top, "state", |s| Some(sections::state(s, folder)))?;
    let admin = sections::section(&top, "admin", |s| {
        sections::admin(s, &secrets, &state.path, around)
    });
    let landing = sections::section(&top, "landing", |s| Some(sections::landing(s, folder)));
    let on_loopback = api.as_ref().is_none_or(|api| api.base_url.is_loopback());
    let download = sections::section(&top, "download", |s| sections::download(s, on_loopback));
    let notify = notifiers(&top, &secrets);
    if let (Some(callback), Some(admin)) = (&callback, &admin)
        && callback.listen == admin.listen
        && callback.listen.port() != 0
    {
        let span = if top.has("admin") {
            top.key_span("admin")
        } else {
            top.key_span("callback")
        };
        let help =
            "give `admin.listen` another port: the public listener serves nothing but callbacks";
        sheet.fault(
            span,
            "contradiction",
            "`callback.listen` and `admin.listen` are the same",
            help,
        );
    }
    top.finish();
    Some(Daemon {
        file: sheet.path().to_owned(),
        schedules,
        api: api?,
        callback: callback?,
        admin: admin?,
        state,
        landing: landing?,
        download: download?,
        notify,
    })
}
