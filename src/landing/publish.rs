//! A run's delivered parts, found, composed, staged and checked; then landed or kept aside.

use super::cells::Cells;
use super::checks::{self, Evidence};
use super::compose::{self, Action, Composition, Found, Target};
use super::disk::{Disk, disk_fault};
use super::inspect::{self, Kept};
use super::manifest::Manifest;
use super::merge::{self, Form, Merged};
use super::outcome::Outcome;
use super::partition::{intersection, key_name, slices};
use super::schema::{self, Comparison};
use super::{Delivered, PublishOrder, layout, place, standing};
use crate::run::{Artifact, CellSpan, Fault, FaultClass, Published, Verdict};
use crate::schedule::{Format, Window};
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub(super) fn publish(disk: &Disk, order: &PublishOrder) -> Result<Published, Fault> {
    let root = disk.root();
    refuse_other_keys(root, order)?;
    settle(disk, order)?;
    disk.remove_folder(&layout::staging(root, &order.run).join("out"))?;
    let parts = standing::sort(disk, order)?;
    if let Some((_, fault)) = parts.lost.into_iter().next() {
        return Err(fault);
    }
    let found = parts.there.into_iter().map(|part| find(disk, order, part));
    let found: Vec<Found> = found.collect::<Result<_, _>>()?;
    let landed = parts.landed;
    let schema = schema::compare(root, order, &found)?;
    refuse_key_column(order, &schema)?;
    let composition = compose::compose(root, order, &found, &landed, &schema)?;
    refuse_older_rows(order, &composition)?;
    let files = stage(disk, order, &found, &composition, &schema)?;
    let delivered = delivered_cells(order, &found, &landed, &composition);
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
        landed: &landed,
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

/// A schedule whose key changed would show days twice; `check` and a reload refuse that, but a run
/// keeps the terms it began with.
fn refuse_other_keys(root: &Path, order: &PublishOrder) -> Result<(), Fault> {
    let slice = slices(order.partition, order.window).into_iter().next();
    let own = slice.iter().find_map(|slice| slice.key.split_once('='));
    let own = own.map_or("", |(own, _)| own);
    let schedule = &order.schedule;
    let other = |key: &String| key.split_once('=').is_some_and(|(kind, _)| kind != own);
    match layout::visible(root, schedule).find(other) {
        None => Ok(()),
        Some(key) => Err(Fault::new(
            FaultClass::Check,
            format!(
                "data/{schedule} holds {key}: beside files by `{own}` readers would see days twice, \
                 so nothing was landed"
            ),
        )),
    }
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

/// A person accepted all of a run's rows: what was delivered after some of them must not make it fewer.
fn refuse_older_rows(order: &PublishOrder, composition: &Composition) -> Result<(), Fault> {
    let mut targets = composition.targets.iter();
    let outrun = |target: &&Target| !target.outrun.is_empty();
    match targets.find(outrun).filter(|_| order.accepted_by.is_some()) {
        None => Ok(()),
        Some(target) => Err(Fault::new(
            FaultClass::Check,
            format!(
                "{} holds newer rows, delivered since: export the days anew instead",
                target.slice.key
            ),
        )),
    }
}

/// Completes what an earlier publish of this run was stopped in: where a file is in place already,
/// its manifest, staged before it, follows.
fn settle(disk: &Disk, order: &PublishOrder) -> Result<(), Fault> {
    // Of the run's own partitions, and of those whose columns it gave a type.
    let out = layout::staging(disk.root(), &order.run).join("out");
    for key in layout::names(&out) {
        let staged = place::staged_manifest(disk.root(), order, &key);
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
            place::put_manifest(disk, order, &key)?;
        }
    }
    Ok(())
}

/// The facts of a part, from the cache or from its raw file.
fn find<'a>(disk: &Disk, order: &PublishOrder, part: &'a Delivered) -> Result<Found<'a>, Fault> {
    let terms = part.terms(order);
    let artifact = &part.artifact;
    let staged = |kind| layout::staged(disk.root(), &order.run, part.number, kind);
    let kept = Kept::load(&staged("facts.json"))
        .filter(|kept| kept.sha256 == artifact.sha256 && kept.terms == terms)
        .filter(|kept| kept.facts.unique.is_none() || staged("keys").exists());
    if let Some(kept) = kept {
        return Ok(Found {
            part,
            facts: kept.facts,
        });
    }
    disk.make_folder(&layout::staging(disk.root(), &order.run))?;
    let raw = disk.root().join(&artifact.path);
    let (facts, keys) = inspect::inspect_file(&raw, order.format, &terms, &staged("keys"))?;
    if let Some(keys) = keys {
        keys.save(&staged("keys"))?;
    }
    Kept::new(
        &part.job_id,
        &artifact.sha256,
        artifact.bytes,
        &terms,
        facts.clone(),
    )
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
        (Format::Csv, _) => Form::Csv,
        (Format::Jsonl, _) => Form::Jsonl,
        (Format::Parquet, model) => Form::Parquet(model.map(Arc::clone)),
    };
    let mut merged = merge::merge(disk, &form, &slots, sources, outputs)?;
    for part in found {
        let raw = disk.root().join(&part.part.artifact.path);
        if sources.iter().any(|source| source.path == raw) {
            prove(disk, &part.part.artifact, &raw)?;
        }
    }
    let stage_one = |target: &Target| match target.action {
        Action::Nothing => Ok(None),
        Action::Settled => Ok(target.settled_file()),
        Action::Merge(output) => Ok(merged[output].take()),
        Action::Copy(at) => {
            let artifact = &found[at].part.artifact;
            let to = compose::staged(disk.root(), order, &target.slice.key);
            copy(disk, artifact, &to)?;
            Ok(Some(Merged {
                bytes: artifact.bytes,
                sha256: artifact.sha256.clone(),
                rows: found[at].facts.rows,
            }))
        }
    };
    composition.targets.iter().map(stage_one).collect()
}

