//! Finding the configuration, and reading it as a whole.

use super::daemon::{self, Surroundings};
use super::schedules::{Gathered, Scope, files_of, gather, load_folder_in};
use super::sheet::{FILE_MAX, text_of};
use super::{Daemon, Fault};
use crate::schedule::Schedule;
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};

const FILE_NAME: &str = "aptiqd.toml";

/// What `check` found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Faults: nothing starts with these.
    pub faults: Vec<Fault>,
    /// Allowed, but probably not meant.
    pub warnings: Vec<Fault>,
    /// The configuration that was sound, if one was looked at.
    pub daemon: Option<Daemon>,
    /// The schedules that were sound.
    pub schedules: Vec<Schedule>,
}

/// The configuration's path: the flag's, else `$APTIQD_CONFIG`, `./aptiqd.toml`, `/etc/aptiqd/aptiqd.toml`.
///
/// # Errors
/// One fault if there is none in any of these places. A path that was named is returned whether it exists or not.
pub fn locate(flag: Option<&Path>) -> Result<PathBuf, Fault> {
    let named = flag
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("APTIQD_CONFIG").map(PathBuf::from));
    let places = [Path::new(FILE_NAME), Path::new("/etc/aptiqd/aptiqd.toml")];
    let found = || {
        places
            .into_iter()
            .find(|place| place.exists())
            .map(Path::to_owned)
    };
    named.filter(|path| !path.as_os_str().is_empty()).or_else(found).ok_or_else(|| {
        let help = "name it by --config or $APTIQD_CONFIG, or make one: aptiqd init DIR; /etc/aptiqd/aptiqd.toml is looked for too";
        Fault::of_file(places[0], "missing-file", "there is no configuration", help)
    })
}

/// Reads `aptiqd.toml` at `path`; `env` are the process's variables, for overrides and systemd's folders.
///
/// # Errors
/// All faults of the file and of the secret files it names.
pub fn load(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Daemon, Vec<Fault>> {
    daemon::load(path, Surroundings::of(env)).0
}

/// Reads the configuration and all its schedules, held against each other.
///
/// # Errors
/// All faults of all files.
pub fn load_all(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<(Daemon, Vec<Schedule>), Vec<Fault>> {
    let checked = check_configuration(path, env, None);
    match checked.daemon {
        Some(daemon) if checked.faults.is_empty() => Ok((daemon, checked.schedules)),
        _ => Err(checked.faults),
    }
}

/// Schedules of a running daemon's folder, held against its notifiers: what a reload reads.
///
/// # Errors
/// All faults of all files.
pub fn load_schedules(daemon: &Daemon) -> Result<Vec<Schedule>, Vec<Fault>> {
    load_folder_in(&daemon.schedules, &scope_of(Some(daemon), None))
}

/// Checks what `paths` name: a configuration with all its schedules, a folder holding one, a folder of schedules, or
/// single schedules.
pub fn check(
    paths: &[PathBuf],
    env: impl Iterator<Item = (String, String)> + Clone,
    now: DateTime<Utc>,
) -> Checked {
    let mut checked = Checked::default();
    let mut single = Vec::new();
    for path in paths {
        let inner = path.join(FILE_NAME);
        if path.is_dir() && inner.exists() {
            checked.absorb(check_configuration(&inner, env.clone(), Some(now)));
        } else if path.is_dir() {
            match files_of(path) {
                Ok(files) => single.extend(files),
                Err(fault) => checked.faults.push(fault),
            }
        } else if is_configuration(path) {
            checked.absorb(check_configuration(path, env.clone(), Some(now)));
        } else {
            single.push(path.clone());
        }
    }
    let scope = scope_of(checked.daemon.as_ref(), Some(now));
    checked.take(gather(&single, &scope));
    checked
}

fn check_configuration(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
    now: Option<DateTime<Utc>>,
) -> Checked {
    let (outcome, warnings) = daemon::load(path, Surroundings::of(env));
    let mut checked = Checked {
        warnings,
        ..Checked::default()
    };
    let folder = match outcome {
        Ok(daemon) => {
            let folder = daemon.schedules.clone();
            checked.daemon = Some(daemon);
            Some(folder)
        }
        Err(faults) => {
            checked.faults = faults;
            // Its schedules are most likely beside it: their faults are wanted too.
            let beside = path.parent().unwrap_or(Path::new("")).join("schedules");
            beside.is_dir().then_some(beside)
        }
    };
    match folder.as_deref().map(files_of) {
        Some(Ok(files)) => checked.take(gather(&files, &scope_of(checked.daemon.as_ref(), now))),
        Some(Err(fault)) => checked.faults.push(fault),
        None => {}
    }
    checked
}

fn scope_of(daemon: Option<&Daemon>, now: Option<DateTime<Utc>>) -> Scope {
    Scope {
        notifiers: daemon.map(|daemon| daemon.notify.keys().cloned().collect()),
        now,
        landing: daemon.map(|daemon| daemon.landing.path.clone()),
    }
}

/// Whether a file is a daemon's configuration rather than a schedule: by its name, else by its tables.
fn is_configuration(path: &Path) -> bool {
    let by_name = path.file_name().is_some_and(|name| name == FILE_NAME);
    by_name
        || text_of(path, FILE_MAX).is_ok_and(|text| {
            let head = |line: &str| {
                [
                    "[api]",
                    "[callback]",
                    "[state]",
                    "[landing]",
                    "[download]",
                    "[admin]",
                ]
                .contains(&line.trim())
            };
            text.lines().any(head)
        })
}

impl Checked {
    fn take(&mut self, gathered: Gathered) {
        self.schedules.extend(gathered.schedules);
        self.faults.extend(gathered.faults);
        self.warnings.extend(gathered.warnings);
    }

    fn absorb(&mut self, other: Checked) {
        self.faults.extend(other.faults);
        self.warnings.extend(other.warnings);
        self.schedules.extend(other.schedules);
        self.daemon = other.daemon.or(self.daemon.take());
    }
}
