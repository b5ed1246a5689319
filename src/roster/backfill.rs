//! A backfill: gaps become runs, a few at a time, behind everything fresh.

use super::cells::span;
use super::due::fire_windows;
use super::runs::{number, planned, roster_hash};
use super::{Answer, Mode, Refusal, Roster, Saved, Turn, plan};
use crate::coverage::{Group, Only, groups};
use crate::run::{Batch, CellSpan, Event, Run, RunId, RunState, Trigger};
use crate::schedule::{Name, Partition, Properties, Schedule, Window};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Runs that one backfill makes at most; what is left is the next one's.
const RUNS_MAX: usize = 500;

/// What an operator wants filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    pub schedule: Name,
    pub window: Window,
    pub only: Only,
    /// Runs of the schedule's backfills that may be active at once; at least 1.
    pub max_active: u32,
    pub order: Order,
}

/// Which days of a backfill come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Newest,
    Oldest,
}

impl Roster {
    pub(super) fn backfill(
        &mut self,
        wanted: &Backfill,
        by: &str,
        mode: Mode,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        let name = &wanted.schedule;
        let schedule = self.declared(name)?;
        self.refuse_if_paused(name)?;
        let mut question = self.question(&schedule, Some(wanted.window), now);
        if schedule.partition != Partition::Window {
            // Asked for by name, a day that is over need not wait for its fire.
            let asked = Window::new(wanted.window.from, finished(&schedule, wanted.window, now));
            question.due = asked.into_iter().collect();
        }
        if question.properties.is_empty() && !matches!(schedule.properties, Properties::Listed(_)) {
            return Err(Refusal::Conflict {
                message: format!(
                    "the properties of `{name}` are not known yet, they are asked for when it fires: \
                     `aptiqd trigger {name}` first"
                ),
                run: None,
            });
        }
        let gaps = self.gaps(name, &question, wanted.only);
        let (runs, left) = self.backfill_runs(&schedule, wanted, &gaps, now);
        let shown = runs.iter().cloned().map(with_parts).collect();
        let answer = Answer::Backfill {
            runs: shown,
            left,
            not_due: self.tally(name, &question).not_due,
        };
        if mode == Mode::Dry || runs.is_empty() {
            return Ok(answer);
        }
        let cells: u64 = runs.iter().map(cells_of_run).sum();
        let body = json!({
            "event": "backfill_asked", "by": by, "from": wanted.window.from,
            "to": wanted.window.to, "only": wanted.only, "max_active": wanted.max_active,
            "runs": runs.len(), "property_days": cells, "left": left,
        });
        self.note_schedule(name, body, turn);
        for run in runs {
            self.adopt_new(run, turn);
        }
        Ok(answer)
    }

    /// The runs that fill `gaps` in the wanted order, not yet taken in, and the cells that are too many for one backfill.
    pub(super) fn backfill_runs(
        &mut self,
        schedule: &Schedule,
        wanted: &Backfill,
        gaps: &[CellSpan],
        now: DateTime<Utc>,
    ) -> (Vec<Run>, u64) {
        let mut groups = match schedule.partition {
            Partition::Window => whole_windows(schedule, gaps, wanted.window, now),
            Partition::Date | Partition::Month => groups(gaps, schedule.chunk),
        };
        if self
            .marks
            .get(&schedule.name)
            .is_some_and(|mark| mark.whole_partitions)
        {
            self.widen_groups(schedule, &mut groups);
        }
        if wanted.order == Order::Oldest {
            groups.reverse();
        }
        let left = groups.split_off(groups.len().min(RUNS_MAX));
        let left = left.iter().map(cells_of).sum();
        let at = self.manual_instant(now);
        let runs = groups
            .into_iter()
            .zip(1_u32..)
            .map(|(group, number)| self.backfill_run(schedule, wanted, group, number, at, now));
        (runs.collect(), left)
    }

    /// Where rows cannot be told apart, days are asked for with all properties, and once.
    fn widen_groups(&self, schedule: &Schedule, groups: &mut Vec<Group>) {
        let mut windows = BTreeSet::new();
        groups.retain(|group| windows.insert(group.window));
        for group in groups {
            group.properties = self.wanted_now(schedule, &group.properties);
        }
    }