/// The partition's file out of the one part that makes it up. It is proven after the copy, when nothing can come
/// between any more: by the raw file if that is known to be untouched since it was hashed, else by its own bytes.
fn copy(disk: &Disk, artifact: &Artifact, to: &Path) -> Result<(), Fault> {
    let raw = disk.root().join(&artifact.path);
    disk.make_folder(to.parent().unwrap_or(disk.root()))?;
    disk.copy(&raw, to)?;
    let copied = fs::metadata(to).map_err(|error| disk_fault("read", to, &error))?;
    let known = disk.proven().holds(&raw, artifact.bytes, &artifact.sha256);
    match known && copied.len() == artifact.bytes {
        true => Ok(()),
        false => prove(disk, artifact, to),
    }
}

/// Refuses a file that has not the bytes of the artifact.
fn prove(disk: &Disk, artifact: &Artifact, path: &Path) -> Result<(), Fault> {
    let proven = disk.proven().prove(path, artifact.bytes, &artifact.sha256);
    match proven.map_err(|error| disk_fault("read", path, &error))? {
        true => Ok(()),
        false => Err(inspect::content(format!(
            "{} is not the file that was fetched",
            artifact.path
        ))),
    }
}

/// Cells asked for by the run whose rows it delivered.
fn delivered_cells(
    order: &PublishOrder,
    found: &[Found],
    landed: &[&Delivered],
    composition: &Composition,
) -> Cells {
    let mut cells = Cells::none(&order.properties, order.window);
    for part in found.iter().filter(|part| part.facts.rows > 0) {
        part.facts
            .cells
            .iter()
            .for_each(|span| cells.set_span(*span));
    }
    for target in &composition.targets {
        let mut standing = Cells::none(target.kept.properties(), target.slice.window);
        for part in landed {
            if let Some(window) = intersection(part.window, target.slice.window) {
                standing.set_rectangle(&part.properties, window);
            }
        }
        standing.keep(&target.kept);
        standing
            .spans()
            .into_iter()
            .for_each(|span| cells.set_span(span));
    }
    // What a partition could not take up is not in the data.
    for target in composition.targets.iter().filter(|target| target.held) {
        let Window { from, to } = target.slice.window;
        for &property in &order.properties {
            cells.clear_span(CellSpan { property, from, to });
        }
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
