//! A partition whose file or manifest is damaged or gone, made anew from the parts once delivered for it.

use super::cells::Cells;
use super::compose::{self, Target, separable};
use super::inspect::{self, Facts, Terms};
use super::manifest::{DateSummary, FileEntry, JobEntry, Manifest, PropertySummary, SCHEMA};
use super::merge::{self, Source, Take};
use super::partition::{Slice, intersection, slices};
use super::{Earlier, PublishOrder, announce, layout, schema};
use crate::run::{CellSpan, Fault, FaultClass};
use crate::schedule::{Format, Partition, Window};
use std::fs;
use std::path::{Path, PathBuf};

/// The partitions of a run that were published once, as a file or `changes.jsonl` tells, and have no
/// readable manifest any more. Only earlier runs know what was in them.
pub(super) fn unknown(root: &Path, order: &PublishOrder) -> Result<Vec<Window>, Fault> {
    let mut unknown = Vec::new();
    for slice in slices(order.partition, order.window) {
        let manifest = Manifest::load_unless_broken(root, &order.schedule, &slice.key)?;
        if manifest.is_none() && was_there(root, order, &slice)? {
            unknown.push(slice.window);
        }
    }
    Ok(unknown)
}

fn was_there(root: &Path, order: &PublishOrder, slice: &Slice) -> Result<bool, Fault> {
    let path = |format| layout::data(&order.schedule, &slice.key, format);
    let there = [Format::Csv, Format::Jsonl, Format::Parquet]
        .into_iter()
        .any(|format| root.join(path(format)).exists());
    Ok(there || announce::last_put(root, order, &path(order.format))?.is_some())
}

/// What a lost manifest must have said, as far as what was delivered for it is still in raw/, and the
/// cells of deliveries that are not. `None` if nothing was ever delivered for it.
pub(super) fn reconstructed(
    root: &Path,
    order: &PublishOrder,
    slice: &Slice,
) -> Result<Option<(Manifest, Vec<CellSpan>)>, Fault> {
    let belongs = |earlier: &&Earlier| match order.partition {
        Partition::Window => earlier.window == slice.window,
        Partition::Date | Partition::Month => earlier.part.window.overlaps(slice.window),
    };
    let mut earlier: Vec<&Earlier> = order.earlier.iter().filter(belongs).collect();
    earlier.sort_by_key(|earlier| earlier.part.delivered_at);
    let Some(last) = earlier.last() else {
        return Ok(None);
    };
    let mut properties: Vec<i64> = Vec::new();
    for earlier in &earlier {
        properties.extend(&earlier.part.properties);
    }
    properties.sort_unstable();
    properties.dedup();
    let mut asked = Cells::none(&properties, slice.window);
    let mut taken = asked.clone();
    let mut lost = asked.clone();
    let mut manifest = blank(root, order, slice, last)?;
    for Earlier { part, .. } in earlier.iter().rev() {
        let window = intersection(part.window, slice.window).unwrap_or(slice.window);
        asked.set_rectangle(&part.properties, window);
        let job = JobEntry::of(part);
        let Some(raw) = raw_of(root, order, &job) else {
            lost.set_rectangle(&part.properties, window);
            continue;
        };
        let facts = facts_of(root, &raw, order, &part.properties, part.window)?;
        let mut cells = Cells::none(&properties, slice.window);
        facts.cells.iter().for_each(|span| cells.set_span(*span));
        cells.clear(&taken);
        if facts.rows > 0 && !cells.is_empty() {
            taken.set(&cells);
            manifest.jobs.push(job.holding(&cells));
            manifest.file.rows += facts.rows;
            schema::join_columns(&mut manifest.columns, &facts.columns);
        }
    }
    lost.clear(&taken);
    asked.clear(&taken);
    manifest.gaps = asked.spans();
    Ok(Some((manifest, lost.spans())))
}

fn blank(
    root: &Path,
    order: &PublishOrder,
    slice: &Slice,
    last: &Earlier,
) -> Result<Manifest, Fault> {
    let path = layout::data(&order.schedule, &slice.key, order.format);
    Ok(Manifest {
        schema: SCHEMA.to_owned(),
        schedule: order.schedule.clone(),
        run: last.run.clone(),
        generation: announce::last_put(root, order, &path)?.unwrap_or_default(),
        window: last.window,
        report: order.report,
        format: order.format,
        // No file has no hash: whatever is there cannot be trusted.
        file: FileEntry {
            path: Some(path),
            bytes: 0,
            sha256: None,
            rows: 0,
        },
        jobs: Vec::new(),
        properties: PropertySummary {
            requested: 0,
            present: 0,
            missing: Vec::new(),
        },
        dates: DateSummary {
            from: slice.window.from,
            to: slice.window.to,
            missing: Vec::new(),
        },
        columns: Vec::new(),
        checks: Vec::new(),
        landed_at: last.part.delivered_at,
        gaps: Vec::new(),
        empty: Vec::new(),
    })
}

