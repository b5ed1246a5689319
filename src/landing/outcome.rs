//! What a publish comes to: files in place and a verdict, or files kept aside and a reason.

use super::announce::{announce, point_to_latest, published_file};
use super::cells::Cells;
use super::checks;
use super::compose::{Composition, Found};
use super::disk::Disk;
use super::manifest::Column;
use super::merge::Merged;
use super::partition::intersection;
use super::{PublishOrder, layout, schema};
use crate::run::{Check, Fault, Published, PublishedFile, Verdict};
use serde_json::json;

/// A run that was composed and checked.
pub(super) struct Outcome<'a> {
    pub order: &'a PublishOrder,
    pub found: &'a [Found<'a>],
    pub composition: &'a Composition,
    pub checks: Vec<Check>,
    pub columns: Vec<Column>,
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
        let names: Vec<&str> = failed.iter().map(|check| check.name.as_str()).collect();
        let place = format!("staging/quarantine/{}", order.run);
        let reason = format!("failed {}; the files are kept in {place}", names.join(", "));
        let mut published = self.published(Verdict::Quarantined, Some(reason), Vec::new());
        published.landed = Vec::new();
        published.missing = Cells::none(&order.properties, order.window).gaps();
        published.empty = Vec::new();
        Ok(published)
    }

    pub fn land(&self, disk: &Disk, files: &[Option<Merged>]) -> Result<Published, Fault> {
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

    fn told(&self) -> Vec<serde_json::Value> {
        let composition = self.composition;
        let rebuilt = composition.rebuilt.iter().map(|key| {
            json!({
                "event": "partition_rebuilt", "key": key,
                "because": "its file or its manifest was damaged or gone; its rows came out of raw/",
            })
        });
        let lost = (!composition.lost.is_empty()).then(|| {
            let cells: u32 = composition
                .lost
                .iter()
                .map(|span| span.window().len())
                .sum();
            let first = composition.lost.iter().take(20).collect::<Vec<_>>();
            json!({
                "event": "rows_lost", "property_days": cells, "first": first,
                "because": "the partition has no manifest any more and raw/ does not hold them",
            })
        });
        let dropped = (!composition.dropped.is_empty()).then(|| {
            let first = composition.dropped.iter().take(20).collect::<Vec<_>>();
            json!({
                "event": "rows_dropped", "first": first,
                "because": "no column tells their rows from those exported anew, and the schedule does \
                            not ask for them any more",
            })
        });
        rebuilt.chain(lost).chain(dropped).collect()
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
            lost: [&self.composition.lost[..], &self.composition.dropped].concat(),
            told: self.told(),
        }
    }
}
