//! What becomes of the cells a run asked for, and questions about them.

use super::due::{due_by_fires, due_through};
use super::{Answer, CellNow, Refusal, Roster};
use crate::coverage::{CellState, Days, Fate, Ledger, Only, Scope, Tally};
use crate::run::{CellSpan, Event, PartState, Published, Run, RunId, Verdict};
use crate::schedule::{Name, Properties, Schedule, Window};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How complete a schedule's data is within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    pub window: Window,
    pub tally: Tally,
    /// Missing and failed cells, by property and day.
    pub missing: Vec<CellSpan>,
}

/// Whose days are asked about, and which of them are due.
pub(super) struct Question {
    pub window: Window,
    pub properties: Arc<Vec<i64>>,
    pub excluded: BTreeSet<i64>,
    pub due: Days,
}

impl Question {
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            window: self.window,
            properties: &self.properties,
            excluded: &self.excluded,
            due: &self.due,
        }
    }
}

impl Roster {
    /// Notes what became of a run's cells, now that `event` has ended it.
    pub(super) fn fold_cells(&mut self, id: &RunId, event: &Event) {
        let Some(run) = self.runs.get(id) else { return };
        let ledger = self.ledgers.entry(run.schedule.clone()).or_default();
        let changed = match event {
            Event::RunPublished { published } if published.verdict != Verdict::Quarantined => {
                fold_published(ledger, run, published)
            }
            Event::CancelledByOperator { .. } => fold_all(run, |span| {
                // That nobody let it run says nothing new about a cell.
                ledger.record_unknown(span, Fate::Missing)
            }),
            _ => fold_all(run, |span| ledger.record(span, Fate::Failed)),
        };
        let schedule = run.schedule.clone();
        self.touch_cells(&schedule, changed);
    }

    /// The schedule's properties as they are now: declared, or as the vendor listed them last.
    pub(super) fn properties_now(&self, schedule: &Schedule) -> Arc<Vec<i64>> {
        match &schedule.properties {
            Properties::Listed(list) => Arc::new(list.iter().map(|property| property.id).collect()),
            Properties::CompSets { .. } | Properties::Accounts(_) => {
                let known = self.rosters.get(&schedule.name).cloned();
                known.unwrap_or_else(|| {
                    let ledger = self.ledgers.get(&schedule.name);
                    Arc::new(ledger.into_iter().flat_map(Ledger::properties).collect())
                })
            }
        }
    }

