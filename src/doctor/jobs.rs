//! What lies upstream: jobs that carry our address but that we know nothing of, and results that
//! nobody has fetched and that expire.

use super::examined;
use crate::admin::view::{Examined, Finding};
use crate::run::{AttemptId, JobSeen, JobStatus, PartState, Run, RunId, RunState};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// What is still unknown when it was held against the schedules, nobody wants as things are.
const NOBODY_WANTS: &str = "aptiqd reload   # once a removed schedule is put back, its results come in; all else the \
    daemon takes up or cancels within 5 minutes";
/// How long a result can be had, at most.
const KEPT: TimeDelta = TimeDelta::days(7);
/// With less left, somebody must act now.
const URGENT: TimeDelta = TimeDelta::days(1);
/// Jobs named in a line.
const NAMED_MAX: usize = 3;

/// Jobs that attempts of ours adopted, and how their parts stand.
pub type Known = BTreeMap<String, (RunId, Fate)>;

/// What became of a job that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its run goes on.
    UnderWay,
    /// Its rows are here, or another job brought them, or nobody wants them any more.
    Settled,
    /// Its run ended without them.
    GivenUp,
}

/// The vendor's newest jobs, sorted by whose they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    pub seen: usize,
    /// With an address that we did not sign, and adopted by none of our attempts: never touched.
    pub foreign: usize,
    /// Open or succeeded, with our address, and of no attempt that we know.
    pub orphans: Vec<String>,
    /// Succeeded and not fetched, though their run has ended: the job, the run, until when it can be had.
    pub unfetched: Vec<(String, Option<RunId>, Option<DateTime<Utc>>)>,
}

impl Fate {
    /// Of the part that a run's attempt at a job belonged to.
    pub fn of(run: &Run, part: &PartState) -> Fate {
        match part {
            PartState::Fetched | PartState::Superseded => Fate::Settled,
            _ if run.state == RunState::Cancelled => Fate::Settled,
            _ if run.state.is_terminal() => Fate::GivenUp,
            _ => Fate::UnderWay,
        }
    }
}

/// Adds the jobs of a run to those that are known.
pub fn learn(known: &mut Known, run: &Run) {
    for part in run.parts.values() {
        for attempt in &part.attempts {
            let second = attempt.cancelling.iter().map(|second| &second.job_id);
            for job in attempt.job_id.iter().chain(second) {
                let fate = Fate::of(run, &part.state);
                known.insert(job.clone(), (run.id.clone(), fate));
            }
        }
    }
}

/// `run_of` finds the run that an address names, if we still know it.
pub fn classify(
    jobs: &[(JobSeen, Option<AttemptId>)],
    known: &Known,
    run_of: impl Fn(&RunId) -> Option<Run>,
) -> Upstream {
    let mut upstream = Upstream {
        seen: jobs.len(),
        ..Upstream::default()
    };
    for (job, attempt) in jobs {
        let place = match known.get(&job.job_id) {
            Some((run, fate)) => Some((Some(run.clone()), *fate)),
            None => match attempt {
                None => {
                    upstream.foreign += 1;
                    continue;
                }
                Some(attempt) => run_of(&attempt.run).and_then(|run| place(&run, attempt, job)),
            },
        };
        let succeeded = job.status == JobStatus::Succeeded;
        let ended = matches!(job.status, JobStatus::Failed | JobStatus::Cancelled);
        let until = job.created_at.map(|at| at + KEPT);
        match place {
            None if ended => {}
            None => {
                upstream.orphans.push(job.job_id.clone());
                if succeeded {
                    upstream.unfetched.push((job.job_id.clone(), None, until));
                }
            }
            Some((run, Fate::GivenUp)) if succeeded => {
                upstream.unfetched.push((job.job_id.clone(), run, until));
            }
            Some(_) => {}
        }
    }
    upstream.unfetched.sort_by_key(|(_, _, until)| *until);
    upstream
}

/// A job of an attempt that we know; one whose create is still unanswered may be any.
fn place(run: &Run, attempt: &AttemptId, job: &JobSeen) -> Option<(Option<RunId>, Fate)> {
    let part = run.parts.get(&attempt.part)?;
    let tried = part
        .attempts
        .iter()
        .find(|one| one.number == attempt.number)?;
    let adopted = tried.job_id.as_deref();
    let ours = adopted.is_none() || adopted == Some(&job.job_id);
    ours.then(|| (Some(run.id.clone()), Fate::of(run, &part.state)))
}

/// `orphan_jobs` and `unfetched_jobs`.
pub fn judge(upstream: &Upstream, now: DateTime<Utc>) -> [Examined; 2] {
    [orphans(upstream), unfetched(upstream, now)]
}