    fn backfill_run(
        &self,
        schedule: &Schedule,
        wanted: &Backfill,
        group: Group,
        number: u32,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Run {
        let id = RunId::of_backfill(&schedule.name, at, number);
        let mut run = self.new_run(schedule, id, Trigger::Backfill, now, group.window, now);
        // The properties are known, whoever listed them.
        run.terms.source = None;
        run.roster = roster_hash(&group.properties);
        run.property_count = u32::try_from(group.properties.len()).unwrap_or(u32::MAX);
        run.whole = self.wanted_now(schedule, &group.properties) == group.properties;
        run.properties = Arc::new(group.properties);
        run.batch = Some(Batch {
            number,
            max_active: wanted.max_active.max(1),
            again: wanted.only == Only::All,
        });
        run
    }

    /// Starts queued backfills, newest days first, as many as their limit leaves room for.
    pub(super) fn start_backfills(&mut self, now: DateTime<Utc>, turn: &mut Turn) {
        let mut active: BTreeMap<Name, u32> = BTreeMap::new();
        let mut queued = Vec::new();
        for run in self.runs.values() {
            match (run.trigger, run.state) {
                (Trigger::Backfill, RunState::Queued) => {
                    let batch = run.batch.unwrap_or_default();
                    queued.push((run.created_at, batch, run.schedule.clone(), run.id.clone()));
                }
                (Trigger::Backfill, state) if !state.is_terminal() => {
                    *active.entry(run.schedule.clone()).or_default() += 1;
                }
                _ => {}
            }
        }
        queued.sort_unstable();
        for (_, batch, schedule, id) in queued {
            let active = active.entry(schedule).or_default();
            if *active < batch.max_active && self.apply(&id, &Event::Started, now, turn).is_ok() {
                *active += 1;
            }
        }
    }

    /// Cuts a backfill's run into parts. What has landed since it was asked for is left out.
    pub(super) fn plan_backfill(&mut self, id: &RunId, now: DateTime<Utc>, turn: &mut Turn) {
        let Some(run) = self.runs.get(id) else { return };
        let ledger = self.ledgers.get(&run.schedule);
        let again = run.batch.is_some_and(|batch| batch.again);
        let landed = |property: &i64| {
            let line = ledger.and_then(|ledger| ledger.line(*property));
            !again && line.is_some_and(|line| line.has_landed(run.window))
        };
        let all = run.properties.iter();
        let mut open: Vec<i64> = all.filter(|property| !landed(property)).copied().collect();
        let whole = self.marks.get(&run.schedule);
        if run.whole && !open.is_empty() && whole.is_some_and(|mark| mark.whole_partitions) {
            open.clone_from(&run.properties);
        }
        let event = match open.is_empty() {
            true => Event::CancelledByOperator {
                reason: "all its days have landed meanwhile".to_owned(),
            },
            false => planned(run, Arc::new(open)),
        };
        if let Event::Planned {
            roster, properties, ..
        } = &event
            && *roster != run.roster
        {
            turn.saved.push(Saved::Roster {
                hash: roster.clone(),
                ids: Arc::clone(properties),
            });
        }
        let _ = self.apply(id, &event, now, turn);
    }
}

/// The last of the days that is over.
fn finished(schedule: &Schedule, days: Window, now: DateTime<Utc>) -> NaiveDate {
    let today = now.with_timezone(&schedule.timezone).date_naive();
    today.pred_opt().unwrap_or(today).min(days.to)
}

pub(super) fn cells_of_run(run: &Run) -> u64 {
    u64::from(run.property_count) * u64::from(run.window.len())
}

fn cells_of(group: &Group) -> u64 {
    group.properties.len() as u64 * u64::from(group.window.len())
}

/// The run as it will be cut once it starts.
fn with_parts(mut run: Run) -> Run {
    let parts = number(plan::parts(&run.properties, run.window, run.terms.chunk), 1);
    run.parts = parts.into_iter().map(|part| (part.number, part)).collect();
    run
}

/// One file a window: gaps are filled by windows of fires, the fewest that hold them all, for the properties that lack
/// any of their days, so that no day turns up in two files of one backfill. Newest first.
fn whole_windows(
    schedule: &Schedule,
    gaps: &[CellSpan],
    wanted: Window,
    now: DateTime<Utc>,
) -> Vec<Group> {
    let windows: BTreeSet<Window> = fire_windows(schedule, wanted.from, now)
        .into_iter()
        .collect();
    let mut left: Vec<CellSpan> = gaps.to_vec();
    let (mut made, mut unasked) = (Vec::new(), Vec::new());
    while let Some(newest) = left.iter().map(|gap| gap.to).max() {
        let holding = windows.iter().filter(|window| window.contains(newest));
        // The one that reaches back furthest, and of these the one with the fewest days beyond.
        let window = holding.min_by_key(|window| (window.from, window.to));
        let days = window
            .copied()
            .unwrap_or_else(|| without_fire(&windows, &left, newest));
        let (taken, rest) = cut_out(&left, days);
        left = rest;
        match window {
            Some(window) => made.push(Group {
                window: *window,
                properties: properties_of(&taken),
            }),
            None => unasked.extend(taken),
        }
    }
    // Days that no fire asked for have no file to fit into.
    made.extend(groups(&unasked, schedule.chunk));
    made
}

/// The days up to `newest` that no window holds.
fn without_fire(windows: &BTreeSet<Window>, left: &[CellSpan], newest: NaiveDate) -> Window {
    let before = windows
        .iter()
        .map(|window| window.to)
        .filter(|to| *to < newest);
    let from = match before.max() {
        Some(to) => to.succ_opt(),
        None => left.iter().map(|gap| gap.from).min(),
    };
    let window = from.and_then(|from| Window::new(from, newest));
    window.unwrap_or(Window::day(newest))
}

/// What of the spans lies within the window, and what does not.
fn cut_out(spans: &[CellSpan], window: Window) -> (Vec<CellSpan>, Vec<CellSpan>) {
    let (mut taken, mut rest) = (Vec::new(), Vec::new());
    for gap in spans {
        let pieces = [
            window.from.pred_opt().map(|to| (gap.from, to.min(gap.to))),
            window
                .to
                .succ_opt()
                .map(|from| (from.max(gap.from), gap.to)),
        ];
        let pieces = pieces.into_iter().flatten();
        let pieces = pieces.filter_map(|(from, to)| Window::new(from, to));
        rest.extend(pieces.map(|piece| span(gap.property, piece)));
        let within = Window::new(gap.from.max(window.from), gap.to.min(window.to));
        taken.extend(within.map(|within| span(gap.property, within)));
    }
    (taken, rest)
}

fn properties_of(spans: &[CellSpan]) -> Vec<i64> {
    let properties: BTreeSet<i64> = spans.iter().map(|span| span.property).collect();
    properties.into_iter().collect()
}
