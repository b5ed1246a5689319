//! Fires become decisions: every one a run or a recorded skip, never silence (law 9).

use super::catch_up::{Undecided, undecided};
use super::runs::roster_hash;
use super::{Roster, Saved, Turn, plan};
use crate::run::{Event, Run, RunId, RunState, Source, Terms, Trigger};
use crate::schedule::{Chunk, Name, Overlap, Partition, Properties, Schedule, Window};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::sync::Arc;

/// A fire that is decided later than this is caught up, not fired.
const LATE: TimeDelta = TimeDelta::seconds(60);
/// What one turn may decide, in bytes of records: a commit has a limit, and the rest is due in the next turn.
const TURN_MAX: u64 = 16 << 20;

impl Roster {
    /// Decides the fires that are due, as many as one commit takes.
    pub(super) fn poll_fires(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        if self.clock.is_unset() {
            return;
        }
        let mut weight = 0;
        while weight <= TURN_MAX
            && let Some((_, name)) = self.fires.first().filter(|(at, _)| *at <= now).cloned()
        {
            let (saved, entries) = (turn.saved.len(), turn.entries.len());
            self.fires.pop_first();
            let Some(schedule) = self
                .schedules
                .get(&name)
                .map(|known| Arc::clone(&known.schedule))
            else {
                continue;
            };
            self.decide(&schedule, now, turn);
            self.plan_next_fire(&name);
            let made = turn.saved.len() + turn.entries.len() - saved - entries;
            weight += 1_000 * made as u64 + weight_of(&schedule, now);
        }
    }

    /// Puts the schedule's next undecided fire into the agenda.
    pub(super) fn plan_next_fire(&mut self, name: &Name) {
        let Some(known) = self.schedules.get_mut(name) else {
            return;
        };
        if let Some((_, fires_at)) = known.next.take() {
            self.fires.remove(&(fires_at, name.clone()));
        }
        let Some(mark) = self.marks.get(name) else {
            return;
        };
        known.next = known
            .schedule
            .cadence
            .next(mark.decided_through)
            .map(|nominal| (nominal, known.schedule.fires_at(nominal)));
        if let Some((_, fires_at)) = known.next {
            self.fires.insert((fires_at, name.clone()));
        }
    }

    pub(super) fn decide_now(
        &mut self,
        schedule: &Arc<Schedule>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        self.decide(schedule, now, turn);
        self.plan_next_fire(&schedule.name);
    }

    fn decide(&mut self, schedule: &Arc<Schedule>, now: DateTime<Utc>, turn: &mut Turn) {
        let Some(mark) = self.marks.get(&schedule.name).cloned() else {
            return;
        };
        if self.clock.is_unset() {
            return;
        }
        let Undecided { mut fires, older } = undecided(schedule, &mark, now);
        let Some(&last) = fires.last() else { return };
        // A run that was made again from its jobs is its fire's decision.
        fires.retain(|nominal| {
            let id = RunId::of_fire(&schedule.name, *nominal);
            !self.runs.contains_key(&id)
        });
        if let Some(older) = older {
            self.note_schedule(&schedule.name, older.body(), turn);
        }
        if let Some(mark) = self.marks.get_mut(&schedule.name) {
            mark.decided_through = last;
        }
        self.touch_mark(&schedule.name);
        let missed = self.not_covered(schedule, &mark, fires, turn);
        self.decide_each(schedule, missed, now, turn);
        if let Some(mark) = self.marks.get_mut(&schedule.name) {
            mark.decided_before = mark.decided_before.filter(|before| *before > last);
        }
    }

    fn decide_each(
        &mut self,
        schedule: &Arc<Schedule>,
        missed: Vec<DateTime<Utc>>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let paused = self
            .marks
            .get(&schedule.name)
            .is_some_and(|mark| mark.paused.is_some());
        if !schedule.enabled || paused {
            let reason = match schedule.enabled {
                true => "paused",
                false => "disabled",
            };
            for nominal in missed {
                self.skip(schedule, nominal, reason, now, turn);
            }
            return;
        }
        // What fell due while no daemon ran was missed, however short the absence.
        let late = |nominal: &DateTime<Utc>| {
            let fires_at = schedule.fires_at(*nominal);
            fires_at <= self.started_at || now - fires_at > LATE
        };
        if missed.iter().any(late) {
            // A fire of this moment goes with them: it must not lose to the run that makes up for
            // the others.
            return self.catch_up(schedule, missed, now, turn);
        }
        for nominal in missed {
            let window = window_of(schedule, nominal);
            self.fire(schedule, nominal, window, Trigger::Cron, now, turn);
        }
    }

    /// A fire that shall run, unless the overlap rule forbids it.
    pub(super) fn fire(
        &mut self,
        schedule: &Arc<Schedule>,
        nominal: DateTime<Utc>,
        window: Window,
        trigger: Trigger,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let (active, waiting) = self.open_of(&schedule.name);
        let busy = active.is_some() || waiting > 0;
        match schedule.overlap {
            Overlap::Skip if busy => return self.skip(schedule, nominal, "overlap", now, turn),
            Overlap::Queue if waiting > 0 && trigger == Trigger::Cron => {
                return self.skip(schedule, nominal, "overlap", now, turn);
            }
            Overlap::CancelOther => self.cancel_others(&schedule.name, nominal, now, turn),
            _ => {}
        }
        let id = RunId::of_fire(&schedule.name, nominal);
        let run = self.new_run(schedule, id, trigger, nominal, window, now);
        self.adopt_new(run, turn);
    }

