//! Puts a run's files in place: file, then manifest, then the line that tells of it. Each step
//! finds out from disk what is already done, so a repeat after a crash completes it.

use super::cells::Cells;
use super::checks::{self, Evidence};
use super::compose::{self, Action, Composition, Found, Target};
use super::disk::{Disk, disk_fault};
use super::inspect::{self, Facts, Kept, write_keys};
use super::manifest::{
    Column, DateSummary, FileEntry, JobEntry, Manifest, PropertySummary, SCHEMA,
};
use super::merge::{self, Merged};
use super::partition::intersection;
use super::{Delivered, PublishOrder, layout, schema};
use crate::run::{CellSpan, Check, Fault, FaultClass, Published, PublishedFile, Verdict};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

pub(super) fn publish(disk: &Disk, order: &PublishOrder) -> Result<Published, Fault> {
    let root = disk.root();
    disk.remove_folder(&layout::staging(root, &order.run).join("out"))?;
    let found = find(disk, order)?;
    let facts: Vec<&Facts> = found.iter().map(|part| &part.facts).collect();
    let columns = schema::joined(order.format, &facts)?;
    let composition = compose::compose(root, order, &found)?;
    let files = stage(disk, order, &found, &composition)?;
    let delivered = delivered_cells(order, &found);
    let checks = checks::evaluate(&Evidence {
        root,
        order,
        found: &found,
        composition: &composition,
        files: &files,
        columns: &columns,
        delivered: &delivered,
    });
    let outcome = Outcome {
        order,
        found: &found,
        composition: &composition,
        checks,
        columns,
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
            FaultClass::Content,
            format!("{} is not there any more", part.artifact.path),
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
    let (facts, keys) = inspect::inspect_file(&raw, order.format, &terms)?;
    let (bytes, sha256) =
        merge::hash_file(&raw).map_err(|error| disk_fault("read", &raw, &error))?;
    if sha256 != part.artifact.sha256 {
        let path = &part.artifact.path;
        return Err(inspect::content(format!(
            "{path} is not the file that was fetched"
        )));
    }
    disk.make_folder(&layout::staging(disk.root(), &order.run))?;
    if facts.unique.is_some() {
        write_keys(&staged("keys"), &keys)?;
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
) -> Result<Vec<Option<Merged>>, Fault> {
    let slots = compose::slots(order);
    let Composition {
        sources, outputs, ..
    } = composition;
    let mut merged = merge::merge(disk, order.format, &slots, sources, outputs)?;
    let stage_one = |target: &Target| match target.action {
        Action::Nothing => Ok(None),
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
        Verdict::Landed => folder,
        _ => folder.join("out"),
    };
    // Left-overs are swept at a later start.
    let _ = disk.remove_folder(&unneeded);
}

struct Outcome<'a> {
    order: &'a PublishOrder,
    found: &'a [Found<'a>],
    composition: &'a Composition,
    checks: Vec<Check>,
    columns: Vec<Column>,
    delivered: Cells,
}

