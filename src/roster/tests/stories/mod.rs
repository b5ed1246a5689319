//! Whole stories, turn by turn: what happened, what is kept, what is begun, what is waited for next. Each is compared with
//! its text in `told/`, so that whatever changes in a course of events is read by whoever changes it.
//!
//! `APTIQD_WRITE_STORIES=1` writes the texts anew; the difference is what there is to review.

mod landing;
mod lost;
mod operator;
mod time;
mod vendor;

use super::world::{Logging, Weather, World, start};
use crate::roster::{Answer, Command, Effect, Entry, Saved, Snapshot, Turn};
use crate::run::{AttemptId, Run};
use crate::schedule::Schedule;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::fmt::Write as _;

/// A world that tells what goes on in it, from its first turn.
fn story(seed: u64, weather: Weather, schedules: Vec<Schedule>) -> World {
    let mut world = World::new(seed, weather, Vec::new());
    world.logging = Logging::Story;
    world.schedules = schedules;
    world.restart_at(start());
    world
}

/// `true`: every time; `false`: never.
fn percent(always: bool) -> u64 {
    if always { 100 } else { 0 }
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%-d %H:%M:%S%.f").to_string()
}

/// A document's members side by side; what is null is left out.
fn words(document: &Value) -> String {
    let mut text = String::new();
    let members = document.as_object().into_iter().flatten();
    for (key, value) in members.filter(|(key, value)| *key != "event" && !value.is_null()) {
        let value = value.to_string().replace('"', "");
        let _ = write!(text, " {key}={value}");
    }
    text.replace("2026-11-02T", "")
}

fn entry(entry: &Entry) -> String {
    let about = entry.run.as_ref().or(entry.schedule.as_ref());
    let about = about.map_or("aptiqd", String::as_str);
    let event = entry.body["event"].as_str().unwrap_or("?");
    format!("{about} {event}{}", words(&entry.body))
}

fn errand(effect: &Effect) -> String {
    match effect {
        Effect::AskProperties { run, source } => {
            format!("ask for the properties of {run}: {source:?}")
        }
        Effect::SubmitJob {
            attempt,
            report,
            format,
            window,
            property_ids,
        } => format!("create {attempt}: {report:?} {format:?} {window} {property_ids:?}"),
        Effect::ListJobs {
            until_seen,
            back_to,
        } => format!(
            "list until {until_seen:?} back to {}",
            back_to.map_or("-".into(), moment)
        ),
        Effect::CheckJob { attempt, job_id } => format!("read {job_id} of {attempt}"),
        Effect::FetchArtifact {
            attempt,
            job_id,
            run,
        } => {
            let parts: Vec<u32> = run.parts.keys().copied().collect();
            format!("fetch {job_id} of {attempt}, parts {parts:?}")
        }
        Effect::PublishRun { run } => format!("publish {}", run.id),
        Effect::CancelJob { attempt, job_id } => format!("cancel {job_id} of {attempt}"),
        Effect::RecallRuns { runs } => format!("look up runs {:?}", names(runs)),
        Effect::RecallOwners { jobs, since } => {
            format!("look up owners of {jobs:?} since {}", moment(*since))
        }
    }
}

fn names<T: ToString>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(|one| one.to_string()).collect()
}

fn record(saved: &Saved) -> String {
    let json = |value| words(&serde_json::to_value(value).expect("a document"));
    match saved {
        Saved::Run { run, new } => {
            let new = if *new { "new " } else { "" };
            let (not_before, reason) = (moment(run.not_before), run.reason.as_deref());
            let (state, tries) = (run.state.as_str(), run.tries);
            let reason = reason.unwrap_or("-");
            format!(
                "{new}run {} {state} tries={tries} not_before={not_before} {reason}",
                run.id
            )
        }
        Saved::Part { run, part } => {
            let state = serde_json::to_value(&part.state).expect("a document");
            format!("part {} of {run}{}", part.number, words(&state))
        }
        Saved::Files { run, files } => format!("{} files of {run}", files.len()),
        Saved::Opened(run) => format!("open {run}"),
        Saved::Closed(run) => format!("closed {run}"),
        Saved::Mark(name, mark) => {
            let mark = serde_json::to_value(mark).expect("a document");
            format!("mark of {name}{}", words(&mark))
        }
        Saved::Roster { ids, .. } => format!("list {ids:?}"),
        Saved::Coverage {
            schedule, property, ..
        } => format!("cells of {property} in {schedule}"),
        Saved::Exclusion(property, decision) => {
            format!(
                "exclusion of {property}{}",
                decision.as_ref().map_or(" -".into(), json)
            )
        }
        Saved::Setting { key, value } => format!("{key}: {}", value.clone().unwrap_or_default()),
    }
}

