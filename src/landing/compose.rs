//! Which rows make up each partition: the newest delivered ones of every cell, nobody else's lost.

use super::cells::Cells;
use super::inspect::{Facts, Slots, content, day_number, day_of_number};
use super::manifest::{JobEntry, Manifest};
use super::merge::{self, Merged, Route, Source, Take};
use super::partition::{Slice, intersection, slices};
use super::schema::Comparison;
use super::{Delivered, PublishOrder, layout};
use crate::run::{Fault, FaultClass};
use crate::schedule::{Partition, Window};
use std::path::{Path, PathBuf};

/// How the fault begins that asks for parts of one day each.
pub const NO_DATE_COLUMN: &str = "no date column";

/// Whether the run must be planned anew in parts of one day, because its files name no day.
pub fn needs_one_day_parts(fault: &Fault) -> bool {
    fault.class == FaultClass::Content && fault.message.starts_with(NO_DATE_COLUMN)
}

/// A delivered part with what inspection found in it.
pub(super) struct Found<'a> {
    pub part: &'a Delivered,
    pub facts: Facts,
}

/// A partition as it is and as it will be.
pub(super) struct Target {
    pub slice: Slice,
    pub previous: Option<Manifest>,
    /// Cells whose newest rows this run delivered.
    pub fresh: Cells,
    /// Cells whose rows stay from the file that is there.
    pub kept: Cells,
    pub action: Action,
}

/// How a partition's file comes to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The run has no row for it.
    Nothing,
    /// An earlier publish of this run put the very same parts in place.
    Settled,
    /// The artifact at this place among the found is the file.
    Link(usize),
    /// The merge writes it, as this output.
    Merge(usize),
}

/// All partitions of a run, and the one merge that makes those which need it.
pub(super) struct Composition {
    pub targets: Vec<Target>,
    pub sources: Vec<Source>,
    pub outputs: Vec<PathBuf>,
}

pub(super) fn compose(
    root: &Path,
    order: &PublishOrder,
    found: &[Found],
    schema: &Comparison,
) -> Result<Composition, Fault> {
    let mut targets = Vec::new();
    for slice in slices(order.partition, order.window) {
        let previous = Manifest::load(root, &order.schedule, &slice.key)?;
        targets.push(Target::of(order, slice, previous, found));
    }
    let mut sources = Vec::new();
    let mut outputs = Vec::new();
    for target in &mut targets {
        target.decide(root, order, found, schema, &mut sources, &mut outputs)?;
    }
    add_parts(root, order, found, &targets, &mut sources)?;
    Ok(Composition {
        targets,
        sources,
        outputs,
    })
}

/// Where an output is staged until it is published.
pub(super) fn staged(root: &Path, order: &PublishOrder, key: &str) -> PathBuf {
    let name = format!("{}.{}", order.schedule, order.format.as_str());
    layout::staging(root, &order.run)
        .join("out")
        .join(key)
        .join(name)
}

impl Target {
    fn of(
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
        for part in found.iter().filter(|part| part.facts.rows > 0) {
            part.facts
                .cells
                .iter()
                .for_each(|span| fresh.set_span(*span));
        }
        let mut before = Cells::none(&properties, slice.window);
        if let Some(previous) = previous.as_ref().filter(|previous| previous.file.rows > 0) {
            previous.mark_landed(&mut before);
        }
        let mut kept = before;
        fresh
            .spans()
            .into_iter()
            .for_each(|span| kept.clear_span(span));
        Target {
            slice,
            previous,
            fresh,
            kept,
            action: Action::Nothing,
        }
    }

    fn decide(
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
        if mine.is_empty() {
            return Ok(());
        }
        let undone = self.fresh.count() == 0 && self.kept.count() > 0;
        if undone {
            return Ok(());
        }
        if self.is_settled(root, order, &mine, found) {
            self.action = Action::Settled;
            return Ok(());
        }
        if let [only] = mine[..]
            && self.kept.count() == 0
            && self.whole(order, &found[only])
            && !schema.recasts(found[only].part.number)
        {
            self.action = Action::Link(only);
            return Ok(());
        }
        if self.kept.count() > 0 {
            sources.push(self.keep_others(root, order, outputs.len())?);
        }
        self.action = Action::Merge(outputs.len());
        outputs.push(staged(root, order, &self.slice.key));
        Ok(())
    }

