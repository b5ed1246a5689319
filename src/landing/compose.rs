//! Which rows make up each partition: the newest delivered ones of every cell, nobody else's lost.

use super::cells::Cells;
use super::inspect::{Datum, Facts, Slots, content, day_number, day_of_number};
use super::manifest::{Column, Manifest};
use super::merge::{self, Merged, Route, Source, Take};
use super::partition::{Slice, intersection, slices};
use super::schema::{self, Comparison};
use super::{Delivered, PublishOrder, layout, recover};
use crate::run::{CellSpan, Fault, FaultClass, PartNumber};
use crate::schedule::Partition;
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How the fault begins that asks for parts of one day each.
pub const NO_DATE_COLUMN: &str = "no date column";

/// How the fault begins that asks for all properties of a partition.
pub const NOT_APART: &str = "rows cannot be told apart";

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
pub(super) enum Action {
    /// The run has no row for it.
    Nothing,
    /// An earlier publish of this run put the very same parts in place.
    Settled,
    /// The artifact at this place among the found is the file.
    Copy(usize),
    /// The merge writes it, as this output.
    Merge(usize),
}

/// All partitions of a run, and the one merge that makes those which need it.
pub(super) struct Composition {
    pub targets: Vec<Target>,
    pub sources: Vec<Source>,
    pub outputs: Vec<PathBuf>,
    /// Keys of partitions whose file could not be trusted and is made anew from raw/.
    pub rebuilt: Vec<String>,
    /// Cells whose rows were in a file and are no more, nor in raw/.
    pub lost: Vec<CellSpan>,
    /// Cells whose rows gave way because no column tells them from the run's.
    pub dropped: Vec<CellSpan>,
}

pub(super) fn compose(
    root: &Path,
    order: &PublishOrder,
    found: &[Found],
    schema: &Comparison,
) -> Result<Composition, Fault> {
    let mut targets = Vec::new();
    let mut lost = Vec::new();
    for slice in slices(order.partition, order.window) {
        let mut previous = Manifest::load(root, &order.schedule, &slice.key)?;
        let mut gone = Vec::new();
        if previous.is_none()
            && let Some((known, unknown)) = recover::reconstructed(root, order, &slice)?
        {
            previous = Some(known);
            gone = unknown;
        }
        let target = Target::of(order, slice, previous, found);
        let mut cells = Cells::none(target.fresh.properties(), target.slice.window);
        gone.into_iter().for_each(|span| cells.set_span(span));
        cells.clear(&target.fresh);
        lost.extend(cells.spans());
        targets.push(target);
    }
    let mut sources = Vec::new();
    let mut outputs = Vec::new();
    for target in &mut targets {
        target.decide(root, order, found, schema, &mut sources, &mut outputs)?;
    }
    add_parts(root, order, found, &targets, &mut sources)?;
    let rebuilt = targets.iter().filter(|target| target.rebuilt);
    let dropped = targets.iter().flat_map(|target| target.dropped.clone());
    Ok(Composition {
        rebuilt: rebuilt.map(|target| target.slice.key.clone()).collect(),
        dropped: dropped.collect(),
        targets,
        sources,
        outputs,
        lost,
    })
}

impl Composition {
    /// Those of every merged file: what was in the files before, and what is `delivered`.
    pub fn columns(&self, delivered: &[Column]) -> Vec<Column> {
        let merged = |target: &&Target| target.output().is_some() && !target.kept.is_empty();
        let mut columns = Vec::new();
        for previous in self
            .targets
            .iter()
            .filter(merged)
            .flat_map(|target| &target.previous)
        {
            schema::join_columns(&mut columns, &previous.columns);
        }
        schema::join_columns(&mut columns, delivered);
        columns
    }
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
        if !self.kept.is_empty() && self.has_sound_file(root) && !self.tells_apart(order) {
            self.give_way(order)?;
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
        if !self.kept.is_empty() {
            self.rebuilt = !self.has_sound_file(root);
            sources.extend(self.keep_others(root, order, outputs.len())?);
        }
        self.action = Action::Merge(outputs.len());
        outputs.push(staged(root, order, &self.slice.key));
        Ok(())
    }

    fn has_sound_file(&self, root: &Path) -> bool {
        let previous = self.previous.as_ref();
        previous.is_some_and(|previous| recover::is_sound(root, previous))
    }

