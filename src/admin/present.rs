//! Runs as they are kept → runs as they are shown.

use super::view;
use crate::run::{Check, CheckStatus, Part, PartState, PublishedFile, Run, RunState};
use crate::schedule::Window;

impl From<Window> for view::Window {
    fn from(window: Window) -> view::Window {
        view::Window {
            from: window.from,
            to: window.to,
        }
    }
}

impl From<RunState> for view::RunState {
    fn from(state: RunState) -> view::RunState {
        match state {
            RunState::Queued => view::RunState::Queued,
            RunState::Resolving | RunState::Running | RunState::Publishing => {
                view::RunState::Running
            }
            RunState::Landed => view::RunState::Landed,
            RunState::Incomplete => view::RunState::Incomplete,
            RunState::Failed => view::RunState::Failed,
            RunState::Cancelled => view::RunState::Cancelled,
            RunState::Skipped => view::RunState::Skipped,
        }
    }
}

/// RUN, with its parts counted: those replaced by smaller ones do not count.
pub fn run<'p>(run: &Run, parts: impl Iterator<Item = &'p Part>) -> view::Run {
    let mut count = view::PartCount::default();
    for part in parts.filter(|part| part.state != PartState::Superseded) {
        count.total += 1;
        count.done += u64::from(part.state == PartState::Fetched);
    }
    view::Run {
        id: run.id.to_string(),
        schedule: run.schedule.to_string(),
        trigger: run.trigger.as_str().to_owned(),
        nominal_at: run.nominal_at,
        window: run.window.into(),
        state: run.state.into(),
        reason: run.reason.clone(),
        parts: count,
        rows: run.rows,
        bytes: run.bytes,
        created_at: run.created_at,
        finished_at: run.finished_at,
    }
}

/// A run that carries its parts.
pub fn whole_run(whole: &Run) -> view::Run {
    run(whole, whole.parts.values())
}

pub fn detail(whole: &Run, events: Vec<view::Event>) -> view::RunDetail {
    let mut detail = view::RunDetail::new(whole_run(whole));
    let parts = whole.parts.values();
    detail.parts = parts
        .map(|one| part(one, one.properties(&whole.properties)))
        .collect();
    detail.files = whole.files.iter().map(file).collect();
    detail.checks = whole.checks.iter().map(check).collect();
    detail.events = events;
    detail
}

pub fn part(part: &Part, property_ids: &[i64]) -> view::Part {
    let attempts = part.attempts.iter().map(|attempt| view::Attempt {
        number: attempt.number,
        job_id: attempt.job_id.clone(),
        state: attempt.state.as_str().to_owned(),
        learned_by: attempt.learned_by.map(|by| by.as_str().to_owned()),
        error: attempt.error.clone(),
    });
    let artifact = part.artifact.as_ref().map(|artifact| view::Artifact {
        bytes: artifact.bytes,
        sha256: artifact.sha256.clone(),
        rows: artifact.rows,
    });
    view::Part {
        number: part.number,
        properties: u64::from(part.count),
        property_ids: property_ids.to_vec(),
        from: part.window.from,
        to: part.window.to,
        state: part.state.as_str().to_owned(),
        attempts: attempts.collect(),
        artifact,
    }
}

fn file(file: &PublishedFile) -> view::File {
    view::File {
        path: file.path.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        rows: file.rows,
        generation: file.generation,
    }
}

pub fn check(check: &Check) -> view::CheckResult {
    let status = match check.status {
        CheckStatus::Pass => "pass",
        CheckStatus::Warn => "warn",
        CheckStatus::Fail => "fail",
    };
    view::CheckResult {
        name: check.name.clone(),
        status: status.to_owned(),
        observed: check.observed.clone(),
        expected: check.expected.clone(),
    }
}
