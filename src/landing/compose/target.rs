//! One partition of a run: whose rows it keeps, whose it takes, and how its file comes to be.

use super::routing::{Share, route, separable};
use super::{Found, staged};
use crate::landing::cells::Cells;
use crate::landing::inspect::content;
use crate::landing::manifest::Manifest;
use crate::landing::merge::{self, Merged, Source, Take};
use crate::landing::partition::{Slice, intersection};
use crate::landing::schema::Comparison;
use crate::landing::{Delivered, PublishOrder, recover};
use crate::run::{CellSpan, Fault, PartNumber, Remedy};
use crate::schedule::{Partition, Window};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A partition as it is and as it will be.
pub(in crate::landing) struct Target {
    pub slice: Slice,
    pub previous: Option<Manifest>,
    /// Cells whose newest rows this run delivered.
    pub fresh: Cells,
    /// Cells whose rows stay from the file that is there.
    pub kept: Cells,
    /// What parts give that were outrun: the cells for which the file holds no newer rows.
    pub outrun: BTreeMap<PartNumber, Cells>,
    /// Newer rows of it cannot be told from those that this run failed to deliver: it stays as it is.
    pub held: bool,
    /// Cells of nobody's now, whose rows give way because they cannot be told from the run's.
    pub dropped: Vec<CellSpan>,
    /// Its file is not what its manifest says, so that the rows that stay come out of raw/.
    pub rebuilt: bool,
    pub action: Action,
}

/// How a partition's file comes to be.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::landing) enum Action {
    /// The run has no row for it.
    Nothing,
    /// An earlier publish of this run put the very same parts in place.
    Settled,
    /// The artifact at this place among the found is the file.
    Copy(usize),
    /// The merge writes it, as this output.
    Merge(usize),
}

impl Target {
    pub(super) fn of(
        order: &PublishOrder,
        slice: Slice,
        previous: Option<Manifest>,
        found: &[Found],
    ) -> Target {
        let mut properties = order.properties.clone();
        if let Some(previous) = &previous {
            properties.extend(previous.asked_properties());
            properties.sort_unstable();
            properties.dedup();
        }
        let mut fresh = Cells::none(&properties, slice.window);
        let mut kept = fresh.clone();
        let mut outrun = BTreeMap::new();
        let before = previous.as_ref().filter(|previous| previous.file.rows > 0);
        if let Some(before) = before {
            before.mark_landed(&mut kept);
        }
        for Found { part, facts } in found.iter().filter(|part| part.facts.rows > 0) {
            let mut cells = Cells::none(&properties, slice.window);
            facts.cells.iter().for_each(|span| cells.set_span(*span));
            let newer = before.map(|before| {
                before.delivered_after(part.delivered_at, order.at, &part.job_id, &cells)
            });
            if let Some(newer) = newer.filter(|newer| cells.overlaps(newer)) {
                cells.clear(&newer);
                outrun.insert(part.number, cells.clone());
            }
            fresh.set(&cells);
        }
        kept.clear(&fresh);
        Target {
            slice,
            previous,
            fresh,
            kept,
            outrun,
            held: false,
            dropped: Vec::new(),
            rebuilt: false,
            action: Action::Nothing,
        }
    }

    pub(super) fn decide(
        &mut self,
        root: &Path,
        order: &PublishOrder,
        found: &[Found],
        schema: &Comparison,
        sources: &mut Vec<Source>,
        outputs: &mut Vec<PathBuf>,
    ) -> Result<(), Fault> {
        let mine: Vec<usize> = (0..found.len())
            .filter(|at| self.may_hold(&found[*at]))
            .collect();
        let lost = self.previous.as_ref().is_some_and(Manifest::is_lost);
        if mine.is_empty() && !lost {
            return Ok(());
        }
        let undone = self.fresh.is_empty() && !self.kept.is_empty();
        if undone && self.has_sound_file(root) {
            return Ok(());
        }
        if self.is_settled(root, order, &mine, found) {
            self.action = Action::Settled;
            return Ok(());
        }
        let mut from_raw = None;
        if !self.kept.is_empty() && self.has_sound_file(root) && !self.tells_apart(order) {
            from_raw = self.kept_from_raw(root, order, outputs.len());
            if from_raw.is_none() {
                self.give_way(order)?;
            }
        }
        if self.held {
            return Ok(());
        }
        if let [only] = mine[..]
            && self.kept.is_empty()
            && self.whole(order, &found[only])
            && !schema.recasts(found[only].part.number)
        {
            self.action = Action::Copy(only);
            return Ok(());
        }
        if let Some(kept) = from_raw {
            sources.extend(kept);
        } else if !self.kept.is_empty() {
            self.rebuilt = !self.has_sound_file(root);
            sources.extend(self.keep_others(root, order, outputs.len())?);
        }
        self.action = Action::Merge(outputs.len());
        outputs.push(staged(root, order, &self.slice.key));
        Ok(())
    }

