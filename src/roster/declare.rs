//! Schedules come, change and go; runs keep the terms they began with.

use super::roster::Known;
use super::{Declared, Entry, Mark, Mode, Roster, Turn};
use crate::schedule::{Name, Schedule};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many new schedules have an event each; more of them share one.
const FIRST_SEEN_MAX: usize = 1_000;

impl Roster {
    /// Replaces the declarations by `schedules`; runs keep the terms they began with.
    pub(super) fn declare(
        &mut self,
        schedules: Vec<Schedule>,
        mode: Mode,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Declared {
        let declared = self.difference(&schedules);
        if mode == Mode::Dry {
            return declared;
        }
        self.reconciliation.judge_anew();
        for name in &declared.removed {
            self.schedules.remove(name);
            if let Some(mark) = self.marks.get_mut(name) {
                mark.removed_at = Some(now);
                self.touch_mark(name);
            }
            self.note_schedule(name, json!({"event": "schedule_removed"}), turn);
        }
        self.note_first_seen(&schedules, turn);
        for schedule in schedules {
            self.declare_one(schedule, now, turn);
        }
        let known = &self.schedules;
        self.fires.retain(|(_, name)| known.contains_key(name));
        if declared.added.len() > FIRST_SEEN_MAX {
            self.pack();
        }
        declared
    }

    fn difference(&self, schedules: &[Schedule]) -> Declared {
        let mut declared = Declared::default();
        let names: BTreeSet<&Name> = schedules.iter().map(|schedule| &schedule.name).collect();
        for schedule in schedules {
            match self.schedules.get(&schedule.name) {
                None => declared.added.push(schedule.name.clone()),
                Some(known) if *known.schedule != *schedule => {
                    declared.changed.push(schedule.name.clone());
                }
                Some(_) => {}
            }
        }
        declared.removed = self
            .schedules
            .keys()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect();
        declared
    }

    /// Trees that grew one by one are a third empty; built anew they are full.
    fn pack(&mut self) {
        self.schedules = std::mem::take(&mut self.schedules).into_iter().collect();
        self.marks = std::mem::take(&mut self.marks).into_iter().collect();
        self.fires = std::mem::take(&mut self.fires).into_iter().collect();
    }

    fn note_first_seen(&self, schedules: &[Schedule], turn: &mut Turn) {
        let names = schedules.iter().map(|schedule| &schedule.name);
        let new: Vec<&Name> = names
            .filter(|name| !self.marks.contains_key(name))
            .collect();
        if new.len() > FIRST_SEEN_MAX {
            turn.entries.push(Entry {
                schedule: None,
                run: None,
                body: json!({"event": "schedules_first_seen", "count": new.len()}),
            });
            return;
        }
        for name in new {
            self.note_schedule(name, json!({"event": "schedule_first_seen"}), turn);
        }
    }

    fn declare_one(&mut self, schedule: Schedule, now: DateTime<Utc>, turn: &mut Turn) {
        let name = schedule.name.clone();
        match self.marks.get_mut(&name) {
            None => {
                self.marks.insert(name.clone(), Mark::new(now));
                self.touch_mark(&name);
            }
            Some(mark) if mark.removed_at.is_some() => {
                // While the file was away nothing was due.
                mark.removed_at = None;
                mark.decided_through = mark.decided_through.max(now);
                self.touch_mark(&name);
                self.note_schedule(&name, json!({"event": "schedule_returned"}), turn);
            }
            Some(_) => {
                self.set_right(&name, now, turn);
            }
        }
        self.meet_declared(&schedule, turn);
        self.note_list(&schedule, turn);
        self.forget_columns_if_changed(&schedule);
        // The fire planned so far is taken out of the agenda with the plan for the next one.
        let next = self.schedules.get(&name).and_then(|known| known.next);
        let known = Known {
            schedule: Arc::new(schedule),
            next,
        };
        self.schedules.insert(name.clone(), known);
        self.plan_next_fire(&name);
    }

    /// What was learned of the files' columns holds for this report, format and column names only.
    fn forget_columns_if_changed(&mut self, schedule: &Schedule) {
        let same = self.schedules.get(&schedule.name).is_none_or(|known| {
            let known = &known.schedule;
            known.report == schedule.report
                && known.format == schedule.format
                && known.columns == schedule.columns
        });
        if let Some(mark) = self.marks.get_mut(&schedule.name)
            && !same
            && (mark.one_day_parts || mark.whole_partitions)
        {
            mark.one_day_parts = false;
            mark.whole_partitions = false;
            self.touch_mark(&schedule.name);
        }
    }
}
