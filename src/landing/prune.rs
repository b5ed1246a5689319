//! Raw files that have had their time. A run's raw files go together, and only if nothing may still be
//! made of them: the run has ended, and every published file with rows of theirs is whole.

use super::disk::{Disk, disk_fault};
use super::manifest::Manifest;
use super::{Landing, blocking, layout, merge};
use crate::run::{Fault, RunId};
use crate::schedule::Name;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which raw files may go.
#[derive(Clone, Debug)]
pub struct PruneOrder {
    /// Runs that have not ended, or are being opened again; as of `now` or later.
    pub open: BTreeSet<RunId>,
    /// How long raw files are kept, from their delivery.
    pub retention: Duration,
    pub now: DateTime<Utc>,
    /// Only say what would go.
    pub dry: bool,
}

/// One run's raw files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrunedRun {
    /// Below the landing folder.
    pub path: String,
    pub files: u64,
    pub bytes: u64,
    /// When the last of them was delivered.
    pub delivered_at: DateTime<Utc>,
}

/// Old raw files that stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptRun {
    pub path: String,
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    pub removed: Vec<PrunedRun>,
    /// Old enough, but still needed.
    pub kept: Vec<KeptRun>,
}

impl Landing {
    /// Removes raw and quarantined files older than the retention, a run at a time.
    pub async fn prune(&self, order: PruneOrder) -> Result<Pruned, Fault> {
        let disk = self.inner.disk.clone();
        blocking(move || prune(&disk, &order)).await
    }
}

fn prune(disk: &Disk, order: &PruneOrder) -> Result<Pruned, Fault> {
    let mut pruned = Pruned::default();
    for schedule in folders(&disk.root().join("raw"))? {
        let mut needs = None;
        for run in folders(&schedule)? {
            let Some(found) = old_run(disk.root(), &run, order)? else {
                continue;
            };
            let needs = needs.get_or_insert_with(|| Needs::of(disk.root(), &schedule));
            match needs.reason(disk.root(), &run, order)? {
                Some(reason) => {
                    let path = found.path;
                    pruned.kept.push(KeptRun { path, reason });
                }
                None => remove(disk, &run, found, order, &mut pruned)?,
            }
        }
    }
    for run in folders(&disk.root().join("staging").join("quarantine"))? {
        let found = old_run(disk.root(), &run, order)?;
        if let Some(found) = found.filter(|_| !is_open(&run, order)) {
            remove(disk, &run, found, order, &mut pruned)?;
        }
    }
    Ok(pruned)
}

fn remove(
    disk: &Disk,
    folder: &Path,
    found: PrunedRun,
    order: &PruneOrder,
    pruned: &mut Pruned,
) -> Result<(), Fault> {
    if !order.dry {
        disk.remove_folder(folder)?;
        disk.sync_folder(folder.parent().unwrap_or(disk.root()))?;
    }
    pruned.removed.push(found);
    Ok(())
}

/// Folders in a folder, sorted; none if it is not there.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let names = layout::listed(folder).map_err(|error| disk_fault("read", folder, &error))?;
    let paths = names.into_iter().map(|name| folder.join(name));
    Ok(paths.filter(|path| path.is_dir()).collect())
}

/// All files below a folder, with length and time.
fn files(folder: &Path) -> Result<Vec<(PathBuf, u64, DateTime<Utc>)>, Fault> {
    let failed = |error: std::io::Error| disk_fault("read", folder, &error);
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let metadata = entry.metadata().map_err(failed)?;
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                let modified = metadata.modified().map_err(failed)?;
                found.push((entry.path(), metadata.len(), modified.into()));
            }
        }
    }
    Ok(found)
}

