//! What a new generation changes: which properties and days have other rows than before, how many, and
//! since when the earlier ones were there.

mod parquet;
mod prints;

use super::announce;
use super::compose::{self, Target};
use super::disk::Disk;
use super::merge::Merged;
use super::{PublishOrder, layout};
use crate::run::{Fault, RunId};
use chrono::{DateTime, NaiveDate, Utc};
use prints::{Cell, Prints, prints};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Spans kept of one partition, and told in the event of a run.
const SPANS_MAX: usize = 2_000;
const SPANS_TOLD: usize = 40;
/// Partitions named in the event of a run.
const FILES_TOLD: usize = 31;

/// Neighbouring days of one property whose rows changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedSpan {
    /// Absent without the property column.
    pub property: Option<i64>,
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub rows_before: u64,
    pub rows_after: u64,
}

/// A partition whose earlier rows are not those it has now; a line of `restatements.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restatement {
    pub at: DateTime<Utc>,
    pub run: RunId,
    /// Below the landing folder.
    pub path: String,
    pub generation: u64,
    /// Whose rows these replace.
    pub previous_run: RunId,
    pub previous_landed_at: DateTime<Utc>,
    /// When the partition was first seen.
    pub first_landed_at: DateTime<Utc>,
    /// Changed property-days, and how many properties and days are among them.
    pub cells: u64,
    pub properties: u64,
    pub days: u64,
    /// Rows of the changed cells.
    pub rows_before: u64,
    pub rows_after: u64,
    pub spans: Vec<ChangedSpan>,
    /// Why there are no cells, if they were not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
}

/// Compares the file that is there with the staged one that will replace it. What is found is kept
/// beside the staged file, so that a repeat after a crash still knows it.
pub(super) fn of(
    disk: &Disk,
    order: &PublishOrder,
    target: &Target,
    file: &Merged,
) -> Result<Option<Restatement>, Fault> {
    let root = disk.root();
    let kept = kept(root, order, &target.slice.key);
    let Some(previous) = target.previous.as_ref().filter(|old| old.file.rows > 0) else {
        return Ok(None);
    };
    if previous.run == order.run {
        return Ok(fs::read(&kept)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok()));
    }
    let (Some(path), false) = (
        &previous.file.path,
        previous.file.sha256.as_deref() == Some(&file.sha256),
    ) else {
        return Ok(None);
    };
    let new_path = layout::data(&order.schedule, &target.slice.key, order.format);
    let mut restatement = Restatement {
        at: order.at,
        run: order.run.clone(),
        first_landed_at: announce::first_put(root, order, &target.slice.key)
            .unwrap_or(previous.landed_at),
        path: new_path,
        generation: previous.generation + 1,
        previous_run: previous.run.clone(),
        previous_landed_at: previous.landed_at,
        cells: 0,
        properties: 0,
        days: 0,
        rows_before: 0,
        rows_after: 0,
        spans: Vec::new(),
        not_compared: None,
    };
    if previous.format == order.format {
        let window = target.slice.window;
        let day = (window.len() == 1).then_some(window.from);
        let staged = compose::staged(root, order, &target.slice.key);
        let before = prints(&root.join(path), order, day)?;
        let after = prints(&staged, order, day)?;
        match (before, after) {
            (Some(before), Some(after)) => restatement.compare(&before, &after),
            _ => restatement.not_compared = Some("too many property-days to compare".to_owned()),
        }
    } else {
        restatement.not_compared = Some(format!("it was {} before", previous.format.as_str()));
    }
    if restatement.cells == 0 && restatement.not_compared.is_none() {
        return Ok(None);
    }
    let text = serde_json::to_vec(&restatement).unwrap_or_default();
    disk.replace(&kept.with_extension("new"), &kept, &text)?;
    Ok(Some(restatement))
}

fn kept(root: &Path, order: &PublishOrder, key: &str) -> PathBuf {
    let folder = layout::staging(root, &order.run);
    folder.join("restated").join(format!("{key}.json"))
}

impl Restatement {
    /// Cells that are only now there are no restatement.
    fn compare(&mut self, before: &Prints, after: &Prints) {
        let (mut properties, mut days) = (BTreeSet::new(), BTreeSet::new());
        for (cell, old) in before {
            let new = after.get(cell);
            if new == Some(old) {
                continue;
            }
            let rows = (old.rows, new.map_or(0, |new| new.rows));
            self.cells += 1;
            self.rows_before += rows.0;
            self.rows_after += rows.1;
            properties.insert(cell.property);
            days.insert(cell.day);
            self.extend(*cell, rows);
        }
        self.properties = properties.into_iter().flatten().count() as u64;
        self.days = days.into_iter().flatten().count() as u64;
    }

    fn extend(&mut self, cell: Cell, (rows_before, rows_after): (u64, u64)) {
        if let Some(last) = self.spans.last_mut()
            && last.property == cell.property
            && last.to.and_then(|to| to.succ_opt()) == cell.day
            && cell.day.is_some()
        {
            last.to = cell.day;
            last.rows_before += rows_before;
            last.rows_after += rows_after;
        } else if self.spans.len() < SPANS_MAX {
            self.spans.push(ChangedSpan {
                property: cell.property,
                from: cell.day,
                to: cell.day,
                rows_before,
                rows_after,
            });
        }
    }
}

/// Adds what is new to `restatements.jsonl`, each partition's generation once.
pub(super) fn announce(
    disk: &Disk,
    order: &PublishOrder,
    restatements: &[Restatement],
) -> Result<(), Fault> {
    let known = of_schedule(disk.root(), order);
    let told = |one: &&Restatement| {
        let same = |old: &Restatement| (&old.path, old.generation) == (&one.path, one.generation);
        !known.iter().any(same)
    };
    let mut lines = Vec::new();
    for restatement in restatements.iter().filter(told) {
        serde_json::to_writer(&mut lines, restatement).unwrap_or_default();
        lines.push(b'\n');
    }
    if lines.is_empty() {
        return Ok(());
    }
    disk.append_lines(&path(disk.root(), order.schedule.as_str()), &lines)
}

fn path(root: &Path, schedule: &str) -> PathBuf {
    root.join("meta").join(schedule).join("restatements.jsonl")
}

fn of_schedule(root: &Path, order: &PublishOrder) -> Vec<Restatement> {
    read(root, order.schedule.as_str())
}

/// Every restatement of a schedule's partitions, oldest first; lines that cannot be read are left out.
pub(super) fn read(root: &Path, schedule: &str) -> Vec<Restatement> {
    let text = fs::read(path(root, schedule)).unwrap_or_default();
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

/// The journal's event of a run that restated anything.
pub(super) fn event(restatements: &[Restatement]) -> Option<Value> {
    let first = restatements.iter().map(|one| one.first_landed_at).min()?;
    let sum = |of: fn(&Restatement) -> u64| restatements.iter().map(of).sum::<u64>();
    let spans = restatements.iter().flat_map(|one| &one.spans);
    let properties: BTreeSet<i64> = spans.clone().filter_map(|span| span.property).collect();
    let files = restatements.iter().take(FILES_TOLD);
    let files = files
        .map(|one| json!({"path": one.path, "generation": one.generation, "cells": one.cells}));
    Some(json!({
        "event": "restated", "partitions": restatements.len(), "property_days": sum(|one| one.cells),
        "properties": properties.len(), "rows_before": sum(|one| one.rows_before),
        "rows_after": sum(|one| one.rows_after), "first_landed_at": first,
        "spans": spans.take(SPANS_TOLD).collect::<Vec<_>>(), "files": files.collect::<Vec<_>>(),
    }))
}
