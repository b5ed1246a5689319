//! Which rows make up each partition: the newest delivered ones of every cell, nobody else's lost.

mod routing;
mod target;

pub(super) use routing::{route, separable};
pub(super) use target::{Action, Target};

use super::cells::Cells;
use super::inspect::{Facts, Slots};
use super::manifest::{Column, Manifest};
use super::merge::Source;
use super::partition::slices;
use super::schema::{self, Comparison};
use super::{Delivered, PublishOrder, layout, recover};
use crate::run::{CellSpan, Fault, FaultClass};
use routing::add_parts;
use std::path::{Path, PathBuf};

/// A delivered part with what inspection found in it.
pub(super) struct Found<'a> {
    pub part: &'a Delivered,
    pub facts: Facts,
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

/// `landed`: parts whose raw files are gone and whose rows are in the published files.
pub(super) fn compose(
    root: &Path,
    order: &PublishOrder,
    found: &[Found],
    landed: &[&Delivered],
    schema: &Comparison,
) -> Result<Composition, Fault> {
    let mut targets = Vec::new();
    let mut lost = Vec::new();
    for slice in slices(order.partition, order.window) {
        let (mut previous, broken) = match Manifest::load(root, &order.schedule, &slice.key) {
            Ok(previous) => (previous, None),
            Err(fault) if fault.class == FaultClass::Content => (None, Some(fault)),
            Err(fault) => return Err(fault),
        };
        let mut gone = Vec::new();
        if previous.is_none()
            && let Some((known, unknown)) = recover::reconstructed(root, order, &slice)?
        {
            previous = Some(known);
            gone = unknown;
        }
        if let (Some(fault), None) = (broken, &previous) {
            // Whose rows its file holds nobody knows: they are not to be replaced.
            return Err(Fault::new(
                fault.class,
                format!(
                    "{}; no run tells what its file holds: restore it from a backup, or move it and its file away",
                    fault.message
                ),
            ));
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
        if target.stands(root, order, found, landed) {
            target.action = Action::Settled;
            continue;
        }
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

/// The two columns that rows are routed by.
pub(super) fn slots(order: &PublishOrder) -> Slots {
    Slots::of(&order.columns.property, &order.columns.date)
}
