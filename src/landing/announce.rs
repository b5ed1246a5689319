//! Telling of what was put: `changes.jsonl` for followers, `latest.json` for whoever comes fresh.

use super::disk::{Disk, disk_fault};
use super::manifest::Manifest;
use super::{PublishOrder, layout};
use crate::run::{Fault, PublishedFile};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

pub(super) fn published_file(manifest: &Manifest) -> Option<PublishedFile> {
    Some(PublishedFile {
        path: manifest.file.path.clone()?,
        bytes: manifest.file.bytes,
        sha256: manifest.file.sha256.clone()?,
        rows: manifest.file.rows,
        generation: manifest.generation,
    })
}

/// A line of `changes.jsonl`, for whoever follows the data.
#[derive(Serialize, Deserialize)]
struct ChangeLine {
    at: DateTime<Utc>,
    change: String,
    path: String,
    rows: u64,
    sha256: String,
    generation: u64,
    run: String,
}

/// Tells of each new generation and of each file that is gone, once.
pub(super) fn announce(
    disk: &Disk,
    order: &PublishOrder,
    manifests: &[Manifest],
) -> Result<(), Fault> {
    let path = changes(disk.root(), order);
    let told = told(&path)?;
    let mut lines = Vec::new();
    for manifest in manifests {
        let Some(file) = published_file(manifest) else {
            continue;
        };
        let known = |line: &&ChangeLine| line.path == file.path;
        let puts = told.iter().filter(|line| line.change == PUT);
        let put = puts
            .filter(known)
            .any(|line| line.generation == file.generation);
        for gone in gone(disk.root(), &told, &file.path) {
            tell(&mut lines, DELETE, order, gone);
        }
        if !put {
            tell(&mut lines, PUT, order, file);
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    disk.append_lines(&path, &lines)
}

const PUT: &str = "put";
const DELETE: &str = "delete";

fn changes(root: &Path, order: &PublishOrder) -> PathBuf {
    layout::meta(root, &order.schedule).join("changes.jsonl")
}

fn tell(lines: &mut Vec<u8>, change: &str, order: &PublishOrder, file: PublishedFile) {
    let line = ChangeLine {
        at: order.at,
        change: change.to_owned(),
        path: file.path,
        rows: file.rows,
        sha256: file.sha256,
        generation: file.generation,
        run: order.run.to_string(),
    };
    serde_json::to_writer(&mut *lines, &line).unwrap_or_default();
    lines.push(b'\n');
}

/// Files told of that stood beside `path` and are there no more, each as it last was.
fn gone(root: &Path, told: &[ChangeLine], path: &str) -> Vec<PublishedFile> {
    let folder = Path::new(path).parent();
    let mut last: BTreeMap<&str, &ChangeLine> = BTreeMap::new();
    for line in told {
        if line.path != path && Path::new(&line.path).parent() == folder {
            last.insert(&line.path, line);
        }
    }
    let gone = last.into_values();
    gone.filter(|line| line.change == PUT && !root.join(&line.path).exists())
        .map(|line| PublishedFile {
            path: line.path.clone(),
            bytes: 0,
            sha256: line.sha256.clone(),
            rows: line.rows,
            generation: line.generation,
        })
        .collect()
}

/// When a partition was first put; `None` if nobody was told.
pub(super) fn first_put(root: &Path, order: &PublishOrder, key: &str) -> Option<DateTime<Utc>> {
    let told = told(&changes(root, order)).ok()?;
    let of_key = |line: &&ChangeLine| line.path.split('/').nth(2) == Some(key);
    told.iter().find(of_key).map(|line| line.at)
}

fn told(path: &Path) -> Result<Vec<ChangeLine>, Fault> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk_fault("read", path, &error)),
    };
    let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
    let read = lines.filter_map(|line| serde_json::from_slice::<ChangeLine>(&line).ok());
    Ok(read.collect())
}

/// `latest.json`: the newest day with data, and the files of the last run that landed any.
pub(super) fn point_to_latest(
    disk: &Disk,
    order: &PublishOrder,
    manifests: &[Manifest],
) -> Result<(), Fault> {
    let files: Vec<PublishedFile> = manifests.iter().filter_map(published_file).collect();
    if files.is_empty() {
        return Ok(());
    }
    let path = layout::meta(disk.root(), &order.schedule).join("latest.json");
    let before: serde_json::Value = fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let earlier: Option<NaiveDate> = before["data_through"]
        .as_str()
        .and_then(|day| day.parse().ok());
    let landed_days = manifests.iter().filter_map(|manifest| {
        let dates = &manifest.dates;
        let mut days = dates.from.iter_days().take_while(|day| *day <= dates.to);
        let present = days.by_ref().filter(|day| !dates.missing.contains(day));
        present.last()
    });
    let through = landed_days.max().max(earlier);
    let latest = json!({
        "schema": "aptiqd.latest/1", "schedule": order.schedule, "run": order.run,
        "data_through": through, "landed_at": order.at, "files": files,
    });
    let same = ["run", "data_through", "files"]
        .iter()
        .all(|key| before[key] == latest[key]);
    if same {
        return Ok(());
    }
    let staging = layout::staging(disk.root(), &order.run).join("latest.json");
    let text = serde_json::to_vec_pretty(&latest).unwrap_or_default();
    disk.replace(&staging, &path, &text)
}

/// The paths of files that a run put, in the order in which it told of them.
pub(super) fn put_by(root: &Path, order: &PublishOrder) -> Result<Vec<String>, Fault> {
    let told = told(&changes(root, order))?;
    let of_run = told
        .into_iter()
        .filter(|line| line.run == order.run.as_str());
    let put = of_run.filter(|line| line.change == PUT);
    Ok(put.map(|line| line.path).collect())
}

/// The generation under which a path was last told of as there.
pub(super) fn last_put(
    root: &Path,
    order: &PublishOrder,
    path: &str,
) -> Result<Option<u64>, Fault> {
    let told = told(&changes(root, order))?;
    let last = told.iter().rev().find(|line| line.path == path);
    let put = last.filter(|line| line.change == PUT);
    Ok(put.map(|line| line.generation))
}
