//! What a publish comes to: files in place and a verdict, or files kept aside and a reason.

use super::announce::{announce, point_to_latest, published_file};
use super::cells::Cells;
use super::checks;
use super::compose::{Composition, Found};
use super::disk::Disk;
use super::merge::Merged;
use super::partition::intersection;
use super::schema::{self, Comparison};
use super::{PublishOrder, layout, restated};
use crate::run::{Check, Fault, Published, PublishedFile, Verdict};
use serde_json::json;

/// A run that was composed and checked.
pub(super) struct Outcome<'a> {
    pub order: &'a PublishOrder,
    pub found: &'a [Found<'a>],
    pub composition: &'a Composition,
    /// Of the run as a whole, and of each target's file.
    pub checks: Vec<Check>,
    pub checks_of_files: Vec<Vec<Check>>,
    pub schema: Comparison,
    /// Cells asked for whose rows the run delivered.
    pub delivered: Cells,
}

impl Outcome<'_> {
    /// Keeps the files out of `data/`, where a person can look at them.
    pub fn quarantine(&self, disk: &Disk, failed: &[&Check]) -> Result<Published, Fault> {
        let order = self.order;
        let out = layout::staging(disk.root(), &order.run).join("out");
        let to = layout::quarantine(disk.root(), &order.run);
        disk.remove_folder(&to)?;
        disk.make_folder(to.parent().unwrap_or(disk.root()))?;
        disk.rename_folder(&out, &to)?;
        let place = format!("staging/quarantine/{}", order.run);
        let checks = serde_json::to_vec_pretty(&self.checks).unwrap_or_default();
        let staged = to.join(".checks.new");
        disk.replace(&staged, &to.join("checks.json"), &checks)?;
        let accept = format!("aptiqd retry {} --accept", order.run);
        let reason = format!(
            "failed {}; its files are kept out of data/, in {place}: look at them, then `{accept}` lands \
             them as they are",
            checks::named(failed)
        );
        let mut published = self.published(Verdict::Quarantined, Some(reason), Vec::new());
        published.landed = Vec::new();
        published.missing = Cells::none(&order.properties, order.window).gaps();
        published.empty = Vec::new();
        published.told.extend(self.schema.event());
        let names: Vec<&String> = failed.iter().map(|check| &check.name).collect();
        published.told.push(json!({
            "event": "quarantined", "checks": names, "place": place, "accept": accept,
        }));
        Ok(published)
    }

    pub fn land(&self, disk: &Disk, files: &[Option<Merged>]) -> Result<Published, Fault> {
        let order = self.order;
        let mut manifests = Vec::new();
        let mut notes = Vec::new();
        let mut restatements = Vec::new();
        let targets = self.composition.targets.iter().zip(files);
        for ((target, file), checks) in targets.zip(&self.checks_of_files) {
            match file {
                Some(file) => {
                    restatements.extend(restated::of(disk, order, target, file)?);
                    manifests.push(self.put(disk, target, file, checks)?);
                }
                None => notes.extend(self.put_nothing(disk, target, checks)?),
            }
        }
        announce(disk, order, &manifests)?;
        restated::announce(disk, order, &restatements)?;
        schema::remember(disk, order, &self.schema)?;
        point_to_latest(disk, order, &manifests)?;
        disk.remove_folder(&layout::quarantine(disk.root(), &order.run))?;
        let files: Vec<PublishedFile> = manifests.iter().filter_map(published_file).collect();
        let (verdict, reason) = self.verdict();
        let overruled = match files.is_empty() {
            true => Vec::new(),
            false => checks::overruled(&self.checks),
        };
        let marks = [reason, self.overruled(&overruled)];
        let mut words: Vec<String> = marks.into_iter().flatten().collect();
        if verdict != Verdict::Landed {
            words.extend(notes);
        }
        let reason = (!words.is_empty()).then(|| words.join("; "));
        let mut published = self.published(verdict, reason, files);
        published.told.extend(self.schema.event());
        published.told.extend(restated::event(&restatements));
        if !overruled.is_empty() {
            let names: Vec<&String> = overruled.iter().map(|check| &check.name).collect();
            let by = order.accepted_by.as_deref().unwrap_or("on_fail = \"land\"");
            published
                .told
                .push(json!({"event": "checks_overruled", "checks": names, "by": by}));
        }
        Ok(published)
    }

    /// Why rows are in `data/` although checks failed.
    fn overruled(&self, failed: &[&Check]) -> Option<String> {
        if failed.is_empty() {
            return None;
        }
        let by = match &self.order.accepted_by {
            Some(by) => format!("accepted by {by}"),
            None => "landed by on_fail = \"land\"".to_owned(),
        };
        Some(format!("{by} although it failed {}", checks::named(failed)))
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
        let share = checks::share(delivered.size(), delivered.count());
        if rows > 0 && (all || share >= enough) {
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
            told: Vec::new(),
        }
    }
}
