//! Landed files against their manifests, re-hashed.

use super::manifest::Manifest;
use super::{Error, layout, merge};
use crate::schedule::Name;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What was found of one file or manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    Ok,
    /// Its bytes are not those of its manifest.
    Changed,
    /// Its manifest is there, the file is not.
    Absent,
    ManifestUnreadable,
    /// A file below `data/` that no manifest names.
    WithoutManifest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub schedule: String,
    /// Below the landing folder; the manifest's own, if that is what is wrong.
    pub path: String,
    pub state: FileState,
    /// What the manifest says.
    pub expected: Option<String>,
    /// What is there.
    pub observed: Option<String>,
}

/// All files of the schedules looked at, by schedule and path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    pub files: Vec<Verified>,
}

impl Verification {
    pub fn is_clean(&self) -> bool {
        self.files.iter().all(|file| file.state == FileState::Ok)
    }

    /// The files that are not as they should be.
    pub fn differences(&self) -> impl Iterator<Item = &Verified> {
        self.files.iter().filter(|file| file.state != FileState::Ok)
    }
}

pub(super) fn read_failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        operation: "read",
        path,
        source,
    }
}

/// Names in a folder, sorted; none if there is no such folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    match layout::listed(folder) {
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(Vec::new()),
        names => names.map_err(read_failed(folder)),
    }
}

/// Re-hashes the landed files of one schedule, or of all. Blocks as long as reading them takes.
pub fn verify(root: &Path, schedule: Option<&Name>) -> Result<Verification, Error> {
    fs::metadata(root).map_err(read_failed(root))?;
    let mut schedules: BTreeSet<String> = BTreeSet::new();
    match schedule {
        Some(schedule) => {
            schedules.insert(schedule.to_string());
        }
        None => {
            schedules.extend(names(&root.join("meta"))?);
            schedules.extend(names(&root.join("data"))?);
        }
    }
    let mut verification = Verification::default();
    for schedule in &schedules {
        verify_schedule(root, schedule, &mut verification.files)?;
    }
    Ok(verification)
}

fn verify_schedule(root: &Path, schedule: &str, files: &mut Vec<Verified>) -> Result<(), Error> {
    let mut named = BTreeSet::new();
    let folder = root.join("meta").join(schedule);
    for name in names(&folder)? {
        if !name.contains('=') || !name.ends_with(".json") {
            continue;
        }
        let found = |path: String, state, expected, observed| Verified {
            schedule: schedule.to_owned(),
            path,
            state,
            expected,
            observed,
        };
        let text = fs::read(folder.join(&name)).map_err(read_failed(&folder.join(&name)))?;
        let manifest: Manifest = match serde_json::from_slice(&text) {
            Ok(manifest) => manifest,
            Err(error) => {
                let path = format!("meta/{schedule}/{name}");
                let reason = Some(error.to_string());
                files.push(found(path, FileState::ManifestUnreadable, None, reason));
                named.extend(data_files(root, schedule, name.trim_end_matches(".json"))?);
                continue;
            }
        };
        let (Some(path), Some(expected)) = (manifest.file.path, manifest.file.sha256) else {
            continue;
        };
        let (state, observed) = compare(&root.join(&path), &expected)?;
        named.insert(path.clone());
        files.push(found(path, state, Some(expected), observed));
    }
    for key in names(&root.join("data").join(schedule))? {
        for path in data_files(root, schedule, &key)? {
            if !named.contains(&path) {
                files.push(Verified {
                    schedule: schedule.to_owned(),
                    path,
                    state: FileState::WithoutManifest,
                    expected: None,
                    observed: None,
                });
            }
        }
    }
    Ok(())
}

fn compare(path: &Path, expected: &str) -> Result<(FileState, Option<String>), Error> {
    match merge::hash_file(path) {
        Ok((_, observed)) if observed == expected => Ok((FileState::Ok, Some(observed))),
        Ok((_, observed)) => Ok((FileState::Changed, Some(observed))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((FileState::Absent, None)),
        Err(error) => Err(read_failed(path)(error)),
    }
}

/// All that lies below `data/SCHEDULE/KEY`, below the root.
fn data_files(root: &Path, schedule: &str, key: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from("data").join(schedule).join(key)];
    while let Some(path) = open.pop() {
        if root.join(&path).is_dir() {
            open.extend(
                names(&root.join(&path))?
                    .into_iter()
                    .map(|name| path.join(name)),
            );
        } else if root.join(&path).exists() {
            found.push(path.to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}
