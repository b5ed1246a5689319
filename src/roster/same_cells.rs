//! Two schedules that need the same cells at the same time each pay for them; that, and why, is recorded.

use super::{Roster, Turn};
use crate::run::{Run, RunId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Other runs named in one event each.
const NAMED: usize = 10;

/// Open runs by the properties they ask for, so that a crowd is not compared pair by pair.
#[derive(Debug, Default)]
pub(super) struct Askers {
    of: BTreeMap<i64, BTreeSet<RunId>>,
}

impl Askers {
    pub fn insert(&mut self, run: &Run) {
        for property in run.properties.iter() {
            self.of.entry(*property).or_default().insert(run.id.clone());
        }
    }

    pub fn remove(&mut self, run: &Run) {
        for property in run.properties.iter() {
            if let Some(runs) = self.of.get_mut(property) {
                runs.remove(&run.id);
                if runs.is_empty() {
                    self.of.remove(property);
                }
            }
        }
    }

    /// Runs that ask for one of these properties, in the order of their ids.
    fn of_any(&self, properties: &[i64]) -> BTreeSet<&RunId> {
        let runs = properties
            .iter()
            .filter_map(|property| self.of.get(property));
        runs.flatten().collect()
    }
}

impl Roster {
    /// Notes the open runs of other schedules that ask for cells of this one's.
    pub(super) fn note_same_cells(&mut self, id: &RunId, turn: &mut Turn) {
        let Some(run) = self.runs.get(id) else { return };
        self.askers.insert(run);
        let asking = self.askers.of_any(&run.properties).into_iter();
        let others = asking
            .filter_map(|other| self.runs.get(other))
            .filter(|other| {
                other.schedule != run.schedule
                    && !other.state.is_terminal()
                    && other.terms.report == run.terms.report
            });
        let shared = others.filter_map(|other| Some((other, shared_cells(run, other)?)));
        for (other, cells) in shared.take(NAMED) {
            let because = match other.terms.format == run.terms.format {
                true => {
                    "a job belongs to one run: this one's files must not fail, wait or be cancelled with \
                     another schedule's"
                        .to_owned()
                }
                false => format!(
                    "they want different formats: {} and {}",
                    run.terms.format.as_str(),
                    other.terms.format.as_str()
                ),
            };
            let body = json!({
                "event": "same_cells_wanted", "other": other.id.as_str(), "property_days": cells,
                "because": because,
            });
            self.note(id, body, turn);
        }
    }
}

/// Property-days that both runs ask for; `None` if there is none.
fn shared_cells(a: &Run, b: &Run) -> Option<u64> {
    if !a.window.overlaps(b.window) {
        return None;
    }
    let from = a.window.from.max(b.window.from);
    let to = a.window.to.min(b.window.to);
    let days = u64::try_from((to - from).num_days() + 1).ok()?;
    let both = a.properties.iter();
    let both = both.filter(|property| b.properties.binary_search(property).is_ok());
    let cells = both.count() as u64 * days;
    (cells > 0).then_some(cells)
}
