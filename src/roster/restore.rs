//! What manifests remember, as records of a state that has lost them.

use super::lost::{bare_terms, blank, place_of, terms_of, with_parts};
use super::{Ended, Entry, Landed, Loaded, Mark, Saved, Turn};
use crate::coverage::{Fate, Ledger};
use crate::run::{
    Attempt, AttemptState, CellSpan, Cells, JobRemains, Part, PartNumber, PartState, Remains, Run,
    RunId, RunRemains, RunState, Trigger,
};
use crate::schedule::{Name, Schedule};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a restore has to go by, beside the manifests.
pub struct Grounds<'a> {
    /// What the state still knows; of a new one, nothing.
    pub loaded: &'a Loaded,
    /// Runs that it knows, open or ended.
    pub known: &'a BTreeSet<RunId>,
    pub schedules: &'a [Schedule],
    pub submit_settle: Duration,
    pub now: DateTime<Utc>,
}

impl Grounds<'_> {
    /// The records that one schedule's manifests add to the state. What it knows already stays as it is;
    /// a schedule that is new to it has every fire up to now decided, so that nothing is caught up.
    pub fn restore(&self, remains: &Remains) -> Turn {
        let name = &remains.schedule;
        let declared = self
            .schedules
            .iter()
            .find(|schedule| schedule.name == *name);
        let mut turn = Turn::default();
        let runs: Vec<Run> = remains
            .runs
            .iter()
            .map(|run| self.run(name, declared, run))
            .collect();
        self.lines(remains, &mut turn);
        let mark = self.mark(remains, declared, &runs);
        turn.entries.push(Entry {
            schedule: Some(name.to_string()),
            run: None,
            body: json!({
                "event": "schedule_restored", "runs": runs.len(),
                "landed": cells(&remains.landed), "decided_through": mark.decided_through,
            }),
        });
        turn.saved.push(Saved::Mark(name.clone(), Box::new(mark)));
        for run in runs {
            if !self.known.contains(&run.id) {
                save(run, &mut turn);
            }
        }
        turn
    }

    fn lines(&self, remains: &Remains, turn: &mut Turn) {
        let known = self.loaded.ledgers.get(&remains.schedule);
        let mut ledger = known.cloned().unwrap_or_default();
        let mut changed = BTreeSet::new();
        let mut tell = |ledger: &mut Ledger, spans: &[CellSpan], fate| {
            for span in spans {
                let news = match fate {
                    // What a run has said of a cell that is not there is known better.
                    Fate::Missing | Fate::Empty => ledger.record_unknown(*span, fate),
                    fate => ledger.record(*span, fate),
                };
                if news {
                    changed.insert(span.property);
                }
            }
        };
        tell(&mut ledger, &remains.landed, Fate::Landed);
        tell(&mut ledger, &remains.empty, Fate::Empty);
        tell(&mut ledger, &remains.missing, Fate::Missing);
        for property in changed {
            if let Some(line) = ledger.line(property) {
                turn.saved.push(Saved::Coverage {
                    schedule: remains.schedule.clone(),
                    property,
                    line: line.clone(),
                });
            }
        }
    }

    fn mark(&self, remains: &Remains, declared: Option<&Schedule>, runs: &[Run]) -> Mark {
        let known = self.loaded.marks.get(&remains.schedule);
        let mut mark = known.cloned().unwrap_or_else(|| Mark::new(self.now));
        if known.is_none() && declared.is_none() {
            mark.removed_at = Some(self.now);
        }
        let dateless = |schedule: &Schedule| {
            !remains.columns.is_empty() && !remains.columns.contains(&schedule.columns.date)
        };
        mark.one_day_parts |= declared.is_some_and(dateless);
        let fresh = || runs.iter().filter(|run| run.trigger != Trigger::Backfill);
        let fires = runs.iter().filter(|run| run.trigger == Trigger::Cron);
        let fired = fires.map(|run| run.nominal_at).max();
        mark.decided_through =
            fired.map_or(mark.decided_through, |at| mark.decided_through.max(at));
        let end = |run: &&Run| run.finished_at;
        if let Some(run) = fresh().max_by_key(end)
            && mark.last_ended.as_ref().map(|ended| ended.at) < run.finished_at
        {
            mark.last_ended = Some(Box::new(Ended {
                run: run.id.clone(),
                state: run.state,
                reason: run.reason.clone(),
                at: run.finished_at.unwrap_or(self.now),
            }));
        }
        let landed = || fresh().filter(|run| run.state == RunState::Landed);
        if let Some(run) = landed().max_by_key(end)
            && mark.last_landed.as_ref().map(|landed| landed.at) < run.finished_at
        {
            mark.last_landed = Some(Box::new(Landed {
                run: run.id.clone(),
                at: run.finished_at.unwrap_or(self.now),
                window: run.window,
            }));
        }
        mark.data_through = mark
            .data_through
            .max(landed().map(|run| run.window.to).max());
        mark
    }

    /// A run that has ended, as far as its manifests tell of it.
    fn run(&self, name: &Name, declared: Option<&Schedule>, remains: &RunRemains) -> Run {
        let mut terms = match declared {
            Some(schedule) => terms_of(schedule, self.submit_settle),
            None => bare_terms(remains.report, remains.format, self.submit_settle),
        };
        (terms.report, terms.format) = (remains.report, remains.format);
        let enough = terms.checks.min_property_coverage.unwrap_or(1.0);
        let run = blank(&remains.id, name, terms, remains.window, self.now);
        let (parts, properties) = parts_of(remains);
        let mut run = with_parts(run, parts, properties);
        run.created_at = run.nominal_at.min(remains.landed_at);
        run.started_at = Some(run.created_at);
        run.finished_at = Some(remains.landed_at);
        run.not_before = remains.landed_at;
        run.rows = remains.files.iter().map(|file| file.rows).sum();
        run.bytes = remains.files.iter().map(|file| file.bytes).sum();
        run.files.clone_from(&remains.files);
        run.checks.clone_from(&remains.checks);
        run.cells = Cells {
            landed: remains.present,
            empty: 0,
            missing: remains.absent,
        };
        let all = (remains.present + remains.absent).max(1);
        let whole = remains.absent == 0 || remains.present as f64 / all as f64 >= enough;
        let reason = match remains.absent {
            _ if run.rows == 0 => "its manifests hold no rows".to_owned(),
            1 => "1 property-day is in no file".to_owned(),
            absent => format!("{absent} property-days are in no file"),
        };
        (run.state, run.reason) = match run.rows > 0 && whole {
            true => (RunState::Landed, None),
            false => (RunState::Incomplete, Some(reason)),
        };
        run
    }
}

