//! Lists of properties that change: declared ones at a reload or a start, the vendor's when it is asked.

use super::{ListName, Roster, Saved, Turn};
use crate::schedule::{Name, Properties, Schedule};
use serde_json::json;
use std::sync::Arc;

/// Ids that one event tells of each kind.
const TOLD_MAX: usize = 50;

impl Roster {
    /// Notes that a declaration lists other properties than it did.
    pub(super) fn note_list(&mut self, schedule: &Schedule, turn: &mut Turn) {
        let name = &schedule.name;
        let Properties::Listed(_) = &schedule.properties else {
            return;
        };
        let known = self.schedules.get(name).map(|known| &known.schedule);
        if known.is_some_and(|known| known.properties == schedule.properties) {
            return;
        }
        let was = known
            .filter(|known| matches!(known.properties, Properties::Listed(_)))
            .map(|known| self.properties_now(known));
        let now = self.properties_now(schedule);
        let hash = ListName::of(&now);
        let Some(mark) = self.marks.get_mut(name) else {
            return;
        };
        let before = mark.listed.replace(hash);
        if before == Some(hash) {
            return;
        }
        self.touch_mark(name);
        if let Some(before) = before {
            self.note_change(name, (before, hash), was.as_deref(), &now, turn);
        }
    }

    /// Keeps the list that the vendor gave, so that coverage is asked of the same properties.
    pub(super) fn remember_roster(&mut self, name: &Name, ids: Arc<Vec<i64>>, turn: &mut Turn) {
        self.meet_asked(name, &ids, turn);
        let hash = ListName::of(&ids);
        let Some(mark) = self.marks.get_mut(name) else {
            return;
        };
        let before = mark.roster.replace(hash);
        if before != Some(hash) {
            turn.saved.push(Saved::Roster {
                hash: hash.to_string(),
                ids: Arc::clone(&ids),
            });
            self.touch_mark(name);
        }
        let was = self.rosters.insert(name.clone(), Arc::clone(&ids));
        if let Some(before) = before.filter(|before| *before != hash) {
            self.note_change(name, (before, hash), was.as_deref(), &ids, turn);
        }
    }

    /// Both lists are sorted; the old one may be forgotten but for its name.
    fn note_change(
        &self,
        name: &Name,
        (before, hash): (ListName, ListName),
        was: Option<&Vec<i64>>,
        now: &[i64],
        turn: &mut Turn,
    ) {
        let absent = |from: &[i64], of: &[i64]| -> Vec<i64> {
            of.iter()
                .filter(|id| from.binary_search(id).is_err())
                .copied()
                .collect()
        };
        let mut body = json!({
            "event": "roster_changed", "was": before, "roster": hash, "properties": now.len(),
        });
        if let Some(was) = was {
            let (added, removed) = (absent(was, now), absent(now, was));
            body["added_count"] = added.len().into();
            body["removed_count"] = removed.len().into();
            body["added"] = added.into_iter().take(TOLD_MAX).collect();
            body["removed"] = removed.into_iter().take(TOLD_MAX).collect();
        }
        self.note_schedule(name, body, turn);
    }
}
