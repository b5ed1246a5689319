//! Law 11 as an order of steps. The steps of a real publish are judged by a disk that forgets whatever was not synced when
//! the power fails, at every step; then every small disorder of the same steps must be judged wrong.

use super::super::disk::{Step, Witness};
use super::crash::{prepared, with_witness};
use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;

type Taken = (Step, PathBuf);

async fn steps_of_a_publish() -> (World, Vec<Taken>) {
    let days = window("2026-11-29", "2026-12-01");
    let (world, order) = prepared(Format::Jsonl, Partition::Date, days).await;
    let steps: Arc<Mutex<Vec<Taken>>> = Arc::default();
    let seen = Arc::clone(&steps);
    let witness: Witness = Arc::new(move |step, path| {
        seen.lock().expect("steps").push((step, path.to_owned()));
        Ok(())
    });
    with_witness(&world, witness)
        .publish(order)
        .await
        .expect("published");
    let steps = steps.lock().expect("steps").clone();
    (world, steps)
}

/// What a reader, or the next start, would find wrong.
#[derive(Default)]
struct Judge {
    root: PathBuf,
    /// Files whose bytes are on the disk.
    synced: BTreeSet<PathBuf>,
    /// Files written and not yet renamed away, in order.
    written: Vec<PathBuf>,
    /// New names that a power cut may still take back.
    unkept: BTreeSet<PathBuf>,
    /// Partitions whose new file has its name for good.
    kept: BTreeSet<String>,
    removed: BTreeSet<PathBuf>,
}

impl Judge {
    fn is_data(&self, path: &Path) -> bool {
        path.starts_with(self.root.join("data"))
    }

    fn is_manifest(&self, path: &Path) -> bool {
        is_manifest(&self.root, path)
    }

    /// The written file that a rename to `to` most likely moves: of the same folder and name, else the last one.
    fn source(&self, to: &Path) -> Option<PathBuf> {
        let tail = |path: &Path| {
            let folder = path.parent().and_then(Path::file_name);
            (
                folder.map(ToOwned::to_owned),
                path.file_name().map(ToOwned::to_owned),
            )
        };
        let same = self.written.iter().rfind(|from| tail(from) == tail(to));
        same.or(self.written.last()).cloned()
    }

    fn take(&mut self, (step, path): &Taken) -> Result<(), String> {
        let say = |what: &str| Err(format!("{what}: {}", path.display()));
        match step {
            Step::Create | Step::Append | Step::Copy if self.is_data(path) => {
                return say("readers see a file while it is written");
            }
            Step::Create | Step::Copy => {
                self.written.retain(|other| other != path);
                self.written.push(path.clone());
                self.synced.remove(path);
            }
            Step::Append => drop(self.synced.remove(path)),
            Step::SyncFile => drop(self.synced.insert(path.clone())),
            Step::MakeFolder => drop(self.unkept.insert(path.clone())),
            Step::Remove => {
                if self.is_data(path) && path.extension().is_some() {
                    self.removed.insert(path.clone());
                    return say("readers see no file until the new one is there");
                }
            }
            Step::SyncFolder => {
                let named: Vec<PathBuf> = self
                    .unkept
                    .iter()
                    .filter(|new| new.parent() == Some(path))
                    .cloned()
                    .collect();
                for new in named {
                    self.unkept.remove(&new);
                    if self.is_data(&new) && new.extension().is_some() {
                        self.kept.extend(key_of(&new));
                    }
                }
            }
            Step::Rename => return self.rename(path),
        }
        Ok(())
    }

    fn rename(&mut self, to: &Path) -> Result<(), String> {
        let Some(from) = self.source(to) else {
            return Err(format!("nothing was written for {}", to.display()));
        };
        if !self.synced.contains(&from) {
            return Err(format!(
                "a name for bytes that may not be there: {}",
                to.display()
            ));
        }
        let folder = to.parent().unwrap_or(to);
        if self.unkept.contains(folder) {
            return Err(format!(
                "a file in a folder that may not be there: {}",
                to.display()
            ));
        }
        self.written.retain(|other| *other != from);
        let manifest = self.is_manifest(to);
        let key = to
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        if manifest && !key.is_some_and(|key| self.kept.contains(&key)) {
            return Err(format!(
                "a manifest of a file that may not be there: {}",
                to.display()
            ));
        }
        self.unkept.insert(to.to_owned());
        Ok(())
    }
}