    /// Whether the file that is there is the run's own and has all that the run gives for it, although the raw
    /// files it was made from are gone.
    pub(super) fn stands(
        &self,
        root: &Path,
        order: &PublishOrder,
        found: &[Found],
        landed: &[&Delivered],
    ) -> bool {
        let own = |previous: &&Manifest| previous.run == order.run;
        let Some(previous) = self.previous.as_ref().filter(own) else {
            return false;
        };
        let holds = |part: &&Delivered| previous.jobs.iter().any(|job| job.is_of(part));
        landed.iter().any(holds)
            && !found.iter().any(|part| self.may_hold(part))
            && self.has_sound_file(root)
    }

    fn has_sound_file(&self, root: &Path) -> bool {
        let previous = self.previous.as_ref();
        previous.is_some_and(|previous| recover::is_sound(root, previous))
    }

    /// Whether a part has, or may have, rows for this partition.
    pub(super) fn may_hold(&self, part: &Found) -> bool {
        let outrun = self.outrun.get(&part.part.number);
        part.facts.rows > 0
            && part.part.window.overlaps(self.slice.window)
            && outrun.is_none_or(|cells| !cells.is_empty())
    }

    /// Whether the file that is there was made by this run from these parts. A repeat must not
    /// make it anew: Parquet cut and joined twice is the same rows, but not always the same bytes.
    fn is_settled(
        &self,
        root: &Path,
        order: &PublishOrder,
        mine: &[usize],
        found: &[Found],
    ) -> bool {
        let Some(previous) = self
            .previous
            .as_ref()
            .filter(|previous| previous.run == order.run)
        else {
            return false;
        };
        let known = |at: &usize| previous.jobs.iter().any(|job| job.is_of(found[*at].part));
        let (Some(path), true) = (&previous.file.path, mine.iter().all(known)) else {
            return false;
        };
        let there = merge::hash_file(&root.join(path)).ok();
        there.map(|(_, sha256)| sha256) == previous.file.sha256
    }

    /// Cells ever asked for in this partition, and those whose rows are in its file.
    pub fn cells(&self, order: &PublishOrder) -> (Cells, Cells) {
        let mut asked = Cells::none(self.fresh.properties(), self.slice.window);
        if let Some(window) = intersection(order.window, self.slice.window) {
            asked.set_rectangle(&order.properties, window);
        }
        if let Some(previous) = &self.previous {
            previous.mark_asked(&mut asked);
        }
        let mut landed = self.fresh.clone();
        self.kept
            .spans()
            .into_iter()
            .for_each(|span| landed.set_span(span));
        (asked, landed)
    }

    /// The file that is in place already.
    pub fn settled_file(&self) -> Option<Merged> {
        let file = &self.previous.as_ref()?.file;
        Some(Merged {
            bytes: file.bytes,
            sha256: file.sha256.clone()?,
            rows: file.rows,
        })
    }

    /// Whether all rows of the part belong here.
    pub(super) fn whole(&self, order: &PublishOrder, part: &Found) -> bool {
        let window = part.part.window;
        let inside = intersection(window, self.slice.window) == Some(window);
        !self.outrun.contains_key(&part.part.number)
            && (order.partition == Partition::Window
                || inside && (part.facts.dated() || !part.facts.has_date && window.len() == 1))
    }

