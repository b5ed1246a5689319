//! `why`: the way back from a file or a cell to the decision it came from.

use super::super::live::unexpected;
use super::super::outside::{LandedFile, Outside, Presence};
use super::super::view::{self, Code};
use super::super::{Live, Refusal, present};
use super::live::exclusion;
use super::place::{Place, place};
use super::verdict::verdict;
use crate::coverage::CellState;
use crate::roster::{Answer, Command};
use crate::run::{Part, PartState, Quarantine, Run, RunId, RunState};
use crate::schedule::{Name, Partition, Window};
use crate::store::{Error, Store, Tree, record};
use chrono::{Datelike, Days, NaiveDate};
use serde_json::Value;

/// Runs looked through, newest first, for the one that brought a cell.
const LOOKED_MAX: usize = 100_000;
/// Index entries read at a time.
const PAGE: usize = 512;

impl<S: Store, O: Outside> Live<S, O> {
    pub(super) async fn why_path(&self, path: &str) -> Result<view::Why, Refusal> {
        match place(path).ok_or_else(|| unknown_file(path))? {
            Place::Partition { schedule, key } => {
                let landed = self.landed_file(&schedule, &key)?;
                let landed = landed.ok_or_else(|| unknown_file(path))?;
                self.why_file(&schedule, &key, landed).await
            }
            Place::Quarantined { run } => {
                let run = self.known_run(run, path).await?;
                let mut why = view::Why::new(run.schedule.as_str());
                if run.quarantine != Some(Quarantine::Kept) {
                    return Err(unknown_file(path));
                }
                self.tell_quarantine(&mut why, &run);
                why.path = Some(format!("staging/quarantine/{}", run.id));
                tell_run(&mut why, &run, |_| true);
                Ok(why)
            }
            Place::Raw { run, part } => {
                let run = self.known_run(run, path).await?;
                let delivered = run.parts.get(&part).and_then(|part| part.artifact.as_ref());
                let artifact = delivered.ok_or_else(|| unknown_file(path))?;
                let mut why = view::Why::new(run.schedule.as_str());
                why.path = Some(artifact.path.clone());
                why.state = "delivered".to_owned();
                why.because = format!("part {part} of {} was delivered so", run.id);
                if self.outside.raw_gone(&run).contains(&artifact.path) {
                    why.state = "gone".to_owned();
                    why.because += "; the file is not there any more";
                } else if run.quarantine == Some(Quarantine::Kept) {
                    self.tell_quarantine(&mut why, &run);
                }
                tell_run(&mut why, &run, |other| other.number == part);
                Ok(why)
            }
        }
    }

    async fn why_file(
        &self,
        schedule: &Name,
        key: &str,
        landed: LandedFile,
    ) -> Result<view::Why, Refusal> {
        let mut why = view::Why::new(schedule.as_str());
        why.state = "landed".to_owned();
        why.because = format!("{} landed it", landed.run);
        why.mend = None;
        let run = match landed.run.parse::<RunId>() {
            Ok(id) => {
                self.read(move |store| record::run(store, id.as_str()))
                    .await?
            }
            Err(_) => None,
        };
        if let Some(run) = &run {
            let days = landed.window;
            tell_run(&mut why, run, |part| part.window.overlaps(days));
        } else {
            why.because = format!(
                "{} landed it; the store does not know it any more",
                landed.run
            );
        }
        why.restatements = self.outside.restatements(schedule, key);
        if let Some(state) = tell_absence(&mut why, schedule, &landed) {
            why.state = state.to_owned();
        }
        tell_file(&mut why, landed);
        why.path = why.file.as_ref().map(|file| file.path.clone());
        Ok(why)
    }

    async fn known_run(&self, run: RunId, path: &str) -> Result<Run, Refusal> {
        let read = self.read(move |store| record::run(store, run.as_str()));
        read.await?.ok_or_else(|| unknown_file(path))
    }

