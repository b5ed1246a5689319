//! Properties that are new in a schedule's roster: each gets its history once, if the schedule says so.
//!
//! What a schedule has seen is one list that only grows. It begins with the first roster, whose properties are never
//! new, and is written in the same commit as the runs that a newcomer gets.

use super::backfill::{Backfill, Order, cells_of_run};
use super::cells::Question;
use super::{ListName, Roster, Saved, Turn};
use crate::coverage::{Ledger, Only};
use crate::run::{Run, RunId};
use crate::schedule::{Name, Properties, Schedule, Window};
use chrono::{DateTime, Days as DayCount, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Runs for newcomers that are active at once, per schedule: nobody waits for them.
const ACTIVE_MAX: u32 = 1;
/// Runs for newcomers made in one turn, over all schedules; a schedule's own are not torn apart.
const RUNS_A_TURN: usize = 1_000;
/// Ids that one event tells.
const TOLD_MAX: usize = 50;

#[derive(Debug, Default)]
pub(super) struct Newcomers {
    /// Sorted ids that each schedule has had, where it wants history for new ones.
    seen: BTreeMap<Name, Arc<Vec<i64>>>,
    /// Schedules whose roster is to be looked at.
    waiting: BTreeSet<Name>,
}

impl Newcomers {
    /// A list that is lost is made anew, like a first one: nobody is new because of that.
    pub fn begin(mut seen: BTreeMap<Name, Arc<Vec<i64>>>) -> Newcomers {
        seen.retain(|_, ids| !ids.is_empty());
        Newcomers {
            seen,
            waiting: BTreeSet::new(),
        }
    }
}

impl Roster {
    /// The schedule is declared, before what was declared so far is forgotten.
    pub(super) fn meet_declared(&mut self, schedule: &Schedule, turn: &mut Turn) {
        if schedule.backfill_new.is_none() {
            return self.forget_seen(&schedule.name);
        }
        let before = self.schedules.get(&schedule.name);
        let mut before = before.map_or_else(Vec::new, |known| {
            self.properties_now(&known.schedule).to_vec()
        });
        let now = self.properties_now(schedule);
        let listed = matches!(schedule.properties, Properties::Listed(_));
        let mark = self.marks.get(&schedule.name);
        let told = mark.and_then(|mark| mark.listed);
        if !listed || told == Some(ListName::of(&now)) {
            before.extend(now.iter());
        }
        self.see_first(&schedule.name, before, &now, turn);
    }

    /// The vendor has listed the properties of a schedule, which is not yet told to it or to the run that asked.
    pub(super) fn meet_asked(&mut self, name: &Name, ids: &[i64], turn: &mut Turn) {
        let known = self.schedules.get(name);
        if known.is_none_or(|known| known.schedule.backfill_new.is_none()) {
            return;
        }
        let before = self.rosters.get(name).map(|ids| ids.to_vec());
        self.see_first(name, before.unwrap_or_default(), ids, turn);
    }

    /// An operator has let a property in again.
    pub(super) fn meet_included(&mut self) {
        let wanting = self.newcomers.seen.keys().cloned();
        self.newcomers.waiting.extend(wanting);
    }

    /// What was seen before a schedule wanted history for new properties: whatever it or a run of it has asked for,
    /// or else its first roster.
    fn see_first(&mut self, name: &Name, mut before: Vec<i64>, now: &[i64], turn: &mut Turn) {
        self.newcomers.waiting.insert(name.clone());
        if self.newcomers.seen.contains_key(name) {
            return;
        }
        before.extend(
            self.ledgers
                .get(name)
                .into_iter()
                .flat_map(Ledger::properties),
        );
        for run in self.open_runs(name) {
            before.extend(run.properties.iter());
        }
        if before.is_empty() {
            before.extend(now);
        }
        if !before.is_empty() {
            self.see(name, before, turn);
        }
    }

    fn see(&mut self, name: &Name, mut ids: Vec<i64>, turn: &mut Turn) {
        ids.sort_unstable();
        ids.dedup();
        let (list, ids) = (ListName::of(&ids), Arc::new(ids));
        let Some(mark) = self.marks.get_mut(name) else {
            return;
        };
        mark.seen = Some(list);
        self.touch_mark(name);
        self.newcomers.seen.insert(name.clone(), Arc::clone(&ids));
        let hash = list.to_string();
        turn.saved.push(Saved::Roster { hash, ids });
    }

    /// Properties that come while nothing is wanted for them are not new later.
    fn forget_seen(&mut self, name: &Name) {
        self.newcomers.seen.remove(name);
        self.newcomers.waiting.remove(name);
        let mark = self.marks.get_mut(name);
        if mark.is_some_and(|mark| mark.seen.take().is_some()) {
            self.touch_mark(name);
        }
    }

    /// Whether a roster waits to be looked at that can be.
    pub(super) fn has_newcomers_due(&self) -> bool {
        let mut waiting = self.newcomers.waiting.iter();
        !self.clock.is_unset() && waiting.any(|name| !self.is_paused(name))
    }

    fn is_paused(&self, name: &Name) -> bool {
        let mark = self.marks.get(name);
        mark.is_some_and(|mark| mark.paused.is_some())
    }

    /// Gives newcomers their history, as many schedules' as one commit takes. A paused schedule's wait.
    pub(super) fn poll_newcomers(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        if !self.has_newcomers_due() {
            return;
        }
        let mut made = 0;
        let waiting: Vec<Name> = self.newcomers.waiting.iter().cloned().collect();
        for name in waiting {
            if made >= RUNS_A_TURN {
                return;
            }
            if !self.is_paused(&name) {
                self.newcomers.waiting.remove(&name);
                made += self.greet(&name, now, turn);
            }
        }
    }

    /// Looks at one schedule's roster; the number of runs that its newcomers get.
    fn greet(&mut self, name: &Name, now: DateTime<Utc>, turn: &mut Turn) -> usize {
        let Ok(schedule) = self.declared(name) else {
            return 0;
        };
        // One that is enabled again is declared anew.
        let days = schedule.backfill_new.filter(|_| schedule.enabled);
        let (Some(days), Some(seen)) = (days, self.newcomers.seen.get(name).cloned()) else {
            return 0;
        };
        let mut new = self.wanted_now(&schedule, &[]);
        new.retain(|id| seen.binary_search(id).is_err());
        if new.is_empty() {
            return 0;
        }
        self.see(name, seen.iter().chain(&new).copied().collect(), turn);
        let told: Vec<i64> = new.iter().copied().take(TOLD_MAX).collect();
        let mut body = json!({
            "event": "backfill_asked", "by": "backfill_new", "because": "new in the roster",
            "properties": told, "property_count": new.len(), "only": Only::Missing,
            "max_active": ACTIVE_MAX, "runs": 0, "property_days": 0, "left": 0,
        });
        let history = self.history(&schedule, days, Arc::new(new), now);
        let (mut runs, mut left) = (Vec::new(), 0);
        if let Some(question) = &history {
            let gaps = self.gaps(name, question, Only::Missing);
            let wanted = Backfill {
                schedule: name.clone(),
                window: question.window,
                only: Only::Missing,
                max_active: ACTIVE_MAX,
                order: Order::Newest,
            };
            (runs, left) = self.backfill_runs(&schedule, &wanted, &gaps, now);
            body["from"] = json!(question.window.from);
            body["to"] = json!(question.window.to);
        }
        body["runs"] = runs.len().into();
        body["property_days"] = runs.iter().map(cells_of_run).sum::<u64>().into();
        body["left"] = left.into();
        self.note_schedule(name, body, turn);
        let made = runs.len();
        for run in runs {
            self.adopt_newcomers(run, turn);
        }
        made
    }

    fn adopt_newcomers(&mut self, run: Run, turn: &mut Turn) {
        let body = json!({"event": "backfill_new", "because": "new in the roster"});
        let id: RunId = run.id.clone();
        self.note(&id, body, turn);
        self.adopt_new(run, turn);
    }

    /// The days that the schedule's other properties were asked for, the last `days` of them at most: a file that
    /// held newcomers alone would pass for the whole.
    fn history(
        &self,
        schedule: &Schedule,
        days: u32,
        new: Arc<Vec<i64>>,
        now: DateTime<Utc>,
    ) -> Option<Question> {
        let mut question = self.question(schedule, None, now);
        let ledger = self.ledgers.get(&schedule.name).into_iter();
        for (window, fate) in ledger.flat_map(|ledger| ledger.known_within(question.window)) {
            if fate.is_some() {
                question.due.insert(window);
            }
        }
        let to = question.due.last()?;
        let first = to.checked_sub_days(DayCount::new(u64::from(days.saturating_sub(1))))?;
        question.window = Window::new(first.max(question.window.from), to)?;
        question.properties = new;
        Some(question)
    }
}