    /// The cells for which a part's rows are the newest, if not for all that it delivered.
    pub(super) fn share(&self, part: &Found) -> Result<Option<Share>, Fault> {
        let Some(wins) = self.outrun.get(&part.part.number) else {
            return Ok(None);
        };
        let mut loses = Cells::none(wins.properties(), wins.window());
        let cells = part.facts.cells.iter();
        cells.for_each(|span| loses.set_span(*span));
        loses.clear(wins);
        let by_date = part.facts.has_date || self.slice.window.len() == 1;
        if !separable(wins, &loses, part.facts.has_property, by_date) {
            return Err(self.inseparable());
        }
        Ok(Some(Share {
            cells: wins.clone(),
            by_property: part.facts.has_property,
        }))
    }

    fn inseparable(&self) -> Fault {
        let fault = content(format!(
            "rows cannot be told apart: {} holds rows that this run does not deliver, and no column tells them from \
             those it does: export the whole partition anew",
            self.slice.key
        ));
        fault.mended_by(Remedy::WholePartitions)
    }

    /// The columns by which rows of the published file can be routed: property and date.
    fn columns(&self, order: &PublishOrder) -> (bool, bool) {
        let columns = self.previous.iter().flat_map(|previous| &previous.columns);
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        (
            names.contains(&order.columns.property.as_str()),
            names.contains(&order.columns.date.as_str()) || self.slice.window.len() == 1,
        )
    }

    /// Whether the rows that are to stay can be told from those that this run delivered anew.
    fn tells_apart(&self, order: &PublishOrder) -> bool {
        let (by_property, by_date) = self.columns(order);
        let same = |previous: &Manifest| previous.format == order.format;
        self.previous.as_ref().is_some_and(same)
            && separable(&self.fresh, &self.kept, by_property, by_date)
    }

    /// Rows that no column names the day of lie in raw files of one day each, if they are still there.
    fn kept_from_raw(
        &self,
        root: &Path,
        order: &PublishOrder,
        output: usize,
    ) -> Option<Vec<Source>> {
        let previous = self.previous.as_ref()?;
        let (_, by_date) = self.columns(order);
        let sources = || recover::sources(root, order, self, previous, output);
        (!by_date).then(sources)?.ok()
    }

    /// What stays cannot be told from what is new. If it is the run's own, nothing changes; if it is
    /// others', the run must ask for all of them, and what then is nobody's gives way.
    fn give_way(&mut self, order: &PublishOrder) -> Result<(), Fault> {
        let mut own = Cells::none(self.kept.properties(), self.kept.window());
        if let Some(window) = intersection(order.window, self.slice.window) {
            own.set_rectangle(&order.properties, window);
        }
        if own.overlaps(&self.kept) {
            self.held = true;
            self.fresh.clear(&self.fresh.clone());
            if let Some(previous) = &self.previous {
                previous.mark_landed(&mut self.kept);
            }
            return Ok(());
        }
        let asked = intersection(order.window, self.slice.window);
        let within = |span: &CellSpan| {
            asked.is_some_and(|asked| asked.contains(span.from) && asked.contains(span.to))
        };
        if !self.kept.spans().iter().all(within) {
            let Window { from, to } = self.slice.window;
            return Err(content(format!(
                "{} holds rows of other days, and no column tells them from the run's: export the whole \
                 partition anew: aptiqd trigger {} --from {from} --to {to}",
                self.slice.key, order.schedule
            )));
        }
        if !order.whole {
            return Err(self.inseparable());
        }
        self.dropped = self.kept.spans();
        self.kept.clear(&self.kept.clone());
        Ok(())
    }

    /// The rows of the published file that this run did not deliver anew.
    fn keep_others(
        &self,
        root: &Path,
        order: &PublishOrder,
        output: usize,
    ) -> Result<Vec<Source>, Fault> {
        let previous = self
            .previous
            .as_ref()
            .ok_or_else(|| content("nothing to keep"))?;
        if self.rebuilt {
            return recover::sources(root, order, self, previous, output);
        }
        let day = (self.slice.window.len() == 1).then_some(self.slice.window.from);
        let columns = self.columns(order);
        let path = previous.file.path.clone().unwrap_or_default();
        Ok(vec![Source {
            path: root.join(path),
            rows: previous.file.rows,
            take: Take::Routed(route(self.kept.clone(), columns, day, output)),
        }])
    }

    pub(super) fn output(&self) -> Option<usize> {
        match self.action {
            Action::Merge(output) => Some(output),
            _ => None,
        }
    }
}