/// Whether a partition's file is there and has the bytes of its manifest.
pub(super) fn is_sound(root: &Path, manifest: &Manifest) -> bool {
    let (Some(path), Some(sha256)) = (&manifest.file.path, &manifest.file.sha256) else {
        return false;
    };
    merge::hash_file(&root.join(path)).is_ok_and(|(_, there)| there == *sha256)
}

/// The rows that stay, out of the parts that brought them.
pub(super) fn sources(
    root: &Path,
    order: &PublishOrder,
    target: &Target,
    previous: &Manifest,
    output: usize,
) -> Result<Vec<Source>, Fault> {
    let mut left = target.kept.clone();
    let mut sources = Vec::new();
    let mut jobs: Vec<&JobEntry> = previous.jobs.iter().collect();
    jobs.sort_by_key(|job| job.delivered_at);
    for job in jobs.into_iter().rev() {
        let mut wins = job.holds(&left);
        wins.keep(&left);
        if wins.is_empty() {
            continue;
        }
        let raw = match previous.format == order.format {
            true => raw_of(root, order, job),
            false => None,
        };
        let raw = raw.ok_or_else(|| beyond_recovery(order, previous, target))?;
        left.clear(&wins);
        let source = source(root, raw, order, target, job, &wins, output)?;
        sources.push(source.ok_or_else(|| beyond_recovery(order, previous, target))?);
    }
    match left.is_empty() {
        true => Ok(sources),
        false => Err(beyond_recovery(order, previous, target)),
    }
}

/// `None` if the rows wanted cannot be told from the part's others.
fn source(
    root: &Path,
    raw: PathBuf,
    order: &PublishOrder,
    target: &Target,
    job: &JobEntry,
    wins: &Cells,
    output: usize,
) -> Result<Option<Source>, Fault> {
    let window = job.window();
    let facts = facts_of(root, &raw, order, &job.property_ids, window)?;
    let mut loses = Cells::none(wins.properties(), wins.window());
    facts.cells.iter().for_each(|span| loses.set_span(*span));
    loses.clear(wins);
    let inside = intersection(window, target.slice.window) == Some(window);
    let day = (!facts.has_date && window.len() == 1).then_some(window.from);
    let by_date = facts.has_date || day.is_some();
    let take = if loses.is_empty() && inside && (facts.dated() || !facts.has_date) {
        Take::Whole(output)
    } else if (inside || by_date) && separable(wins, &loses, facts.has_property, by_date) {
        let columns = (facts.has_property, by_date);
        Take::Routed(compose::route(wins.clone(), columns, day, output))
    } else {
        return Ok(None);
    };
    Ok(Some(Source {
        path: raw,
        rows: facts.rows,
        take,
    }))
}

fn beyond_recovery(order: &PublishOrder, previous: &Manifest, target: &Target) -> Fault {
    let path = previous.file.path.as_deref().unwrap_or(&target.slice.key);
    let days = target.slice.window;
    Fault::new(
        FaultClass::Content,
        format!(
            "{path} is not the file that its manifest describes, and raw/ does not hold all of its rows \
             any more; nothing was changed. Restore it from a backup; or move it and its manifest away, \
             then `aptiqd trigger {} --from {} --to {}`",
            order.schedule, days.from, days.to
        ),
    )
}

fn facts_of(
    root: &Path,
    raw: &Path,
    order: &PublishOrder,
    properties: &[i64],
    window: Window,
) -> Result<Facts, Fault> {
    let mut checks = order.checks.clone();
    checks.unique.clear();
    checks.max_null_rate.clear();
    checks.range.clear();
    let terms = Terms {
        properties: properties.to_vec(),
        window,
        partition: order.partition,
        columns: order.columns.clone(),
        checks,
    };
    let scratch = layout::staging(root, &order.run).join("recovered.keys");
    inspect::inspect_file(raw, order.format, &terms, &scratch).map(|(facts, _)| facts)
}

/// The raw file with the bytes of a job's result, if it is still there and unharmed.
fn raw_of(root: &Path, order: &PublishOrder, job: &JobEntry) -> Option<PathBuf> {
    let folder = root.join("raw").join(order.schedule.as_str());
    let runs = fs::read_dir(&folder).ok()?;
    for run in runs.flatten() {
        let Ok(parts) = fs::read_dir(run.path()) else {
            continue;
        };
        for part in parts.flatten() {
            let same_size = part.metadata().is_ok_and(|there| there.len() == job.bytes);
            let same = |(_, there): (u64, String)| there == job.sha256;
            if same_size && merge::hash_file(&part.path()).is_ok_and(same) {
                return Some(part.path());
            }
        }
    }
    None
}
