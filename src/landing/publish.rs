//! A run's delivered parts, found, composed, staged and checked; then landed or kept aside.

use super::cells::Cells;
use super::checks::{self, Evidence};
use super::compose::{self, Action, Composition, Found, Target};
use super::disk::{Disk, disk_fault};
use super::inspect::{self, Kept};
use super::manifest::Manifest;
use super::merge::{self, Form, Merged};
use super::outcome::Outcome;
use super::partition::{key_name, slices};
use super::schema::{self, Comparison};
use super::{Delivered, PublishOrder, layout, place};
use crate::run::{Fault, FaultClass, Published, Verdict};
use crate::schedule::Format;
use chrono::{DateTime, Utc};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

pub(super) fn publish(disk: &Disk, order: &PublishOrder) -> Result<Published, Fault> {
    let root = disk.root();
    settle(disk, order)?;
    disk.remove_folder(&layout::staging(root, &order.run).join("out"))?;
    let found = find(disk, order)?;
    let schema = schema::compare(root, order, &found)?;
    refuse_key_column(order, &schema)?;
    let composition = compose::compose(root, order, &found, &schema)?;
    refuse_older_rows(root, order, &found, &composition)?;
    let files = stage(disk, order, &found, &composition, &schema)?;
    let delivered = delivered_cells(order, &found);
    let findings = checks::evaluate(&Evidence {
        root,
        order,
        found: &found,
        composition: &composition,
        files: &files,
        delivered: &delivered,
        schema: &schema,
    })?;
    let outcome = Outcome {
        order,
        found: &found,
        composition: &composition,
        checks: findings.run,
        checks_of_files: findings.files,
        schema,
        delivered,
    };
    let forbidding = checks::forbidding(order, &outcome.checks);
    if !forbidding.is_empty() && files.iter().any(Option::is_some) {
        return outcome.quarantine(disk, &forbidding);
    }
    let published = outcome.land(disk, &files)?;
    tidy(disk, order, &published);
    Ok(published)
}

/// Readers take the key of a folder for a column, and silently prefer it to one of the file.
fn refuse_key_column(order: &PublishOrder, schema: &Comparison) -> Result<(), Fault> {
    let key = key_name(order.partition);
    let hidden = schema.columns.iter();
    let mut hidden = hidden.filter(|column| column.name.eq_ignore_ascii_case(key));
    let Some(column) = hidden.next() else {
        return Ok(());
    };
    Err(Fault::new(
        FaultClass::Check,
        format!(
            "the files have a column `{}`, which readers would not see below folders named `{key}=…`: \
             nothing was landed; partition by another key",
            column.name
        ),
    ))
}

/// What was kept aside must not replace what was delivered after it.
fn refuse_older_rows(
    root: &Path,
    order: &PublishOrder,
    found: &[Found],
    composition: &Composition,
) -> Result<(), Fault> {
    if order.accepted_by.is_none() {
        return Ok(());
    }
    for target in &composition.targets {
        let Some(previous) = &target.previous else {
            continue;
        };
        if previous.run == order.run || previous.file.rows == 0 {
            continue;
        }
        let older = found.iter().any(|part| {
            let raw = fs::metadata(root.join(&part.part.artifact.path));
            let delivered = raw.and_then(|raw| raw.modified()).ok();
            let before = |at| DateTime::<Utc>::from(at) < previous.landed_at;
            part.part.window.overlaps(target.slice.window) && delivered.is_none_or(before)
        });
        if older {
            return Err(Fault::new(
                FaultClass::Check,
                format!(
                    "{} holds newer rows, landed by {}: export the days anew instead",
                    target.slice.key, previous.run
                ),
            ));
        }
    }
    Ok(())
}

/// Completes what an earlier publish of this run was stopped in: where a file is in place already,
/// its manifest, staged before it, follows.
fn settle(disk: &Disk, order: &PublishOrder) -> Result<(), Fault> {
    for slice in slices(order.partition, order.window) {
        let staged = place::staged_manifest(disk.root(), order, &slice.key);
        let Ok(text) = fs::read(&staged) else {
            continue;
        };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else {
            continue;
        };
        let (Some(path), Some(sha256)) = (&manifest.file.path, &manifest.file.sha256) else {
            continue;
        };
        let there = merge::hash_file(&disk.root().join(path));
        if there.is_ok_and(|(_, there)| there == *sha256) {
            let to = layout::manifest(disk.root(), &order.schedule, &slice.key);
            disk.make_folder(&layout::meta(disk.root(), &order.schedule))?;
            disk.rename(&staged, &to)?;
        }
    }
    Ok(())
}