impl World {
    /// What a turn did, unless that is nothing but a look at a list that nobody waits for.
    pub(super) fn tell(&mut self, turn: &Turn) {
        let waits = match self.roster.poll_deadline() {
            Some((at, why)) => format!("    until {} for {why}", moment(at)),
            None => "    for nothing".to_owned(),
        };
        let idle = |effect: &Effect| matches!(effect, Effect::ListJobs { until_seen, back_to: None } if until_seen.is_empty());
        if turn.entries.is_empty() && turn.saved.is_empty() && turn.effects.iter().all(idle) {
            return;
        }
        assert_eq!(
            turn.needs_commit(),
            !turn.entries.is_empty() || !turn.saved.is_empty()
        );
        let entries = turn.entries.iter().map(|it| format!("  {}", entry(it)));
        let saved = turn
            .saved
            .iter()
            .map(|it| format!("    keep {}", record(it)));
        let errands = turn.effects.iter().map(|it| format!("  > {}", errand(it)));
        let lines: Vec<String> = entries.chain(saved).chain(errands).chain([waits]).collect();
        let before = &self.log[..self.log.len()
            - usize::from(self.log.last().is_some_and(|it| it.starts_with("… ")))];
        if before.ends_with(&lines) {
            // The same once more, and since when.
            let told = before.len();
            self.log.truncate(told);
            self.log.push(format!("… so until {}", moment(self.now)));
            return;
        }
        self.log.push(moment(self.now));
        self.log.extend(lines);
    }

    /// Something that the story itself does.
    fn say(&mut self, what: &str) {
        self.log.push(format!("# {what}"));
    }

    fn pass(&mut self, seconds: i64) {
        let end = self.now + TimeDelta::seconds(seconds);
        self.run_until(end);
    }

    /// An operator's command, and what is answered.
    fn ask(&mut self, command: Command) {
        let named = format!("{command:?}");
        let named = named
            .split([' ', '('])
            .next()
            .unwrap_or_default()
            .to_owned();
        let answer = self.command(command);
        let told = match &answer {
            Ok(Answer::Run(run)) => run_line(run),
            Ok(Answer::Backfill {
                runs,
                left,
                not_due,
            }) => {
                let runs = runs.iter().map(run_line).collect::<Vec<_>>().join("\n#   ");
                format!("{left} left, {not_due} not due\n#   {runs}")
            }
            Ok(Answer::Snapshot(now)) => snapshot(now),
            Ok(other) => format!("{other:?}"),
            Err(refusal) => format!("refused: {refusal}"),
        };
        self.say(&format!("{named}: {told}"));
    }

    /// Tells how all stands, and compares.
    #[track_caller]
    fn ends(mut self, name: &str) {
        self.ask(Command::Snapshot);
        for run in self.kept.runs.keys() {
            let run = self.kept.whole(run);
            self.log.push(run_line(&run));
            for part in run.parts.values() {
                for attempt in &part.attempts {
                    let (number, told) = (part.number, serde_json::to_value(attempt));
                    let told = words(&told.expect("a document"));
                    self.log.push(format!("  part {number}{told}"));
                }
            }
        }
        let told = self.log.join("\n") + "\n";
        let file = format!(
            "{}/src/roster/tests/stories/told/{name}.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        if std::env::var_os("APTIQD_WRITE_STORIES").is_some() {
            return std::fs::write(&file, told).expect("a story is written");
        }
        let known = std::fs::read_to_string(&file).expect("a story that was told before");
        let pairs = known.lines().zip(told.lines()).enumerate();
        for (line, (known, told)) in pairs {
            assert_eq!(told, known, "{name}.txt, line {}", line + 1);
        }
        assert_eq!(
            told.lines().count(),
            known.lines().count(),
            "{name}.txt ends elsewhere"
        );
    }
}

fn run_line(run: &Run) -> String {
    let (trigger, state) = (run.trigger.as_str(), run.state.as_str());
    let (window, properties) = (run.window, run.properties.as_slice());
    let ended = run.finished_at.map_or("-".into(), moment);
    let reason = run.reason.as_deref().unwrap_or("-");
    format!(
        "{} {trigger} {state} {window} {properties:?} ended {ended}: {reason}",
        run.id
    )
}

fn snapshot(now: &Snapshot) -> String {
    let open: Vec<String> = now
        .open
        .iter()
        .map(|it| format!("{} {}", it.run.id, it.parts_done))
        .collect();
    let next = now
        .schedules
        .iter()
        .map(|it| it.next.map(|(_, at)| moment(at)));
    let next: Vec<_> = next.collect();
    format!(
        "open {open:?} jobs {} downloads {} listed {:?} hold {:?} landing {:?} second {} doubt {:?} next {next:?}\n#   {:?}",
        now.jobs_in_flight,
        now.downloads,
        now.last_list_at.map(moment),
        now.hold,
        now.landing_hold,
        now.second_jobs,
        now.doubt,
        now.callbacks,
    )
}

fn attempt(text: &str) -> AttemptId {
    text.parse().expect("an attempt")
}
