//! The names below the landing folder.

use super::Error;
use super::disk::disk_fault;
use crate::clock;
use crate::run::{Fault, PartNumber, RunId};
use crate::schedule::{Format, Name};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

/// Staging that nobody touched for so long belongs to no run that could still want it.
const STALE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Makes the four folders and proves that files can be made in them.
pub(super) fn prepare(root: &Path) -> Result<(), Error> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io {
            operation,
            path,
            source,
        }
    };
    for folder in ["data", "meta", "raw", "staging"] {
        let path = root.join(folder);
        fs::create_dir_all(&path).map_err(failed("make", &path))?;
    }
    let probe = root.join("staging").join(".probe");
    fs::write(&probe, b"").map_err(failed("write", &probe))?;
    fs::remove_file(&probe).map_err(failed("remove", &probe))?;
    sweep(&root.join("staging"));
    Ok(())
}

/// Removes left-overs of runs long gone; what cannot be removed is left for the next start.
fn sweep(staging: &Path) {
    let Ok(entries) = fs::read_dir(staging) else {
        return;
    };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| SystemTime::from(clock::now()).duration_since(modified).ok());
        if entry.file_name() != "quarantine" && age.is_some_and(|age| age > STALE) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// `raw/SCHEDULE/RUN/part-0001.csv`, below the root.
pub(super) fn raw(schedule: &Name, run: &RunId, part: PartNumber, format: Format) -> String {
    format!("raw/{schedule}/{run}/part-{part:04}.{}", format.as_str())
}

/// `data/SCHEDULE/KEY/SCHEDULE.csv`, below the root.
pub(super) fn data(schedule: &Name, key: &str, format: Format) -> String {
    format!("data/{schedule}/{key}/{schedule}.{}", format.as_str())
}

/// The keys of the schedule's partitions that have a manifest, in order; none if it has no folder of them.
///
/// # Errors
/// As of [`listed`].
pub(super) fn keys(root: &Path, schedule: &Name) -> Result<Vec<String>, Fault> {
    let folder = meta(root, schedule);
    let names = listed(&folder).map_err(|error| disk_fault("read", &folder, &error))?;
    let keys = names.iter().filter_map(|name| name.strip_suffix(".json"));
    Ok(keys
        .filter(|key| key.contains('='))
        .map(str::to_owned)
        .collect())
}

/// The keys of the schedule's partitions that readers see: whose folders below `data/` hold a file.
pub(super) fn visible(root: &Path, schedule: &Name) -> impl Iterator<Item = String> {
    let folder = root.join("data").join(schedule.as_str());
    let keys = names(&folder).filter(|name| name.contains('='));
    keys.filter(move |key| names(&folder.join(key)).next().is_some())
}

/// Names in a folder, sorted; none if it is not there.
///
/// # Errors
/// It is there and cannot be read: that is not the same as an empty one.
pub(super) fn listed(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<String>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// What is in a folder; nothing if it is not there or cannot be read.
pub(super) fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

pub(super) fn meta(root: &Path, schedule: &Name) -> PathBuf {
    root.join("meta").join(schedule.as_str())
}

pub(super) fn manifest(root: &Path, schedule: &Name, key: &str) -> PathBuf {
    meta(root, schedule).join(format!("{key}.json"))
}

/// The working folder of a run.
pub(super) fn staging(root: &Path, run: &RunId) -> PathBuf {
    root.join("staging").join(run.as_str())
}

pub(super) fn quarantine(root: &Path, run: &RunId) -> PathBuf {
    root.join("staging").join("quarantine").join(run.as_str())
}

/// A file of one part in the run's working folder.
pub(super) fn staged(root: &Path, run: &RunId, part: PartNumber, kind: &str) -> PathBuf {
    staging(root, run).join(format!("part-{part:04}.{kind}"))
}
