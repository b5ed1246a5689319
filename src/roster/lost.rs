//! Runs that the store does not know, made again from what is known elsewhere: their jobs' addresses
//! and the schedule, or their manifests.

use super::fires::window_of;
use super::runs::{number, roster_hash};
use super::{Proof, plan};
use crate::coverage::{Fate, Ledger};
use crate::run::{
    Attempt, AttemptId, AttemptState, Cells, JobSeen, JobStatus, Part, PartNumber, PartState, Run,
    RunId, RunState, Terms, Trigger,
};
use crate::schedule::{
    Checks, Chunk, Columns, Format, Name, OnFail, Partition, Properties, Report, Retry, Schedule,
    SchemaChange, Window,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A job upstream with an address of ours, of a run that is not open.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub job: JobSeen,
    pub attempt: AttemptId,
    pub proof: Proof,
    /// When the list that held it was begun.
    pub asked_at: DateTime<Utc>,
}

pub(super) fn is_live(job: &JobSeen) -> bool {
    matches!(job.status, JobStatus::Submitted | JobStatus::Unknown(_))
}

pub(super) fn is_dead(job: &JobSeen) -> bool {
    matches!(job.status, JobStatus::Failed | JobStatus::Cancelled)
}

/// Whether a lost job is worth having: it runs, or its result is as young as what the schedule
/// would catch up, and not all of its cells are settled by files that are there.
pub(super) fn is_wanted(
    schedule: &Schedule,
    ledger: Option<&Ledger>,
    job: &JobSeen,
    now: DateTime<Utc>,
) -> bool {
    let max_age = TimeDelta::from_std(schedule.catch_up.max_age).unwrap_or(TimeDelta::MAX);
    let young = job.created_at.is_none_or(|at| now - at <= max_age);
    let useful = is_live(job) || (job.status == JobStatus::Succeeded && young);
    useful && job.window.is_some() && !job.property_ids.is_empty() && !is_settled(ledger, job)
}

fn is_settled(ledger: Option<&Ledger>, job: &JobSeen) -> bool {
    let (Some(ledger), Some(window)) = (ledger, job.window) else {
        return false;
    };
    job.property_ids.iter().all(|property| {
        ledger.line(*property).is_some_and(|line| {
            line.within(window)
                .all(|(_, fate)| matches!(fate, Some(Fate::Landed | Fate::Empty)))
        })
    })
}

/// A run made again, with what its list told beside it.
#[derive(Debug)]
pub(super) struct Regained {
    pub run: Run,
    /// The current job of each part that has one, as it was seen.
    pub seen: Vec<(PartNumber, u32, JobSeen)>,
}

/// The run as its schedule plans it, if that fits all its jobs; else just what the jobs bring.
pub(super) fn regain(
    schedule: &Schedule,
    id: &RunId,
    jobs: &[Lost],
    excluded: &BTreeSet<i64>,
    settle: Duration,
    now: DateTime<Utc>,
) -> Option<Regained> {
    let mut run = as_planned(schedule, id, jobs, excluded, settle, now)
        .or_else(|| as_seen(schedule, id, jobs, settle, now))?;
    run.state = RunState::Running;
    run.started_at = Some(now);
    let mut seen = Vec::new();
    for part in run.parts.values_mut() {
        let own = jobs.iter().filter(|lost| lost.attempt.part == part.number);
        if let Some((attempt, job)) = hand_over(part, own.collect(), now) {
            seen.push((part.number, attempt, job));
        }
    }
    Some(Regained { run, seen })
}

