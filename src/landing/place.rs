//! One partition put in place: file, then manifest. Each step finds out from disk what is already
//! done, so a repeat after a crash completes it.

use super::cells::Cells;
use super::compose::{self, Found, Target};
use super::disk::Disk;
use super::manifest::{
    Column, DateSummary, FileEntry, JobEntry, Manifest, PropertySummary, SCHEMA,
};
use super::merge::{self, Merged};
use super::outcome::Outcome;
use super::partition::intersection;
use super::{Delivered, layout};
use crate::run::{CellSpan, Fault};

impl Outcome<'_> {
    /// Renames a staged file into place unless its bytes are there already, then its manifest.
    pub fn put(&self, disk: &Disk, target: &Target, file: &Merged) -> Result<Manifest, Fault> {
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
    pub fn put_nothing(&self, disk: &Disk, target: &Target) -> Result<Option<String>, Fault> {
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
