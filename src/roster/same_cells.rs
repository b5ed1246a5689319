//! Two schedules that need the same cells at the same time each pay for them; that, and why, is recorded.

use super::{Roster, Turn};
use crate::run::{Run, RunId};
use serde_json::json;

/// Other runs named in one event each.
const NAMED: usize = 10;

impl Roster {
    /// Notes the open runs of other schedules that ask for cells of this one's.
    pub(super) fn note_same_cells(&self, id: &RunId, turn: &mut Turn) {
        let Some(run) = self.runs.get(id) else { return };
        let others = self.runs.values().filter(|other| {
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