    /// Whether a part has, or may have, rows for this partition.
    fn may_hold(&self, part: &Found) -> bool {
        part.facts.rows > 0 && part.part.window.overlaps(self.slice.window)
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
        let known = |at: &usize| previous.jobs.contains(&JobEntry::of(found[*at].part));
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
    fn whole(&self, order: &PublishOrder, part: &Found) -> bool {
        let window = part.part.window;
        let inside = intersection(window, self.slice.window) == Some(window);
        order.partition == Partition::Window
            || inside && (part.facts.dated() || !part.facts.has_date)
    }

    /// The rows of the published file that this run did not deliver anew.
    fn keep_others(
        &self,
        root: &Path,
        order: &PublishOrder,
        output: usize,
    ) -> Result<Source, Fault> {
        let previous = self
            .previous
            .as_ref()
            .ok_or_else(|| content("nothing to keep"))?;
        let named = |name: &str| previous.columns.iter().any(|column| column.name == name);
        let day = (self.slice.window.len() == 1).then_some(self.slice.window.from);
        let by_property = named(&order.columns.property);
        let by_date = named(&order.columns.date) || day.is_some();
        if previous.format != order.format
            || !(by_property || by_date)
            || !self.separable(by_property, by_date)
        {
            return Err(content(format!(
                "{} holds rows of properties that this run does not deliver, and no column tells \
                 them apart: export the whole partition anew",
                self.slice.key
            )));
        }
        let kept = self.kept.clone();
        let route: Route = Box::new(move |property, date| {
            let property = by_property.then(|| property.as_property()).flatten();
            let day = match day {
                Some(day) => Some(day),
                None if by_date => date.as_day().and_then(day_of_number),
                None => None,
            };
            let stays = match (by_property, by_date) {
                (true, true) => kept.is_set(property?, day?),
                (true, false) => kept.has_property(kept.property_index(property?)?),
                _ => kept.has_day(kept.day_index(day?)?),
            };
            stays.then_some(output)
        });
        let path = previous.file.path.clone().unwrap_or_default();
        Ok(Source {
            path: root.join(path),
            rows: previous.file.rows,
            take: Take::Routed(route),
        })
    }

    /// With only one of the two columns, a whole property or a whole day must go or stay.
    fn separable(&self, by_property: bool, by_date: bool) -> bool {
        let properties = 0..self.fresh.properties().len();
        let mut days = 0..self.slice.window.len() as usize;
        match (by_property, by_date) {
            (true, true) => true,
            (true, false) => properties
                .into_iter()
                .all(|at| !(self.fresh.has_property(at) && self.kept.has_property(at))),
            (false, true) => days.all(|day| !(self.fresh.has_day(day) && self.kept.has_day(day))),
            (false, false) => false,
        }
    }

    fn output(&self) -> Option<usize> {
        match self.action {
            Action::Merge(output) => Some(output),
            _ => None,
        }
    }
}

/// Each part that is not linked becomes a source of the merge, after the rows that stay.
fn add_parts(
    root: &Path,
    order: &PublishOrder,
    found: &[Found],
    targets: &[Target],
    sources: &mut Vec<Source>,
) -> Result<(), Fault> {
    for part in found.iter().filter(|part| part.facts.rows > 0) {
        let mine: Vec<&Target> = targets
            .iter()
            .filter(|target| target.may_hold(part))
            .collect();
        if mine.iter().all(|target| target.output().is_none()) {
            continue;
        }
        let take = match mine[..] {
            [target] if target.whole(order, part) => match target.output() {
                Some(output) => Take::Whole(output),
                None => continue,
            },
            _ if part.facts.has_date => Take::Routed(by_day(&mine, part.part.window)),
            _ => {
                return Err(content(format!(
                    "{NO_DATE_COLUMN} `{}`: part {} holds {} days and cannot be split",
                    order.columns.date,
                    part.part.number,
                    part.part.window.len()
                )));
            }
        };
        sources.push(Source {
            path: root.join(&part.part.artifact.path),
            rows: part.facts.rows,
            take,
        });
    }
    Ok(())
}

/// Rows by their day; a day that nobody asked for lands nowhere.
fn by_day(targets: &[&Target], window: Window) -> Route {
    let first = day_number(window.from);
    let output_of = |day| {
        let target = targets
            .iter()
            .find(|target| target.slice.window.contains(day))?;
        target.output()
    };
    let outputs: Vec<Option<usize>> = window.days().map(output_of).collect();
    Box::new(move |_, date| {
        let index = i64::from(date.as_day()?) - i64::from(first);
        outputs.get(usize::try_from(index).ok()?).copied().flatten()
    })
}

/// The two columns that rows are routed by.
pub(super) fn slots(order: &PublishOrder) -> Slots {
    Slots::of(&order.columns.property, &order.columns.date)
}
