//! One partition put in place: file, then manifest. Each step finds out from disk what is already
//! done, so a repeat after a crash completes it.

use super::cells::Cells;
use super::compose::{self, Found, Target};
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
            self.place_manifest(disk, target)?;
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
        let manifest = self.manifest(target, entry, 0, checks);
        if self.stage_manifest(disk, target, &manifest)? {
            self.place_manifest(disk, target)?;
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
        let staged = staged_manifest(disk.root(), self.order, &target.slice.key);
        let folder = staged.parent().unwrap_or(disk.root());
        disk.make_folder(folder)?;
        let mut file = disk.create(&staged)?;
        file.write_all(&manifest.to_text())
            .map_err(|error| disk_fault("write", &staged, &error))?;
        disk.sync_file(&file, &staged)?;
        disk.sync_folder(folder)?;
        Ok(true)
    }

    fn place_manifest(&self, disk: &Disk, target: &Target) -> Result<(), Fault> {
        let (root, key) = (disk.root(), &target.slice.key);
        disk.make_folder(&layout::meta(root, &self.order.schedule))?;
        let to = layout::manifest(root, &self.order.schedule, key);
        disk.rename(&staged_manifest(root, self.order, key), &to)
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
        let here = self
            .found
            .iter()
            .filter(|part| part.part.window.overlaps(target.slice.window));
        let mut jobs: Vec<JobEntry> = here.map(|part| JobEntry::of(part.part)).collect();
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
            Some(previous) if self.schema.columns.is_empty() => previous.columns.clone(),
            _ => self.schema.columns.clone(),
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