    /// Whether a part has, or may have, rows for this partition.
    fn may_hold(&self, part: &Found) -> bool {
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
    fn whole(&self, order: &PublishOrder, part: &Found) -> bool {
        let window = part.part.window;
        let inside = intersection(window, self.slice.window) == Some(window);
        !self.outrun.contains_key(&part.part.number)
            && (order.partition == Partition::Window
                || inside && (part.facts.dated() || !part.facts.has_date))
    }

    /// The cells for which a part's rows are the newest, if not for all that it delivered.
    fn share(&self, part: &Found) -> Result<Option<Share>, Fault> {
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
        content(format!(
            "{NOT_APART}: {} holds rows that this run does not deliver, and no column tells them from \
             those it does: export the whole partition anew",
            self.slice.key
        ))
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

    fn output(&self) -> Option<usize> {
        match self.action {
            Action::Merge(output) => Some(output),
            _ => None,
        }
    }
}

/// Rows of the cells in `only`, told by the columns there are, into one output. `day`: that of all
/// rows, whatever they say.
pub(super) fn route(
    only: Cells,
    (by_property, by_date): (bool, bool),
    day: Option<NaiveDate>,
    output: usize,
) -> Route {
    Box::new(move |property, date| {
        let property = by_property.then(|| property.as_property()).flatten();
        let day = match day {
            Some(day) => Some(day),
            None if by_date => date.as_day().and_then(day_of_number),
            None => None,
        };
        let stays = match (by_property, by_date) {
            (true, true) => only.is_set(property?, day?),
            (true, false) => only.has_property(only.property_index(property?)?),
            _ => only.has_day(only.day_index(day?)?),
        };
        stays.then_some(output)
    })
}

/// Whether rows of one side can be told from the other's: with only one of the two columns, a whole
/// property or a whole day must be on one side.
pub(super) fn separable(one: &Cells, other: &Cells, by_property: bool, by_date: bool) -> bool {
    let mut properties = 0..one.properties().len();
    let mut days = 0..one.window().len() as usize;
    match (by_property, by_date) {
        (true, true) => true,
        (true, false) => properties.all(|at| !(one.has_property(at) && other.has_property(at))),
        (false, true) => days.all(|day| !(one.has_day(day) && other.has_day(day))),
        (false, false) => false,
    }
}

/// The rows of a part that are the newest of their cells.
struct Share {
    cells: Cells,
    by_property: bool,
}

impl Share {
    /// Whether a row of such a property and day is among them.
    fn has(&self, property: &Datum, day: NaiveDate) -> bool {
        if self.by_property {
            return property
                .as_property()
                .is_some_and(|id| self.cells.is_set(id, day));
        }
        self.cells
            .day_index(day)
            .is_some_and(|day| self.cells.has_day(day))
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
            _ if part.facts.has_date || part.part.window.len() == 1 => {
                Take::Routed(by_day(&mine, part)?)
            }
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

/// Rows by their day; a day that nobody asked for lands nowhere, nor does a row that was outrun.
fn by_day(targets: &[&Target], part: &Found) -> Result<Route, Fault> {
    let window = part.part.window;
    let dated = part.facts.has_date;
    let mut shares = Vec::with_capacity(targets.len());
    for target in targets {
        shares.push((target.output(), target.share(part)?));
    }
    let place_of = |day| {
        let place = targets
            .iter()
            .position(|target| target.slice.window.contains(day));
        place.map(|place| (day, place))
    };
    let places: Vec<Option<(NaiveDate, usize)>> = window.days().map(place_of).collect();
    let first = i64::from(day_number(window.from));
    Ok(Box::new(move |property, date| {
        let index = match dated {
            true => usize::try_from(i64::from(date.as_day()?) - first).ok()?,
            false => 0,
        };
        let (day, place) = places.get(index).copied().flatten()?;
        let (output, share) = shares.get(place)?;
        let wanted = share.as_ref().is_none_or(|share| share.has(property, day));
        output.filter(|_| wanted)
    }))
}

/// The two columns that rows are routed by.
pub(super) fn slots(order: &PublishOrder) -> Slots {
    Slots::of(&order.columns.property, &order.columns.date)
}
