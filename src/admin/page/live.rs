//! The overview of a running daemon.

use super::super::outside::Outside;
use super::super::view::Code;
use super::super::{Daemon, Live, Refusal, health, present};
use super::overview::{Coming, DAYS_BACK, Overview, PastRun, ScheduleCells, Survey, Usage};
use crate::roster::{Snapshot, plan};
use crate::run::{Check, CheckStatus, Run};
use crate::store::record::Visit;
use crate::store::{self, Store, record};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// Runs looked at, however many there were in those days.
const RUNS_MAX: usize = 400;
/// Fires shown, and looked for of one schedule.
const FIRES_MAX: usize = 7;
/// Fires further ahead than this are not shown one by one beyond a schedule's next.
const AHEAD: TimeDelta = TimeDelta::days(7);

impl<S: Store, O: Outside> Survey for Live<S, O> {
    async fn survey(&self) -> Result<Overview, Refusal> {
        let mut status = self.status().await?;
        status.sort();
        let snapshot = self.snapshot().await?;
        let mut schedules = Vec::new();
        for now in &snapshot.schedules {
            let schedule = &now.schedule;
            let map = match self.cell_map(schedule.name.clone(), None).await {
                Ok(map) => map,
                // A reload took it away meanwhile.
                Err(refusal) if refusal.error.code == Code::UnknownSchedule => continue,
                Err(refusal) => return Err(refusal),
            };
            schedules.push(ScheduleCells {
                name: schedule.name.to_string(),
                enabled: schedule.enabled,
                zone: schedule.timezone,
                map,
            });
        }
        let at = snapshot.at;
        let since = at - TimeDelta::days(i64::from(DAYS_BACK));
        let (runs, more_runs) = self.read(move |store| recent(store, since)).await?;
        let vitals = self.vitals();
        Ok(Overview {
            at,
            status,
            schedules,
            runs,
            more_runs,
            fires: coming(&snapshot),
            usage: Usage {
                requests: vitals.requests.iter().map(|(_, _, count)| count).sum(),
                throttled: vitals.throttled,
                quota: vitals.quota,
            },
        })
    }
}

/// The runs made since, newest first, and whether there were more.
fn recent<S: Store>(store: &S, since: DateTime<Utc>) -> Result<(Vec<PastRun>, bool), store::Error> {
    let mut found = Vec::new();
    let mut more = false;
    record::recent(store, |run| {
        if run.created_at < since {
            return Visit::Enough;
        }
        more = found.len() == RUNS_MAX;
        if more {
            return Visit::Enough;
        }
        found.push(run);
        Visit::More
    })?;
    let mut runs = Vec::with_capacity(found.len());
    for run in found {
        let parts = record::parts(store, run.id.as_str())?;
        let attempts = parts.iter().flat_map(|part| &part.attempts);
        runs.push(PastRun {
            started_at: run.started_at,
            exported_at: attempts.filter_map(|attempt| attempt.ended_at).max(),
            schema_change: schema_change(&run),
            run: present::run(&run, parts.iter()),
        });
    }
    Ok((runs, more))
}

fn schema_change(run: &Run) -> Option<String> {
    let changed = |check: &&Check| check.name == "schema" && check.status != CheckStatus::Pass;
    let check = run.checks.iter().find(changed)?;
    let observed = check.observed.as_object()?;
    let words = observed.iter().filter_map(|(what, names)| {
        let names: Vec<&str> = names.as_array()?.iter().filter_map(Value::as_str).collect();
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    });
    Some(words.collect::<Vec<_>>().join("; "))
}

fn coming(snapshot: &Snapshot) -> Vec<Coming> {
    let mut fires = Vec::new();
    for now in &snapshot.schedules {
        let Some(next) = health::next_fire(now) else {
            continue;
        };
        let schedule = &now.schedule;
        let planned = plan::fires(
            schedule,
            next.min(now.next.map_or(next, |(nominal, _)| nominal)),
        );
        for (fire, number) in planned.take(FIRES_MAX).zip(0..) {
            if number > 0 && fire.fires_at > snapshot.at + AHEAD {
                break;
            }
            fires.push(Coming {
                schedule: schedule.name.to_string(),
                at: fire.fires_at,
                zone: schedule.timezone,
                window: fire.window,
                properties: fire.properties,
                parts: fire.parts,
            });
        }
    }
    fires.sort_by(|a, b| (a.at, &a.schedule).cmp(&(b.at, &b.schedule)));
    fires.truncate(FIRES_MAX);
    fires
}