impl Outcome<'_> {
    /// Keeps the files out of `data/`, where a person can look at them.
    fn quarantine(&self, disk: &Disk, failed: &[&Check]) -> Result<Published, Fault> {
        let order = self.order;
        let out = layout::staging(disk.root(), &order.run).join("out");
        let to = layout::quarantine(disk.root(), &order.run);
        disk.remove_folder(&to)?;
        disk.make_folder(to.parent().unwrap_or(disk.root()))?;
        disk.rename_folder(&out, &to)?;
        let names: Vec<&str> = failed.iter().map(|check| check.name.as_str()).collect();
        let place = format!("staging/quarantine/{}", order.run);
        let reason = format!("failed {}; the files are kept in {place}", names.join(", "));
        let mut published = self.published(Verdict::Quarantined, Some(reason), Vec::new());
        published.landed = Vec::new();
        published.missing = Cells::none(&order.properties, order.window).gaps();
        published.empty = Vec::new();
        Ok(published)
    }

    fn land(&self, disk: &Disk, files: &[Option<Merged>]) -> Result<Published, Fault> {
        let mut manifests = Vec::new();
        let mut notes = Vec::new();
        for (target, file) in self.composition.targets.iter().zip(files) {
            match file {
                Some(file) => manifests.push(self.put(disk, target, file)?),
                None => notes.extend(self.put_nothing(disk, target)?),
            }
        }
        announce(disk, self.order, &manifests)?;
        schema::remember(disk, self.order, &self.columns)?;
        point_to_latest(disk, self.order, &manifests)?;
        let files = manifests.iter().filter_map(published_file).collect();
        let (verdict, mut reason) = self.verdict();
        if let Some(reason) = &mut reason {
            for note in notes {
                *reason = format!("{reason}; {note}");
            }
        }
        Ok(self.published(verdict, reason, files))
    }

    /// Renames a staged file into place unless its bytes are there already, then its manifest.
    fn put(&self, disk: &Disk, target: &Target, file: &Merged) -> Result<Manifest, Fault> {
        let order = self.order;
        let path = layout::data(&order.schedule, &target.slice.key, order.format);
        let staged = compose::staged(disk.root(), order, &target.slice.key);
        let to = disk.root().join(&path);
        let before = target
            .previous
            .as_ref()
            .filter(|previous| previous.file.rows > 0);
        let same =
            before.is_some_and(|previous| previous.file.sha256.as_deref() == Some(&file.sha256));
        let untouched =
            same && merge::hash_file(&to).is_ok_and(|(_, sha256)| sha256 == file.sha256);
        if !untouched {
            disk.make_folder(to.parent().unwrap_or(disk.root()))?;
            disk.rename(&staged, &to)?;
        }
        let generation = before.map_or(1, |previous| previous.generation + u64::from(!same));
        let entry = FileEntry {
            path: Some(path),
            bytes: file.bytes,
            sha256: Some(file.sha256.clone()),
            rows: file.rows,
        };
        let manifest = self.manifest(target, entry, generation);
        self.write_manifest(disk, target, &manifest)?;
        self.remove_other_format(disk, target)?;
        Ok(manifest)
    }

    /// One file a partition: a schedule that changed its format leaves no second one behind.
    fn remove_other_format(&self, disk: &Disk, target: &Target) -> Result<(), Fault> {
        let order = self.order;
        let now = layout::data(&order.schedule, &target.slice.key, order.format);
        match target
            .previous
            .as_ref()
            .and_then(|previous| previous.file.path.as_ref())
        {
            Some(before) if *before != now => disk.remove(&disk.root().join(before)),
            _ => Ok(()),
        }
    }

    /// A partition without new rows: rows that are there stay, and their manifest with them.
    fn put_nothing(&self, disk: &Disk, target: &Target) -> Result<Option<String>, Fault> {
        let key = &target.slice.key;
        if target
            .previous
            .as_ref()
            .is_some_and(|previous| previous.file.rows > 0)
        {
            return Ok(Some(format!(
                "{key} keeps its earlier file: nothing new was delivered for it"
            )));
        }
        let asked = intersection(self.order.window, target.slice.window);
        let delivered = |part: &&Found| asked.is_some_and(|asked| part.part.window.overlaps(asked));
        if !self.found.iter().any(|part| delivered(&part)) {
            return Ok(None);
        }
        let entry = FileEntry {
            path: None,
            bytes: 0,
            sha256: None,
            rows: 0,
        };
        self.write_manifest(disk, target, &self.manifest(target, entry, 0))?;
        Ok(None)
    }

    fn write_manifest(
        &self,
        disk: &Disk,
        target: &Target,
        manifest: &Manifest,
    ) -> Result<(), Fault> {
        let same = |previous: &Manifest| previous.says_the_same(manifest);
        if target.previous.as_ref().is_some_and(same) {
            return Ok(());
        }
        let order = self.order;
        let to = layout::manifest(disk.root(), &order.schedule, &target.slice.key);
        let staging = layout::staging(disk.root(), &order.run).join("manifest.json");
        disk.replace(&staging, &to, &manifest.to_text())
    }

    fn manifest(&self, target: &Target, file: FileEntry, generation: u64) -> Manifest {
        let order = self.order;
        let (asked, landed) = self.cells_of(target);
        let missing = |row: &usize| !landed.has_property(*row);
        let wanted: Vec<usize> = (0..asked.properties().len())
            .filter(|row| asked.has_property(*row))
            .collect();
        let absent: Vec<i64> = wanted
            .iter()
            .filter(|row| missing(row))
            .map(|row| asked.properties()[*row])
            .collect();
        let mut gaps = asked.clone();
        landed
            .spans()
            .into_iter()
            .for_each(|span| gaps.clear_span(span));
        Manifest {
            schema: SCHEMA.to_owned(),
            schedule: order.schedule.clone(),
            run: order.run.clone(),
            generation,
            window: order.window,
            report: order.report,
            format: order.format,
            file,
            jobs: self.jobs(target),
            properties: PropertySummary {
                requested: wanted.len(),
                present: wanted.len() - absent.len(),
                missing: absent,
            },
            dates: dates(&asked, &landed),
            columns: self.columns_of(target),
            checks: self.checks.clone(),
            landed_at: order.at,
            empty: self.empty_of(target, &gaps),
            gaps: gaps.spans(),
        }
    }

    /// Cells ever asked for in this partition, and those whose rows are in its file.
    fn cells_of(&self, target: &Target) -> (Cells, Cells) {
        let mut asked = Cells::none(target.fresh.properties(), target.slice.window);
        if let Some(window) = intersection(self.order.window, target.slice.window) {
            asked.set_rectangle(&self.order.properties, window);
        }
        if let Some(previous) = &target.previous {
            previous.mark_asked(&mut asked);
        }
        let mut landed = target.fresh.clone();
        target
            .kept
            .spans()
            .into_iter()
            .for_each(|span| landed.set_span(span));
        (asked, landed)
    }

    fn empty_of(&self, target: &Target, gaps: &Cells) -> Vec<CellSpan> {
        let mut empty = Cells::none(target.fresh.properties(), target.slice.window);
        let earlier = target
            .previous
            .iter()
            .flat_map(|previous| previous.empty.iter());
        earlier.for_each(|span| empty.set_span(*span));
        for part in self.found.iter().filter(|part| part.facts.rows == 0) {
            if let Some(window) = intersection(part.part.window, target.slice.window) {
                empty.set_rectangle(&part.part.properties, window);
            }
        }
        let mut both = empty.clone();
        for span in empty.spans() {
            for day in span
                .window()
                .days()
                .filter(|day| !gaps.is_set(span.property, *day))
            {
                both.clear_span(CellSpan {
                    property: span.property,
                    from: day,
                    to: day,
                });
            }
        }
        both.spans()
    }

    /// The jobs of this run for the partition, and earlier ones that still have rows in it.
    fn jobs(&self, target: &Target) -> Vec<JobEntry> {
        let here = self
            .found
            .iter()
            .filter(|part| part.part.window.overlaps(target.slice.window));
        let mut jobs: Vec<JobEntry> = here.map(|part| job_entry(part.part)).collect();
        for earlier in target
            .previous
            .iter()
            .flat_map(|previous| previous.jobs.iter())
        {
            let known = jobs.iter().any(|job| job.job_id == earlier.job_id);
            let mut its = Cells::none(target.kept.properties(), target.slice.window);
            if let Some(window) = intersection(earlier.window(), target.slice.window) {
                its.set_rectangle(&earlier.property_ids, window);
            }
            let stays = its.spans().into_iter().any(|span| {
                span.window()
                    .days()
                    .any(|day| target.kept.is_set(span.property, day))
            });
            if stays && !known {
                jobs.push(earlier.clone());
            }
        }
        jobs
    }

    fn columns_of(&self, target: &Target) -> Vec<Column> {
        match &target.previous {
            Some(previous) if self.columns.is_empty() => previous.columns.clone(),
            _ => self.columns.clone(),
        }
    }

    fn empty(&self) -> Cells {
        let mut empty = Cells::none(&self.order.properties, self.order.window);
        for part in self.found.iter().filter(|part| part.facts.rows == 0) {
            if let Some(window) = intersection(part.part.window, self.order.window) {
                empty.set_rectangle(&part.part.properties, window);
            }
        }
        self.delivered
            .spans()
            .into_iter()
            .for_each(|span| empty.clear_span(span));
        empty
    }

    fn verdict(&self) -> (Verdict, Option<String>) {
        let (delivered, order) = (&self.delivered, self.order);
        let rows: u64 = self.found.iter().map(|part| part.facts.rows).sum();
        let enough = order.checks.min_property_coverage.unwrap_or(1.0);
        let all = delivered.count() == delivered.size();
        if rows > 0 && (all || checks::share(delivered) >= enough) {
            return (Verdict::Landed, None);
        }
        let reason = if order.parts.is_empty() {
            "no part was delivered".to_owned()
        } else if rows == 0 {
            "the export holds no rows".to_owned()
        } else {
            let absent = delivered.size() - delivered.count();
            format!(
                "{absent} of {} property-days are not in the data: {}",
                delivered.size(),
                self.absentees()
            )
        };
        (Verdict::Incomplete, Some(reason))
    }

    /// The first few missing cells, by name.
    fn absentees(&self) -> String {
        let gaps = self.delivered.gaps();
        let shown: Vec<String> = gaps
            .iter()
            .take(5)
            .map(|gap| format!("{} {}", gap.property, gap.window()))
            .collect();
        let more = if gaps.len() > 5 { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    }

    fn published(
        &self,
        verdict: Verdict,
        reason: Option<String>,
        files: Vec<PublishedFile>,
    ) -> Published {
        let mut landed = self.delivered.clone();
        for target in &self.composition.targets {
            target
                .kept
                .spans()
                .into_iter()
                .for_each(|span| landed.set_span(span));
        }
        let mut empty = self.empty();
        landed
            .spans()
            .into_iter()
            .for_each(|span| empty.clear_span(span));
        let mut present = landed.clone();
        empty
            .spans()
            .into_iter()
            .for_each(|span| present.set_span(span));
        Published {
            verdict,
            reason,
            rows: self.found.iter().map(|part| part.facts.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            files,
            checks: self.checks.clone(),
            landed: landed.spans(),
            empty: empty.spans(),
            missing: present.gaps(),
        }
    }
}

fn job_entry(part: &Delivered) -> JobEntry {
    JobEntry {
        job_id: part.job_id.clone(),
        properties: part.properties.len(),
        property_ids: part.properties.clone(),
        from: part.window.from,
        to: part.window.to,
        bytes: part.artifact.bytes,
        sha256: part.artifact.sha256.clone(),
    }
}

fn dates(asked: &Cells, landed: &Cells) -> DateSummary {
    let days: Vec<usize> = (0..asked.window().len() as usize)
        .filter(|day| asked.has_day(*day))
        .collect();
    let first = days.first().copied().unwrap_or_default();
    let last = days.last().copied().unwrap_or_default();
    let missing = days.into_iter().filter(|day| !landed.has_day(*day));
    DateSummary {
        from: asked.day_at(first),
        to: asked.day_at(last),
        missing: missing.map(|day| asked.day_at(day)).collect(),
    }
}

fn published_file(manifest: &Manifest) -> Option<PublishedFile> {
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
fn announce(disk: &Disk, order: &PublishOrder, manifests: &[Manifest]) -> Result<(), Fault> {
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
fn point_to_latest(disk: &Disk, order: &PublishOrder, manifests: &[Manifest]) -> Result<(), Fault> {
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
