//! Telling of what was put: `changes.jsonl` for followers, `latest.json` for whoever comes fresh.

use super::disk::{Disk, disk_fault};
use super::manifest::Manifest;
use super::{PublishOrder, layout};
use crate::run::{Fault, PublishedFile};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

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

/// Tells of each new generation, once.
pub(super) fn announce(
    disk: &Disk,
    order: &PublishOrder,
    manifests: &[Manifest],
) -> Result<(), Fault> {
    let path = layout::meta(disk.root(), &order.schedule).join("changes.jsonl");
    let told = told(&path)?;
    let mut lines = Vec::new();
    for file in manifests.iter().filter_map(published_file) {
        if told.contains(&(file.path.clone(), file.generation)) {
            continue;
        }
        let line = ChangeLine {
            at: order.at,
            change: "put".to_owned(),
            path: file.path,
            rows: file.rows,
            sha256: file.sha256,
            generation: file.generation,
            run: order.run.to_string(),
        };
        serde_json::to_writer(&mut lines, &line).unwrap_or_default();
        lines.push(b'\n');
    }
    if lines.is_empty() {
        return Ok(());
    }
    disk.append_lines(&path, &lines)
}

fn told(path: &Path) -> Result<HashSet<(String, u64)>, Fault> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(disk_fault("read", path, &error)),
    };
    let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
    let read = lines.filter_map(|line| serde_json::from_slice::<ChangeLine>(&line).ok());
    Ok(read.map(|line| (line.path, line.generation)).collect())
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

/// The generation under which a path was last told of as there.
pub(super) fn last_put(
    root: &Path,
    order: &PublishOrder,
    path: &str,
) -> Result<Option<u64>, Fault> {
    let changes = layout::meta(root, &order.schedule).join("changes.jsonl");
    let file = match File::open(&changes) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(disk_fault("read", &changes, &error)),
    };
    let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
    let read = lines.filter_map(|line| serde_json::from_slice::<ChangeLine>(&line).ok());
    let last = read.filter(|line| line.path == path).last();
    Ok(last
        .filter(|line| line.change == "put")
        .map(|line| line.generation))
}