/// A run's files, if the newest of them is older than the retention.
fn old_run(root: &Path, run: &Path, order: &PruneOrder) -> Result<Option<PrunedRun>, Fault> {
    let files = files(run)?;
    let Some(newest) = files.iter().map(|(_, _, at)| *at).max() else {
        return Ok(None);
    };
    let age = (order.now - newest).to_std().unwrap_or_default();
    if age <= order.retention {
        return Ok(None);
    }
    let path = run.strip_prefix(root).unwrap_or(run);
    Ok(Some(PrunedRun {
        path: path.to_string_lossy().into_owned(),
        files: files.len() as u64,
        bytes: files.iter().map(|(_, bytes, _)| bytes).sum(),
        delivered_at: newest,
    }))
}

fn is_open(run: &Path, order: &PruneOrder) -> bool {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    name.parse().is_ok_and(|id: RunId| order.open.contains(&id))
}

/// Published files by the length of the artifacts whose rows are in them.
struct Needs {
    /// Length of an artifact → its hash and the file that has its rows.
    by_length: BTreeMap<u64, Vec<(String, Published)>>,
    /// Files looked at already: whether each is as its manifest says.
    whole: BTreeMap<String, bool>,
    unreadable: Option<String>,
}

#[derive(Clone)]
struct Published {
    path: String,
    bytes: u64,
    sha256: String,
}

impl Needs {
    fn of(root: &Path, schedule: &Path) -> Needs {
        let mut needs = Needs {
            by_length: BTreeMap::new(),
            whole: BTreeMap::new(),
            unreadable: None,
        };
        let name = schedule.file_name().unwrap_or_default().to_string_lossy();
        let Ok(name) = Name::parse(&name) else {
            needs.unreadable = Some(format!("`{name}` is no schedule's name"));
            return needs;
        };
        let keys = layout::keys(root, &name);
        let manifests = keys.and_then(|keys| {
            let manifests = keys.iter().map(|key| Manifest::load(root, &name, key));
            manifests.collect::<Result<Vec<_>, _>>()
        });
        match manifests {
            Ok(manifests) => manifests.into_iter().flatten().for_each(|it| needs.add(it)),
            Err(fault) => needs.unreadable = Some(fault.message),
        }
        needs
    }

    fn add(&mut self, manifest: Manifest) {
        let (Some(path), Some(sha256)) = (manifest.file.path, manifest.file.sha256) else {
            return;
        };
        let file = Published {
            path,
            bytes: manifest.file.bytes,
            sha256,
        };
        for job in manifest.jobs {
            let of_length = self.by_length.entry(job.bytes).or_default();
            of_length.push((job.sha256, file.clone()));
        }
    }

    /// Why a run's raw files must stay, if they must.
    fn reason(
        &mut self,
        root: &Path,
        run: &Path,
        order: &PruneOrder,
    ) -> Result<Option<String>, Fault> {
        if is_open(run, order) {
            return Ok(Some("its run has not ended".to_owned()));
        }
        if let Some(unreadable) = &self.unreadable {
            return Ok(Some(unreadable.clone()));
        }
        for (path, bytes, _) in files(run)? {
            let Some(candidates) = self.by_length.get(&bytes).cloned() else {
                continue;
            };
            let Ok((_, sha256)) = merge::hash_file(&path) else {
                return Ok(Some(format!("{} cannot be read", path.display())));
            };
            let mine = candidates.into_iter().filter(|(of, _)| *of == sha256);
            for (_, file) in mine {
                if !self.is_whole(root, &file) {
                    return Ok(Some(format!(
                        "{} is damaged or gone and could be made anew from it: `aptiqd verify`",
                        file.path
                    )));
                }
            }
        }
        Ok(None)
    }

    fn is_whole(&mut self, root: &Path, file: &Published) -> bool {
        if let Some(whole) = self.whole.get(&file.path) {
            return *whole;
        }
        let hashed = merge::hash_file(&root.join(&file.path));
        let whole = hashed
            .is_ok_and(|(bytes, sha256)| (bytes, sha256) == (file.bytes, file.sha256.clone()));
        self.whole.insert(file.path.clone(), whole);
        whole
    }
}