/// Gives a part its attempts; the newest is current, and a live job of an older one is cancelled.
fn hand_over(part: &mut Part, mut jobs: Vec<&Lost>, now: DateTime<Utc>) -> Option<(u32, JobSeen)> {
    let rank = |lost: &Lost| (lost.attempt.number, is_dead(&lost.job), lost.job.created_at);
    jobs.sort_by_key(|lost| rank(lost));
    let current = jobs.last()?.attempt.number;
    let mut adopted = None;
    for lost in jobs {
        let number = lost.attempt.number;
        let known = part
            .attempts
            .last()
            .is_some_and(|last| last.number == number);
        if !known {
            part.attempts.push(Attempt {
                number,
                job_id: Some(lost.job.job_id.clone()),
                state: AttemptState::Exporting,
                learned_by: None,
                error: None,
                started_at: lost.job.created_at.unwrap_or(now),
                ended_at: None,
                heard_at: None,
                heard_last: None,
                unknown_status: None,
                by_looks: false,
                cancelling: Vec::new(),
            });
        }
        let Some(attempt) = part.attempts.last_mut() else {
            continue;
        };
        if !known && number == current {
            adopted = Some((number, lost.job.clone()));
            continue;
        }
        if number != current {
            attempt.state = AttemptState::Failed;
            attempt.ended_at = Some(now);
        }
        if is_live(&lost.job) {
            attempt.order_cancel(&lost.job.job_id, now);
        }
    }
    part.state = PartState::Exporting {
        since: now,
        heard: None,
        absent: 0,
    };
    adopted
}

fn as_planned(
    schedule: &Schedule,
    id: &RunId,
    jobs: &[Lost],
    excluded: &BTreeSet<i64>,
    settle: Duration,
    now: DateTime<Utc>,
) -> Option<Run> {
    let Properties::Listed(list) = &schedule.properties else {
        return None;
    };
    let (trigger, nominal) = id.origin()?;
    let ids = list.iter().map(|property| property.id);
    let properties: Vec<i64> = ids.filter(|id| !excluded.contains(id)).collect();
    let seen = jobs
        .iter()
        .filter_map(|lost| lost.job.window)
        .reduce(Window::union)?;
    let whole = window_of(schedule, nominal).union(seen);
    let windows = match trigger {
        Trigger::Cron | Trigger::CatchUp => [whole, seen],
        Trigger::Manual | Trigger::Backfill => [seen, whole],
    };
    let daily = schedule.chunk.by_day();
    for window in windows {
        for chunk in [schedule.chunk, daily] {
            let parts = number(plan::parts(&properties, window, chunk), 1);
            let parts: BTreeMap<PartNumber, Part> =
                parts.into_iter().map(|part| (part.number, part)).collect();
            if jobs
                .iter()
                .all(|lost| fits(schedule, lost, &parts, &properties))
            {
                let mut terms = terms_of(schedule, settle);
                terms.chunk = chunk;
                let mut run = blank(id, &schedule.name, terms, window, now);
                run.whole = trigger != Trigger::Backfill;
                return Some(with_parts(run, parts, properties));
            }
        }
    }
    None
}

fn fits(
    schedule: &Schedule,
    lost: &Lost,
    parts: &BTreeMap<PartNumber, Part>,
    properties: &[i64],
) -> bool {
    let job = &lost.job;
    parts.get(&lost.attempt.part).is_some_and(|part| {
        job.window == Some(part.window)
            && job.property_ids == part.properties(properties)
            && job.report.is_none_or(|report| report == schedule.report)
            && job.format.is_none_or(|format| format == schedule.format)
    })
}

/// A run of nothing but its jobs' cells.
fn as_seen(
    schedule: &Schedule,
    id: &RunId,
    jobs: &[Lost],
    settle: Duration,
    now: DateTime<Utc>,
) -> Option<Run> {
    let all: BTreeSet<i64> = jobs
        .iter()
        .flat_map(|lost| lost.job.property_ids.iter().copied())
        .collect();
    let properties: Vec<i64> = all.into_iter().collect();
    let mut parts = BTreeMap::new();
    for lost in jobs {
        let (first, count) = place_of(&lost.job.property_ids, &properties)?;
        let part = Part::planned(lost.attempt.part, first, count, lost.job.window?);
        let known: &mut Part = parts.entry(part.number).or_insert_with(|| part.clone());
        if *known != part {
            return None;
        }
    }
    let windows = parts.values().map(|part| part.window);
    let window = windows.reduce(Window::union)?;
    let mut terms = terms_of(schedule, settle);
    let of_jobs = jobs.iter().map(|lost| &lost.job);
    terms.report = of_jobs
        .clone()
        .find_map(|job| job.report)
        .unwrap_or(terms.report);
    terms.format = of_jobs
        .clone()
        .find_map(|job| job.format)
        .unwrap_or(terms.format);
    let run = blank(id, &schedule.name, terms, window, now);
    Some(with_parts(run, parts, properties))
}