    /// The schedule's properties that are not excluded, and `more`, sorted.
    pub(super) fn wanted_now(&self, schedule: &Schedule, more: &[i64]) -> Vec<i64> {
        let now = self.properties_now(schedule);
        let wanted = now.iter().filter(|id| !self.excluded.contains_key(id));
        let mut all: Vec<i64> = wanted.chain(more).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Without a window: from the first day ever asked for to the last that is due, and only days
    /// that a fire asks for are due. With one, every day of it that could be there by now is.
    pub(super) fn question(
        &self,
        schedule: &Schedule,
        window: Option<Window>,
        now: DateTime<Utc>,
    ) -> Question {
        let (window, due) = match window {
            Some(window) => {
                let through = due_through(schedule, now).min(window.to);
                let due = Window::new(window.from, through).into_iter().collect();
                (window, due)
            }
            None => self.usual_window(schedule, now),
        };
        Question {
            window,
            properties: self.properties_now(schedule),
            excluded: self.excluded.keys().copied().collect(),
            due,
        }
    }

    fn usual_window(&self, schedule: &Schedule, now: DateTime<Utc>) -> (Window, Days) {
        let ledger = self.ledgers.get(&schedule.name);
        let known = ledger.and_then(Ledger::extent);
        let first_seen = self
            .marks
            .get(&schedule.name)
            .map_or(now, |mark| mark.first_seen);
        let from = known.map_or_else(
            || super::fires::window_of(schedule, first_seen).from,
            |known| known.from,
        );
        let due = due_by_fires(schedule, from, now);
        let to = due.last().max(known.map(|known| known.to));
        let to = to.unwrap_or(from).max(from);
        (Window { from, to }, due)
    }

    pub(super) fn coverage(
        &self,
        name: &Name,
        window: Option<Window>,
        now: DateTime<Utc>,
    ) -> Result<Answer, Refusal> {
        let schedule = self.declared(name)?;
        let question = self.question(&schedule, window, now);
        let nothing = Ledger::default();
        let ledger = self.ledgers.get(name).unwrap_or(&nothing);
        let (tally, missing) = ledger.tally(&question.scope());
        Ok(Answer::Coverage(Box::new(Coverage {
            window: question.window,
            tally,
            missing,
        })))
    }

    /// The question's cells, counted.
    pub(super) fn tally(&self, name: &Name, question: &Question) -> Tally {
        let nothing = Ledger::default();
        let ledger = self.ledgers.get(name).unwrap_or(&nothing);
        ledger.tally(&question.scope()).0
    }

    pub(super) fn cell(
        &self,
        name: &Name,
        property: i64,
        day: NaiveDate,
        now: DateTime<Utc>,
    ) -> Result<Answer, Refusal> {
        let schedule = self.declared(name)?;
        let question = self.question(&schedule, Some(Window::day(day)), now);
        let nothing = Ledger::default();
        let ledger = self.ledgers.get(name).unwrap_or(&nothing);
        let states = ledger.states(property, &question.scope());
        let live = schedule.enabled
            && self
                .marks
                .get(name)
                .is_some_and(|mark| mark.paused.is_none());
        let next = match self.schedules.get(name).and_then(|known| known.next) {
            Some((nominal, fires_at))
                if live && super::fires::window_of(&schedule, nominal).contains(day) =>
            {
                Some(fires_at)
            }
            _ => None,
        };
        Ok(Answer::Cell(Box::new(CellNow {
            state: states
                .first()
                .map_or(CellState::NotDue, |(_, state)| *state),
            declared: question.properties.binary_search(&property).is_ok(),
            excluded: self.excluded.get(&property).cloned(),
            next,
        })))
    }

    /// The cells that a backfill would fill, those left out that an open run is to bring.
    pub(super) fn gaps(&self, name: &Name, question: &Question, only: Only) -> Vec<CellSpan> {
        let nothing = Ledger::default();
        let ledger = self.ledgers.get(name).unwrap_or(&nothing);
        let gaps = ledger.gaps(&question.scope(), only);
        let mut busy = Ledger::default();
        for run in self.open_runs(name) {
            let asked = match run.properties.is_empty() {
                true => &question.properties,
                false => &run.properties,
            };
            for &property in asked.iter() {
                busy.record(span(property, run.window), Fate::Landed);
            }
        }
        gaps.iter()
            .flat_map(|gap| match busy.line(gap.property) {
                None => vec![*gap],
                Some(line) => line
                    .within(gap.window())
                    .filter(|(_, busy)| busy.is_none())
                    .map(|(window, _)| span(gap.property, window))
                    .collect(),
            })
            .collect()
    }

    pub(super) fn open_runs<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Run> {
        let from = RunId::first_of(name);
        self.runs
            .range(from..)
            .map(|(_, run)| run)
            .take_while(move |run| run.schedule == *name)
            .filter(|run| !run.state.is_terminal())
    }
}

pub(super) fn span(property: i64, window: Window) -> CellSpan {
    CellSpan {
        property,
        from: window.from,
        to: window.to,
    }
}

/// Tells of every cell of the run; gives back the properties whose lines changed.
fn fold_all(run: &Run, mut tell: impl FnMut(CellSpan) -> bool) -> Vec<i64> {
    let all = run.properties.iter().copied();
    all.filter(|property| tell(span(*property, run.window)))
        .collect()
}

fn fold_published(ledger: &mut Ledger, run: &Run, published: &Published) -> Vec<i64> {
    let mut changed = Vec::new();
    for (spans, fate) in [
        (&published.landed, Fate::Landed),
        (&published.empty, Fate::Empty),
        (&published.missing, Fate::Missing),
    ] {
        let told = spans.iter().filter(|span| ledger.record(**span, fate));
        changed.extend(told.map(|span| span.property));
    }
    for span in &published.lost {
        if ledger.lose(*span) {
            changed.push(span.property);
        }
    }
    // To the files the cells of a part that was given up are just absent; here the reason is known.
    for part in run.live_parts() {
        if part.state == PartState::Abandoned {
            for &property in part.properties(&run.properties) {
                if ledger.record(span(property, part.window), Fate::Failed) {
                    changed.push(property);
                }
            }
        }
    }
    changed
}
