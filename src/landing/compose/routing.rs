//! Which row goes into which file: by its property, its day, and who delivered it last.

use super::{Found, Target};
use crate::landing::PublishOrder;
use crate::landing::cells::Cells;
use crate::landing::inspect::{Datum, content, day_number, day_of_number};
use crate::landing::merge::{Route, Source, Take};
use crate::run::{Fault, Remedy};
use chrono::NaiveDate;
use std::path::Path;

/// Rows of the cells in `only`, told by the columns there are, into one output. `day`: that of all
/// rows, whatever they say.
pub(in crate::landing) fn route(
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
pub(in crate::landing) fn separable(
    one: &Cells,
    other: &Cells,
    by_property: bool,
    by_date: bool,
) -> bool {
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
pub(super) struct Share {
    pub cells: Cells,
    pub by_property: bool,
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
pub(super) fn add_parts(
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
                let fault = content(format!(
                    "no date column `{}`: part {} holds {} days and cannot be split",
                    order.columns.date,
                    part.part.number,
                    part.part.window.len()
                ));
                return Err(fault.mended_by(Remedy::OneDayParts));
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