/// Notes of the same name, for the publish itself, lie in the staging folder.
fn is_manifest(root: &Path, path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy());
    path.starts_with(root.join("meta"))
        && path.extension().is_some_and(|kind| kind == "json")
        && stem.is_some_and(|stem| stem.contains('='))
}

fn key_of(data: &Path) -> Option<String> {
    let folder = data.parent()?.file_name()?;
    Some(folder.to_string_lossy().into_owned())
}

fn judge(root: &Path, steps: &[Taken]) -> Result<(), String> {
    let mut judge = Judge {
        root: root.to_owned(),
        ..Judge::default()
    };
    steps.iter().try_for_each(|taken| judge.take(taken))?;
    let visible = |path: &&PathBuf| {
        path.starts_with(root.join("data")) || path.starts_with(root.join("meta"))
    };
    match judge.unkept.iter().find(visible) {
        Some(lost) => Err(format!(
            "said to be published, and yet it may be lost: {}",
            lost.display()
        )),
        None => Ok(()),
    }
}

/// Every way to do the same steps wrongly, with its name.
fn disorders(root: &Path, steps: &[Taken]) -> BTreeMap<&'static str, Vec<Vec<Taken>>> {
    let data = root.join("data");
    let without = |at: usize| [&steps[..at], &steps[at + 1..]].concat();
    let mut wrong: BTreeMap<&'static str, Vec<Vec<Taken>>> = BTreeMap::new();
    for (at, (step, path)) in steps.iter().enumerate() {
        let mut add = |name, steps| wrong.entry(name).or_default().push(steps);
        let of_data = path.starts_with(&data);
        match step {
            Step::SyncFile if path.components().any(|part| part.as_os_str() == "out") => {
                add("a file is not synced", without(at));
            }
            Step::Rename if of_data => {
                let mut late = without(at);
                late.insert(at + 1, steps[at].clone());
                add("a folder is synced before the rename", late);
                add("the folder is not synced", without(at + 1));
                let mut gap = steps.to_vec();
                gap.insert(at, (Step::Remove, path.clone()));
                add("the old file is removed first", gap);
                let mut in_place = steps.to_vec();
                in_place[at] = (Step::Create, path.clone());
                add("a file is written in its place", in_place);
                let sync = steps[..at].iter().rposition(|(step, from)| {
                    *step == Step::SyncFile
                        && from.file_name() == path.file_name()
                        && from.parent().and_then(Path::file_name)
                            == path.parent().and_then(Path::file_name)
                });
                if let Some(sync) = sync {
                    let mut early = steps.to_vec();
                    let moved = early.remove(sync);
                    early.insert(at, moved);
                    add("a file is renamed before it is synced", early);
                }
            }
            Step::Rename if is_manifest(root, path) => {
                let first = steps
                    .iter()
                    .position(|(step, path)| *step == Step::Rename && path.starts_with(&data));
                let mut early = without(at);
                early.insert(first.expect("a data file"), steps[at].clone());
                add("a manifest comes before its file", early);
            }
            _ => {}
        }
    }
    wrong
}

#[tokio::test]
async fn a_publish_is_in_order_and_every_disorder_is_noticed() {
    let (world, steps) = steps_of_a_publish().await;
    judge(world.root(), &steps).expect("the order of the real publish");
    // A power cut is the end of the steps: nothing visible may be wrong at any of them.
    let wrong = disorders(world.root(), &steps);
    assert!(wrong.len() >= 6, "{:?}", wrong.keys());
    let mut survivors = Vec::new();
    for (name, all) in &wrong {
        let caught = all
            .iter()
            .filter(|steps| judge(world.root(), steps).is_err());
        let caught = caught.count();
        println!("{name}: {caught} of {} caught", all.len());
        if caught < all.len() {
            survivors.push(name);
        }
    }
    assert!(survivors.is_empty(), "nobody noticed: {survivors:?}");
}