/// The facts of each part, from the cache or from its raw file.
fn find<'a>(disk: &Disk, order: &'a PublishOrder) -> Result<Vec<Found<'a>>, Fault> {
    let mut parts: Vec<&Delivered> = order.parts.iter().collect();
    parts.sort_by_key(|part| part.number);
    parts
        .into_iter()
        .map(|part| find_part(disk, order, part))
        .collect()
}

fn find_part<'a>(
    disk: &Disk,
    order: &PublishOrder,
    part: &'a Delivered,
) -> Result<Found<'a>, Fault> {
    let terms = part.terms(order);
    let raw = disk.root().join(&part.artifact.path);
    let length = fs::metadata(&raw).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Fault::new(
            FaultClass::Gone,
            format!(
                "{} is not there any more, perhaps older than landing.raw_retention: export its days \
                 anew",
                part.artifact.path
            ),
        ),
        _ => disk_fault("read", &raw, &error),
    })?;
    if length.len() != part.artifact.bytes {
        return Err(inspect::content(format!(
            "{} has {} bytes, {} were fetched",
            part.artifact.path,
            length.len(),
            part.artifact.bytes
        )));
    }
    let staged = |kind| layout::staged(disk.root(), &order.run, part.number, kind);
    let kept = Kept::load(&staged("facts.json"))
        .filter(|kept| kept.sha256 == part.artifact.sha256 && kept.terms == terms)
        .filter(|kept| kept.facts.unique.is_none() || staged("keys").exists());
    if let Some(kept) = kept {
        return Ok(Found {
            part,
            facts: kept.facts,
        });
    }
    disk.make_folder(&layout::staging(disk.root(), &order.run))?;
    let (facts, keys) = inspect::inspect_file(&raw, order.format, &terms, &staged("keys"))?;
    let (bytes, sha256) =
        merge::hash_file(&raw).map_err(|error| disk_fault("read", &raw, &error))?;
    if sha256 != part.artifact.sha256 {
        let path = &part.artifact.path;
        return Err(inspect::content(format!(
            "{path} is not the file that was fetched"
        )));
    }
    if let Some(keys) = keys {
        keys.save(&staged("keys"))?;
    }
    Kept::new(&part.job_id, &sha256, bytes, &terms, facts.clone())
        .save(disk, &staged("facts.json"))?;
    Ok(Found { part, facts })
}

/// Makes every partition's file, synced and sealed, in the run's working folder.
fn stage(
    disk: &Disk,
    order: &PublishOrder,
    found: &[Found],
    composition: &Composition,
    schema: &Comparison,
) -> Result<Vec<Option<Merged>>, Fault> {
    let slots = compose::slots(order);
    let Composition {
        sources, outputs, ..
    } = composition;
    let form = match (order.format, schema.model()) {
        (Format::Csv, _) => Some(Form::Csv),
        (Format::Jsonl, _) => Some(Form::Jsonl),
        (Format::Parquet, model) => model.map(|model| Form::Parquet(Arc::clone(model))),
    };
    let mut merged = match form {
        Some(form) => merge::merge(disk, &form, &slots, sources, outputs)?,
        // No part has a row, so there is nothing to merge.
        None => Vec::new(),
    };
    let stage_one = |target: &Target| match target.action {
        Action::Nothing => Ok(None),
        Action::Settled => Ok(target.settled_file()),
        Action::Merge(output) => Ok(merged[output].take()),
        Action::Link(at) => {
            let artifact = &found[at].part.artifact;
            let to = compose::staged(disk.root(), order, &target.slice.key);
            disk.make_folder(to.parent().unwrap_or(disk.root()))?;
            disk.link(&disk.root().join(&artifact.path), &to)?;
            Ok(Some(Merged {
                bytes: artifact.bytes,
                sha256: artifact.sha256.clone(),
                rows: found[at].facts.rows,
            }))
        }
    };
    composition.targets.iter().map(stage_one).collect()
}

/// Cells asked for by the run whose rows it delivered.
fn delivered_cells(order: &PublishOrder, found: &[Found]) -> Cells {
    let mut cells = Cells::none(&order.properties, order.window);
    for part in found.iter().filter(|part| part.facts.rows > 0) {
        part.facts
            .cells
            .iter()
            .for_each(|span| cells.set_span(*span));
    }
    cells
}

/// Facts stay while the run may still be retried; all else of its working folder goes.
fn tidy(disk: &Disk, order: &PublishOrder, published: &Published) {
    let folder = layout::staging(disk.root(), &order.run);
    let unneeded = match published.verdict {
        Verdict::Landed => vec![folder],
        _ => vec![folder.join("out"), folder.join("restated")],
    };
    for folder in unneeded {
        // Left-overs are swept at a later start.
        let _ = disk.remove_folder(&folder);
    }
}