/// The run's own jobs as parts: those that are a slice of its properties and within its days.
fn parts_of(remains: &RunRemains) -> (BTreeMap<PartNumber, Part>, Vec<i64>) {
    let properties = remains.properties.clone();
    let own = remains.jobs.iter().filter_map(|job| {
        let inside =
            remains.window.contains(job.window.from) && remains.window.contains(job.window.to);
        let place = place_of(&job.property_ids, &properties)?;
        inside.then_some((job, place))
    });
    let parts = own.zip(1..).map(|((job, (first, count)), number)| {
        let mut part = Part::planned(number, first, count, job.window);
        part.state = PartState::Fetched;
        part.attempts.push(ended_attempt(job, remains.landed_at));
        (number, part)
    });
    (parts.collect(), properties)
}

fn ended_attempt(job: &JobRemains, at: DateTime<Utc>) -> Attempt {
    Attempt {
        number: 1,
        job_id: Some(job.job_id.clone()),
        state: AttemptState::Succeeded,
        learned_by: None,
        error: None,
        started_at: at,
        ended_at: Some(at),
        heard_at: None,
        heard_last: None,
        unknown_status: None,
        by_looks: false,
        cancelling: Vec::new(),
    }
}

fn save(run: Run, turn: &mut Turn) {
    let id = run.id.clone();
    turn.entries.push(Entry {
        schedule: Some(run.schedule.to_string()),
        run: Some(id.to_string()),
        body: json!({
            "event": "run_restored", "state": run.state.as_str(), "from": run.window.from,
            "to": run.window.to, "files": run.files.len(), "rows": run.rows,
        }),
    });
    if !run.properties.is_empty() {
        turn.saved.push(Saved::Roster {
            hash: run.roster.clone(),
            ids: run.properties.clone(),
        });
    }
    for part in run.parts.values() {
        turn.saved.push(Saved::Part {
            run: id.clone(),
            part: Box::new(part.clone()),
        });
    }
    turn.saved.push(Saved::Files {
        run: id,
        files: run.files.clone(),
    });
    let run = Box::new(run);
    turn.saved.push(Saved::Run { run, new: true });
}

fn cells(spans: &[CellSpan]) -> u64 {
    spans
        .iter()
        .map(|span| u64::from(span.window().len()))
        .sum()
}