/// Where `ids` stand in `all`, if they stand there side by side.
pub(super) fn place_of(ids: &[i64], all: &[i64]) -> Option<(u32, u32)> {
    let first = all.binary_search(ids.first()?).ok()?;
    let same = all.get(first..first + ids.len())? == ids;
    let (first, count) = (u32::try_from(first).ok()?, u32::try_from(ids.len()).ok()?);
    same.then_some((first, count))
}

pub(super) fn with_parts(
    mut run: Run,
    parts: BTreeMap<PartNumber, Part>,
    properties: Vec<i64>,
) -> Run {
    run.roster = roster_hash(&properties);
    run.property_count = u32::try_from(properties.len()).unwrap_or(u32::MAX);
    run.properties = Arc::new(properties);
    run.parts = parts;
    run
}

/// A run that stands for nothing but the cancelling of its jobs.
pub(super) fn shell(
    id: &RunId,
    jobs: &[Lost],
    settle: Duration,
    now: DateTime<Utc>,
) -> Option<Run> {
    let name = Name::parse(id.schedule()).ok()?;
    let first = &jobs.first()?.job;
    let report = first.report.unwrap_or(Report::Property);
    let terms = bare_terms(report, first.format.unwrap_or(Format::Csv), settle);
    let windows = jobs.iter().filter_map(|lost| lost.job.window);
    let window = windows.reduce(Window::union);
    let window = window.unwrap_or_else(|| Window::day(now.date_naive()));
    let mut run = blank(id, &name, terms, window, now);
    run.state = RunState::Cancelled;
    run.reason = Some("its state is lost, and nothing waits for its jobs".to_owned());
    run.finished_at = Some(now);
    Some(run)
}

/// A queued run without parts.
pub(super) fn blank(
    id: &RunId,
    schedule: &Name,
    terms: Terms,
    window: Window,
    now: DateTime<Utc>,
) -> Run {
    let (trigger, nominal_at) = id.origin().unwrap_or((Trigger::Manual, now));
    Run {
        id: id.clone(),
        schedule: schedule.clone(),
        trigger,
        nominal_at,
        window,
        state: RunState::Queued,
        reason: None,
        terms,
        roster: String::new(),
        property_count: 0,
        created_at: now,
        started_at: None,
        finished_at: None,
        tries: 0,
        not_before: now,
        rows: 0,
        bytes: 0,
        checks: Vec::new(),
        quarantine: None,
        losses: 0,
        whole: false,
        cells: Cells::default(),
        missing: Vec::new(),
        batch: None,
        files: Vec::new(),
        parts: BTreeMap::new(),
        properties: Arc::default(),
    }
}

pub(super) fn terms_of(schedule: &Schedule, submit_settle: Duration) -> Terms {
    Terms {
        report: schedule.report,
        format: schedule.format,
        partition: schedule.partition,
        chunk: schedule.chunk,
        columns: (*schedule.columns).clone(),
        checks: (*schedule.checks).clone(),
        retry: schedule.retry,
        deadline: schedule.deadline,
        submit_settle,
        source: None,
    }
}

/// For a run whose schedule is not declared any more: it has ended, its terms only stand there.
pub(super) fn bare_terms(report: Report, format: Format, submit_settle: Duration) -> Terms {
    Terms {
        report,
        format,
        partition: Partition::Window,
        chunk: Chunk {
            properties: 25,
            days: 31,
        },
        columns: Columns {
            property: "id".to_owned(),
            date: "report_generation_date".to_owned(),
        },
        checks: Checks {
            min_property_coverage: None,
            min_rows_vs_median: None,
            unique: Vec::new(),
            max_null_rate: BTreeMap::new(),
            range: BTreeMap::new(),
            schema_change: SchemaChange::Notify,
            on_fail: OnFail::Quarantine,
        },
        retry: Retry {
            attempts: 4,
            first: Duration::from_secs(30),
            max: Duration::from_secs(1_800),
        },
        deadline: Duration::from_secs(6 * 3_600),
        submit_settle,
        source: None,
    }
}