fn orphans(upstream: &Upstream) -> Examined {
    let expected = "every job that carries our address is known";
    let others = format!(
        "{} jobs looked at, {} of others and never touched",
        upstream.seen, upstream.foreign
    );
    match upstream.orphans.as_slice() {
        [] => examined("orphan_jobs", Finding::Pass, others, expected, ""),
        orphans => {
            let observed = format!("unknown here: {}; {others}", named(orphans));
            examined(
                "orphan_jobs",
                Finding::Warn,
                observed,
                expected,
                NOBODY_WANTS,
            )
        }
    }
}

fn unfetched(upstream: &Upstream, now: DateTime<Utc>) -> Examined {
    let expected = "every succeeded job of ours fetched within 7 days";
    let Some((_, run, until)) = upstream.unfetched.first() else {
        let observed = "none is left behind";
        return examined("unfetched_jobs", Finding::Pass, observed, expected, "");
    };
    let left = until.map(|until| until - now);
    let status = match left {
        // Gone is gone: exporting again is all that helps.
        Some(left) if left > TimeDelta::zero() && left < URGENT => Finding::Fail,
        _ => Finding::Warn,
    };
    let ids: Vec<String> = upstream
        .unfetched
        .iter()
        .map(|(id, ..)| id.clone())
        .collect();
    let left = match left {
        Some(left) if left > TimeDelta::zero() => format!("{} h left", left.num_hours()),
        Some(_) => "expired".to_owned(),
        None => "age unknown".to_owned(),
    };
    let observed = format!(
        "{} succeeded but not fetched ({left}): {}",
        ids.len(),
        named(&ids)
    );
    let help = match run {
        Some(run) => format!("aptiqd retry {run}"),
        None => NOBODY_WANTS.to_owned(),
    };
    examined("unfetched_jobs", status, observed, expected, help)
}

/// Where the list could not be read.
pub fn not_looked_at(reason: &str) -> [Examined; 2] {
    let line = |name, expected| {
        let observed = format!("not looked at: {reason}");
        examined(
            name,
            Finding::Warn,
            observed,
            expected,
            "aptiqd token check",
        )
    };
    [
        line("orphan_jobs", "every job that carries our address is known"),
        line(
            "unfetched_jobs",
            "every succeeded job of ours fetched within 7 days",
        ),
    ]
}

fn named(ids: &[String]) -> String {
    let shown: Vec<&str> = ids.iter().take(NAMED_MAX).map(String::as_str).collect();
    match ids.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, status: JobStatus, days_ago: i64) -> JobSeen {
        JobSeen {
            job_id: id.to_owned(),
            status,
            error_message: None,
            callback_url: None,
            report: None,
            format: None,
            window: None,
            property_ids: Vec::new(),
            created_at: Some(now() - TimeDelta::days(days_ago)),
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-22T18:30:00Z".parse().unwrap()
    }

    fn ours() -> Option<AttemptId> {
        Some("owned.20261122T123000Z.p1.a1".parse().unwrap())
    }

    #[test]
    fn orphans_carry_our_address_and_others_are_left_alone() {
        let jobs = [
            (job("lost", JobStatus::Submitted, 0), ours()),
            (job("done", JobStatus::Failed, 0), ours()),
            (job("theirs", JobStatus::Submitted, 0), None),
        ];
        let upstream = classify(&jobs, &Known::new(), |_| None);
        assert_eq!(upstream.orphans, ["lost"]);
        assert_eq!((upstream.seen, upstream.foreign), (3, 1));
        let [orphans, unfetched] = judge(&upstream, now());
        assert_eq!(orphans.status, Finding::Warn);
        assert!(orphans.help.contains("aptiqd reload"));
        assert_eq!(unfetched.status, Finding::Pass);
    }

    #[test]
    fn the_result_that_expires_first_decides() {
        let run: RunId = "owned.20261122T123000Z".parse().unwrap();
        let given_up = |id: &str| (id.to_owned(), (run.clone(), Fate::GivenUp));
        let mut known: Known = [given_up("old"), given_up("new")].into();
        known.insert("here".to_owned(), (run.clone(), Fate::Settled));
        let mut jobs = vec![
            (job("new", JobStatus::Succeeded, 1), None),
            (job("here", JobStatus::Succeeded, 6), None),
        ];
        let judged = |jobs: &[_]| judge(&classify(jobs, &known, |_| None), now())[1].clone();
        let relaxed = judged(&jobs);
        assert_eq!(relaxed.status, Finding::Warn);
        assert!(relaxed.observed.contains("144 h left"), "{relaxed:?}");
        jobs.push((job("old", JobStatus::Succeeded, 6), None));
        let urgent = judged(&jobs);
        assert_eq!(
            urgent.status,
            Finding::Warn,
            "exactly a day is not yet urgent"
        );
        jobs[2].0.created_at = Some(now() - TimeDelta::hours(160));
        let urgent = judged(&jobs);
        assert_eq!(urgent.status, Finding::Fail);
        assert_eq!(urgent.help, "aptiqd retry owned.20261122T123000Z");
        assert!(urgent.observed.contains("8 h left"), "{urgent:?}");
    }
}
