//! One partition put in place: file, then manifest. Each step finds out from disk what is already
//! done, so a repeat after a crash completes it.

use super::cells::Cells;
use super::compose::{self, Action, Found, Target};
use super::disk::{Disk, disk_fault};
use super::manifest::{
    Column, DateSummary, FileEntry, JobEntry, Manifest, PropertySummary, SCHEMA,
};
use super::merge::{self, Merged};
use super::outcome::Outcome;
use super::partition::intersection;
use super::{PublishOrder, layout};
use crate::run::{CellSpan, Check, Fault};
use crate::schedule::Format;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where a partition's manifest waits until its file is in place.
pub(super) fn staged_manifest(root: &Path, order: &PublishOrder, key: &str) -> PathBuf {
    layout::staging(root, &order.run)
        .join("out")
        .join(key)
        .join("manifest.json")
}

/// Writes the manifest where it waits, durably.
pub(super) fn stage(
    disk: &Disk,
    order: &PublishOrder,
    key: &str,
    manifest: &Manifest,
) -> Result<(), Fault> {
    let staged = staged_manifest(disk.root(), order, key);
    let folder = staged.parent().unwrap_or(disk.root());
    disk.make_folder(folder)?;
    let mut file = disk.create(&staged)?;
    file.write_all(&manifest.to_text())
        .map_err(|error| disk_fault("write", &staged, &error))?;
    disk.sync_file(&file, &staged)?;
    disk.sync_folder(folder)
}

/// Renames the manifest that waits into place.
pub(super) fn put_manifest(disk: &Disk, order: &PublishOrder, key: &str) -> Result<(), Fault> {
    let root = disk.root();
    disk.make_folder(&layout::meta(root, &order.schedule))?;
    let to = layout::manifest(root, &order.schedule, key);
    disk.rename(&staged_manifest(root, order, key), &to)
}

impl Outcome<'_> {
    /// Renames a staged file into place unless its bytes are there already, then its manifest.
    pub fn put(
        &self,
        disk: &Disk,
        target: &Target,
        file: &Merged,
        checks: &[Check],
    ) -> Result<Manifest, Fault> {
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
        let generation = before.map_or(1, |previous| previous.generation + u64::from(!same));
        let entry = FileEntry {
            path: Some(path),
            bytes: file.bytes,
            sha256: Some(file.sha256.clone()),
            rows: file.rows,
        };
        let manifest = self.manifest(target, entry, generation, checks);
        let unsaid = self.stage_manifest(disk, target, &manifest)?;
        if !untouched {
            disk.make_folder(to.parent().unwrap_or(disk.root()))?;
            disk.rename(&staged, &to)?;
        }
        if unsaid {
            put_manifest(disk, order, &target.slice.key)?;
        }
        self.remove_other_formats(disk, target)?;
        Ok(manifest)
    }

    /// One file a partition: a schedule that changed its format leaves no second one behind.
    fn remove_other_formats(&self, disk: &Disk, target: &Target) -> Result<(), Fault> {
        let order = self.order;
        [Format::Csv, Format::Jsonl, Format::Parquet]
            .into_iter()
            .filter(|format| *format != order.format)
            .map(|format| layout::data(&order.schedule, &target.slice.key, format))
            .try_for_each(|path| disk.remove(&disk.root().join(path)))
    }

    /// A partition without new rows: rows that are there stay, and their manifest with them.
    pub fn put_nothing(
        &self,
        disk: &Disk,
        target: &Target,
        checks: &[Check],
    ) -> Result<Option<String>, Fault> {
        let key = &target.slice.key;
        if target
            .previous
            .as_ref()
            .is_some_and(|previous| previous.file.rows > 0)
        {
            let why = match target.held {
                true => {
                    "not all of it was delivered, and no column tells its rows apart from those that \
                     were"
                }
                false => "nothing new was delivered for it",
            };
            return Ok(Some(format!("{key} keeps its earlier file: {why}")));
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
        let manifest = self.manifest(target, entry, 0, checks);
        if self.stage_manifest(disk, target, &manifest)? {
            put_manifest(disk, self.order, key)?;
        }
        Ok(None)
    }

    /// Stages the manifest durably before its file is put in place, so that a repeat after a crash
    /// between the two knows it. Says whether the one in place differs.
    fn stage_manifest(
        &self,
        disk: &Disk,
        target: &Target,
        manifest: &Manifest,
    ) -> Result<bool, Fault> {
        let same = |previous: &Manifest| previous.says_the_same(manifest);
        if target.previous.as_ref().is_some_and(same) {
            return Ok(false);
        }
        stage(disk, self.order, &target.slice.key, manifest)?;
        Ok(true)
    }

    fn manifest(
        &self,
        target: &Target,
        file: FileEntry,
        generation: u64,
        checks: &[Check],
    ) -> Manifest {
        let order = self.order;
        let (asked, landed) = target.cells(order);
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
            checks: checks.to_vec(),
            landed_at: order.at,
            empty: self.empty_of(target, &gaps),
            gaps: gaps.spans(),
        }
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
        let here = self.found.iter().map(|part| part.part);
        let here = here.filter(|part| part.window.overlaps(target.slice.window));
        let mut jobs = Vec::new();
        for part in here {
            let mut mine = Cells::none(target.fresh.properties(), target.slice.window);
            if let Some(window) = intersection(part.window, target.slice.window) {
                mine.set_rectangle(&part.properties, window);
            }
            mine.keep(&target.fresh);
            let outrun = target.outrun.get(&part.number);
            if outrun.is_none_or(|cells| !cells.is_empty()) {
                jobs.push(JobEntry::of(part).holding(&mine));
            }
        }
        let previous = target.previous.iter();
        for earlier in previous.flat_map(|previous| previous.jobs.iter()) {
            let known = jobs
                .iter()
                .any(|job: &JobEntry| job.job_id == earlier.job_id);
            let mut its = earlier.holds(&target.kept);
            its.keep(&target.kept);
            if !its.is_empty() && !known {
                jobs.push(earlier.holding(&its));
            }
        }
        jobs
    }

    fn columns_of(&self, target: &Target) -> Vec<Column> {
        let columns = &self.schema.columns;
        match (&target.action, &target.previous) {
            (Action::Merge(_), _) => self.composition.columns(columns),
            (Action::Copy(at), _) => self.found[*at].facts.columns.clone(),
            (_, Some(previous)) if columns.is_empty() => previous.columns.clone(),
            (Action::Settled, Some(previous)) => previous.columns.clone(),
            _ => columns.clone(),
        }
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