    /// Why files are kept out of `data/`, and what lands them.
    fn tell_quarantine(&self, why: &mut view::Why, run: &Run) {
        why.state = "quarantined".to_owned();
        let reason = run.reason.as_deref().unwrap_or("checks failed");
        why.because = format!("{}: {reason}", run.id);
        why.mend = Some(match self.outside.raw_gone(run).is_empty() {
            true => accept(run),
            false => export_anew(&run.schedule, run.window),
        });
    }

    fn landed_file(&self, schedule: &Name, key: &str) -> Result<Option<LandedFile>, Refusal> {
        self.outside
            .landed_file(schedule, key)
            .map_err(|unreadable| {
                let help = format!(
                    "aptiqd verify {schedule} says which; the next run of its days makes it anew"
                );
                Refusal::new(Code::NotFound, unreadable, help)
            })
    }

    pub(super) async fn why_cell(
        &self,
        schedule: Name,
        property: i64,
        date: NaiveDate,
    ) -> Result<view::Why, Refusal> {
        let command = Command::Cell {
            schedule: schedule.clone(),
            property,
            day: date,
        };
        let Answer::Cell(cell) = self.ask(command).await? else {
            return Err(unexpected());
        };
        let mut why = view::Why::new(schedule.as_str());
        why.property = Some(property);
        why.date = Some(date);
        why.state = cell.state.as_str().to_owned();
        why.next_fire = cell.next;
        why.excluded = cell.excluded.clone().map(exclusion);
        let (name, state) = (schedule.clone(), cell.state);
        let run = self
            .read(move |store| run_of_cell(store, &name, property, date, state))
            .await?;
        let mut landed = None;
        if let Some(run) = &run {
            let holds = |part: &Part| {
                part.window.contains(date)
                    && part
                        .properties(&run.properties)
                        .binary_search(&property)
                        .is_ok()
            };
            tell_run(&mut why, run, holds);
            if cell.state == CellState::Landed {
                landed = self.landed_file(&schedule, &key(run, date))?;
            }
            if landed.is_some() {
                let all = self.outside.restatements(&schedule, &key(run, date));
                let mine = all
                    .into_iter()
                    .filter_map(|one| of_cell(one, property, date));
                why.restatements = mine.collect();
            }
        }
        (why.because, why.mend) = verdict(&schedule, property, date, &cell, run.as_ref());
        if let Some(landed) = landed {
            tell_absence(&mut why, &schedule, &landed);
            tell_file(&mut why, landed);
        }
        let kept = |run: &&Run| run.quarantine == Some(Quarantine::Kept);
        if let Some(run) = run.as_ref().filter(kept)
            && cell.state != CellState::Landed
            && self.outside.raw_gone(run).is_empty()
        {
            why.mend = Some(accept(run));
        }
        Ok(why)
    }
}

/// A restatement with only the spans that hold the cell; `None` if none does.
fn of_cell(mut restatement: Value, property: i64, date: NaiveDate) -> Option<Value> {
    let day = date.to_string();
    let spans = restatement["spans"].as_array_mut()?;
    // Days compare as their text does.
    spans.retain(|span| {
        let within = |key: &str, holds: fn(&str, &str) -> bool| {
            span[key].as_str().is_none_or(|edge| holds(edge, &day))
        };
        span["property"].as_i64().is_none_or(|id| id == property)
            && within("from", |edge, day| edge <= day)
            && within("to", |edge, day| edge >= day)
    });
    (!spans.is_empty()).then_some(restatement)
}

fn tell_run(why: &mut view::Why, run: &Run, concerns: impl Fn(&Part) -> bool) {
    let concerned = run.live_parts().filter(|part| concerns(part));
    for part in concerned {
        let ids = part.properties(&run.properties);
        why.parts.push(present::part(part, ids));
        for attempt in &part.attempts {
            why.callbacks
                .extend(attempt.heard_at.map(|at| view::CallbackHeard {
                    part: part.number,
                    attempt: attempt.number,
                    at,
                }));
        }
    }
    why.checks = run.checks.iter().map(present::check).collect();
    why.run = Some(present::whole_run(run));
}