    fn cancel_others(
        &mut self,
        name: &Name,
        nominal: DateTime<Utc>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let others: Vec<RunId> = self.competing(name).map(|run| run.id.clone()).collect();
        for id in others {
            if self.inflight.publishes_run(&id) {
                continue;
            }
            let reason = format!("superseded by the fire of {}", nominal.to_rfc3339());
            // Cancelling a run that ended a moment ago changes nothing.
            let _ = self.apply(&id, &Event::CancelledByOperator { reason }, now, turn);
        }
    }

    /// Open runs of the schedule that stand in each other's way; backfills do not.
    pub(super) fn competing<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Run> {
        let from = RunId::first_of(name);
        self.runs
            .range(from..)
            .map(|(_, run)| run)
            .take_while(move |run| run.schedule == *name)
            .filter(|run| !run.state.is_terminal() && run.trigger != Trigger::Backfill)
    }

    /// The run that is active, if one is, and how many wait.
    pub(super) fn open_of(&self, name: &Name) -> (Option<RunId>, usize) {
        let active = self
            .competing(name)
            .find(|run| run.state != RunState::Queued)
            .map(|run| run.id.clone());
        (
            active,
            self.competing(name)
                .filter(|run| run.state == RunState::Queued)
                .count(),
        )
    }

    pub(super) fn new_run(
        &self,
        schedule: &Schedule,
        id: RunId,
        trigger: Trigger,
        nominal: DateTime<Utc>,
        window: Window,
        now: DateTime<Utc>,
    ) -> Run {
        let (properties, source) = match &schedule.properties {
            Properties::Listed(list) => {
                let ids = list.iter().map(|property| property.id);
                let wanted = ids.filter(|id| !self.excluded.contains_key(id));
                (wanted.collect(), None)
            }
            Properties::CompSets { ids, subjects_only } => (
                Vec::new(),
                Some(Source::CompSets {
                    ids: ids.clone(),
                    subjects_only: *subjects_only,
                }),
            ),
            Properties::Accounts(accounts) => {
                (Vec::new(), Some(Source::Accounts(accounts.clone())))
            }
        };
        let properties: Arc<Vec<i64>> = Arc::new(properties);
        let known = source.is_none();
        Run {
            id,
            schedule: schedule.name.clone(),
            trigger,
            nominal_at: nominal,
            window,
            state: RunState::Queued,
            reason: None,
            terms: Terms {
                report: schedule.report,
                format: schedule.format,
                partition: schedule.partition,
                chunk: self.chunk_of(schedule),
                columns: (*schedule.columns).clone(),
                checks: (*schedule.checks).clone(),
                retry: schedule.retry,
                deadline: schedule.deadline,
                submit_settle: self.limits.submit_settle,
                source,
            },
            roster: if known {
                roster_hash(&properties)
            } else {
                String::new()
            },
            property_count: u32::try_from(properties.len()).unwrap_or(u32::MAX),
            created_at: now,
            started_at: None,
            finished_at: None,
            tries: 0,
            not_before: now,
            rows: 0,
            bytes: 0,
            files: Vec::new(),
            checks: Vec::new(),
            cells: crate::run::Cells::default(),
            missing: Vec::new(),
            quarantine: None,
            losses: 0,
            batch: None,
            whole: true,
            parts: std::collections::BTreeMap::new(),
            properties,
        }
    }

    /// Files without a date column cannot be split by day; where that is known, no job is asked for
    /// more than a day.
    fn chunk_of(&self, schedule: &Schedule) -> Chunk {
        let one_day = schedule.partition != Partition::Window
            && self
                .marks
                .get(&schedule.name)
                .is_some_and(|mark| mark.one_day_parts);
        match one_day {
            true => schedule.chunk.by_day(),
            false => schedule.chunk,
        }
    }

    /// A recorded skip: a run that is born ended. A fire that the clock brought a second time has
    /// its record already.
    pub(super) fn skip(
        &mut self,
        schedule: &Schedule,
        nominal: DateTime<Utc>,
        reason: &str,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        let id = RunId::of_fire(&schedule.name, nominal);
        let body = json!({
            "event": "fire_skipped", "nominal_at": nominal, "reason": reason,
        });
        self.note(&id, body, turn);
        if self.was_decided_before(&schedule.name, nominal) {
            return;
        }
        let window = window_of(schedule, nominal);
        let mut run = self.new_run(schedule, id, Trigger::Cron, nominal, window, now);
        run.state = RunState::Skipped;
        run.reason = Some(reason.to_owned());
        run.finished_at = Some(now);
        turn.ended.push(run.clone());
        turn.saved.push(Saved::Run {
            run: Box::new(run),
            new: true,
        });
        if let Some(mark) = self.marks.get_mut(&schedule.name) {
            mark.skips += 1;
        }
    }
}

/// The window of a fire, by the local day of its nominal instant.
pub(super) fn window_of(schedule: &Schedule, nominal: DateTime<Utc>) -> Window {
    schedule
        .window
        .window(nominal.with_timezone(&schedule.timezone).date_naive())
}

/// Bytes of records that a run of the schedule may make at once, roughly.
pub(super) fn weight_of(schedule: &Schedule, now: DateTime<Utc>) -> u64 {
    let Properties::Listed(list) = &schedule.properties else {
        return 0;
    };
    let window = window_of(schedule, now);
    let properties = list.len() as u64;
    10 * properties + 500 * plan::count(properties, window, schedule.chunk)
}
