//! What a publish comes to: files in place and a verdict, or files kept aside and a reason.

use super::announce::{announce, point_to_latest, published_file};
use super::cells::Cells;
use super::checks;
use super::compose::{Action, Composition, Found, Target};
use super::disk::Disk;
use super::merge::Merged;
use super::partition::intersection;
use super::schema::{self, Comparison};
use super::{Delivered, PublishOrder, layout, restated, retype};
use crate::run::{Check, Fault, Published, PublishedFile, Verdict};
use serde_json::json;

/// A run that was composed and checked.
pub(super) struct Outcome<'a> {
    pub order: &'a PublishOrder,
    pub found: &'a [Found<'a>],
    /// Parts whose rows are in published files already and no longer in raw/.
    pub landed: &'a [&'a Delivered],
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
            "did not pass {}; its files are kept out of data/, in {place}: look at them, then `{accept}` lands \
             them as they are",
            checks::named(failed)
        );
        let mut published = self.published(Verdict::Quarantined, Some(reason), Vec::new());
        published.landed = Vec::new();
        published.missing = Cells::none(&order.properties, order.window).gaps();
        published.empty = Vec::new();
        published.lost = Vec::new();
        published.told = self.schema.event().into_iter().collect();
        let names: Vec<&String> = failed.iter().map(|check| &check.name).collect();
        published.told.push(json!({
            "event": "quarantined", "checks": names, "place": place, "accept": accept,
        }));
        Ok(published)
    }

    pub fn land(&self, disk: &Disk, files: &[Option<Merged>]) -> Result<Published, Fault> {
        let order = self.order;
        let retyped = retype::retype(disk, order, self.composition, &self.schema)?;
        let mut manifests = Vec::new();
        let mut notes = Vec::new();
        let mut restatements = Vec::new();
        let targets = self.composition.targets.iter().zip(files);
        for ((target, file), checks) in targets.zip(&self.checks_of_files) {
            match file {
                Some(file) => {
                    let checks = self.standing_checks(target).unwrap_or(checks);
                    restatements.extend(restated::of(disk, order, target, file)?);
                    manifests.push(self.put(disk, target, file, checks)?);
                }
                None => notes.extend(self.put_nothing(disk, target, checks)?),
            }
        }
        announce(disk, order, &[&retyped[..], &manifests].concat())?;
        let proven = retype::event(disk, order, &self.schema, &manifests)?;
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
        published.told.extend(proven);
        published.told.extend(restated::event(&restatements));
        published.told.extend(checks::windows_event(&self.checks));
        if !overruled.is_empty() {
            let names: Vec<&String> = overruled.iter().map(|check| &check.name).collect();
            let by = order.accepted_by.as_deref().unwrap_or("on_fail = \"land\"");
            published
                .told
                .push(json!({"event": "checks_overruled", "checks": names, "by": by}));
        }
        Ok(published)
    }

    /// Those made when the file was, if the parts that it was made of cannot be looked at any more.
    fn standing_checks<'t>(&self, target: &'t Target) -> Option<&'t [Check]> {
        let window = target.slice.window;
        let looked_at = self
            .found
            .iter()
            .any(|part| part.part.window.overlaps(window));
        let previous = target.previous.as_ref();
        let previous = previous.filter(|_| target.action == Action::Settled && !looked_at);
        previous.map(|previous| &previous.checks[..])
    }

    /// Rows that the run delivered.
    fn rows(&self) -> u64 {
        let landed = self.landed.iter().map(|part| part.artifact.rows);
        self.found
            .iter()
            .map(|part| part.facts.rows)
            .chain(landed)
            .sum()
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
        let found = self.found.iter().filter(|part| part.facts.rows == 0);
        let landed = self.landed.iter().filter(|part| part.artifact.rows == 0);
        for part in found.map(|part| part.part).chain(landed.copied()) {
            if let Some(window) = intersection(part.window, self.order.window) {
                empty.set_rectangle(&part.properties, window);
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
        let rows = self.rows();
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
        let filled = self.found.iter().filter(|part| part.facts.rows > 0);
        Published {
            verdict,
            reason,
            names_days: filled
                .map(|part| part.facts.has_date)
                .reduce(|all, one| all && one),
            rows: self.rows(),
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