/// What a reader of a file that is not as it landed must know: in a word, a sentence and a command.
fn tell_absence(why: &mut view::Why, schedule: &Name, landed: &LandedFile) -> Option<&'static str> {
    let (state, words) = match landed.presence {
        Presence::There => return None,
        Presence::Gone => ("gone", "is not there any more"),
        Presence::Changed => ("changed", "is not the file that landed"),
    };
    let path = landed.file.as_ref().map_or("its file", |file| &file.path);
    why.because = format!("{}, but {path} {words}", why.because);
    why.mend = Some(export_anew(schedule, landed.window));
    Some(state)
}

fn accept(run: &Run) -> String {
    format!("aptiqd retry {} --accept", run.id)
}

fn export_anew(schedule: &Name, days: Window) -> String {
    format!(
        "aptiqd trigger {schedule} --from {} --to {}",
        days.from, days.to
    )
}

fn tell_file(why: &mut view::Why, landed: LandedFile) {
    why.landed_at = Some(landed.landed_at);
    why.file = landed.file;
    why.jobs = landed.jobs;
}

/// The newest run that asked for the cell; of a landed cell, the newest that brought it; failing
/// both, the newest skip that would have asked for the day.
fn run_of_cell<S: Store>(
    store: &S,
    schedule: &Name,
    property: i64,
    date: NaiveDate,
    state: CellState,
) -> Result<Option<Run>, Error> {
    let mut after: Option<Vec<u8>> = None;
    let mut looked = 0;
    let mut skipped = None;
    while looked < LOOKED_MAX {
        let page = store.scan(Tree::Recent, b"", after.as_deref(), true, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        looked += page.len();
        let ids = page
            .iter()
            .filter_map(|(key, _)| std::str::from_utf8(key.get(8..)?).ok());
        let prefix = format!("{schedule}.");
        for id in ids.filter(|id| id.starts_with(&prefix)) {
            let alone = record::run_alone(store, id)?;
            let Some(run) = alone.filter(|run| run.window.contains(date)) else {
                continue;
            };
            if run.state == RunState::Skipped {
                skipped.get_or_insert(run);
                continue;
            }
            let Some(run) = record::run(store, id)? else {
                continue;
            };
            if asked_for(&run, property, date, state) {
                return Ok(Some(run));
            }
        }
    }
    Ok(skipped)
}

fn asked_for(run: &Run, property: i64, date: NaiveDate, state: CellState) -> bool {
    if run.properties.binary_search(&property).is_err() {
        return false;
    }
    let brought = |part: &Part| {
        part.state == PartState::Fetched
            && part.window.contains(date)
            && part
                .properties(&run.properties)
                .binary_search(&property)
                .is_ok()
    };
    match state {
        CellState::Landed => {
            matches!(run.state, RunState::Landed | RunState::Incomplete)
                && run.live_parts().any(brought)
        }
        _ => true,
    }
}

/// The key of the file that holds a day of the run.
fn key(run: &Run, date: NaiveDate) -> String {
    match run.terms.partition {
        Partition::Date => format!("date={date}"),
        Partition::Month => format!("month={}", date - Days::new(u64::from(date.day0()))),
        Partition::Window => {
            let Window { from, to } = run.window;
            format!("window={from}_{to}")
        }
    }
}

fn unknown_file(path: &str) -> Refusal {
    let shown: String = path.chars().filter(|c| !c.is_control()).take(200).collect();
    Refusal::new(
        Code::NotFound,
        format!("no landed file is known as {shown}"),
        "a path ends in data/SCHEDULE/KEY/FILE or raw/SCHEDULE/RUN/FILE, or holds staging/quarantine/RUN; \
         `aptiqd show RUN` lists a run's",
    )
}
