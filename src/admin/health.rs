//! Whether a schedule is well, and what a person should look at.

use super::outside::Vitals;
use super::view::{Attention, ConfigHealth, LastRun, Level, Pause, ScheduleStatus};
use crate::roster::{Cause, Lateness, ScheduleNow, Snapshot};
use crate::run::RunState;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use std::time::Duration;

/// A pasted token that expires sooner than this wants replacing.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(7);
/// Less than this free below the landing folder wants a look.
const FREE_LOW: u64 = 2_000_000_000;

pub fn schedule(now: &ScheduleNow, snapshot: &Snapshot) -> ScheduleStatus {
    let (schedule, mark) = (&now.schedule, &now.mark);
    let (level, state, reason) = judge(now, snapshot);
    ScheduleStatus {
        name: schedule.name.to_string(),
        description: schedule.description.to_string(),
        enabled: schedule.enabled,
        paused: mark.paused.as_ref().map(|paused| Pause {
            since: paused.since,
            reason: paused.reason.clone(),
        }),
        next_fire: next_fire(now),
        last_run: mark.last_ended.as_ref().map(|ended| LastRun {
            id: ended.run.to_string(),
            state: ended.state.into(),
            reason: ended.reason.clone(),
            finished_at: Some(ended.at),
        }),
        last_success: mark.last_landed.as_ref().map(|landed| landed.at),
        data_through: mark.data_through,
        level,
        state: state.to_owned(),
        reason,
    }
}

/// When it will next make a run; nothing while it is paused or disabled.
pub fn next_fire(now: &ScheduleNow) -> Option<DateTime<Utc>> {
    let live = now.schedule.enabled && now.mark.paused.is_none();
    now.next.map(|(_, at)| at).filter(|_| live)
}

fn judge(now: &ScheduleNow, snapshot: &Snapshot) -> (Level, &'static str, Option<String>) {
    let (schedule, mark) = (&now.schedule, &now.mark);
    if !schedule.enabled {
        return (Level::Ok, "disabled", None);
    }
    if let Some(paused) = &mark.paused {
        let reason = format!("{} ({})", paused.reason, paused.by);
        return (Level::Warn, "paused", Some(reason));
    }
    let open = snapshot.open.iter().map(|open| &open.run);
    let open = open.rev().find(|run| run.schedule == schedule.name);
    if let Some(ended) = &mark.last_ended {
        let verdict = match ended.state {
            RunState::Failed => Some((Level::Error, "failing")),
            RunState::Incomplete => Some((Level::Warn, "incomplete")),
            _ => None,
        };
        if let Some((level, state)) = verdict {
            return (level, state, ended.reason.clone());
        }
    }
    if let Some((level, age)) = lateness(now, snapshot.at) {
        let reason = format!("nothing has landed for {}", span(age));
        return (level, "late", Some(reason));
    }
    match (open, &mark.last_ended) {
        (Some(run), _) => (Level::Ok, "running", run.reason.clone()),
        (None, None) => (Level::Ok, "new", None),
        (None, Some(_)) => (Level::Ok, "ok", None),
    }
}

/// How long ago data should have come, by the schedule's own freshness.
fn lateness(now: &ScheduleNow, at: DateTime<Utc>) -> Option<(Level, Duration)> {
    match now.lateness(at)? {
        Lateness::Error { age, .. } => Some((Level::Error, age)),
        Lateness::Warn { age, .. } => Some((Level::Warn, age)),
    }
}

fn span(age: Duration) -> String {
    humantime::format_duration(Duration::from_secs(age.as_secs() / 60 * 60)).to_string()
}

/// What a person should look at, with the command that mends or explains it.
pub fn attention(
    schedules: &[ScheduleStatus],
    vitals: &Vitals,
    config: &ConfigHealth,
    snapshot: &Snapshot,
) -> Vec<Attention> {
    let mut lines: Vec<Attention> = schedules.iter().filter_map(schedule_line).collect();
    let mut add = |level, subject: &str, message: String, help: &str| {
        lines.push(Attention {
            level,
            subject: subject.to_owned(),
            message,
            help: help.to_owned(),
        });
    };
    if let Err(reason) = &vitals.ready {
        let message = format!("callbacks cannot be acknowledged: {reason}");
        add(Level::Error, "store", message, "journalctl -u aptiqd");
    }
    for note in &vitals.store_notes {
        add(Level::Warn, "store", note.clone(), "aptiqd events");
    }
    if let Some(cause) = snapshot.doubt {
        let why = match cause {
            Cause::New => "the state is new",
            Cause::Rebuilt => "the state was rebuilt",
            Cause::Behind => "the state was behind",
        };
        let message = format!("{why}: nothing is begun before ApartmentIQ's list is read");
        add(Level::Warn, "store", message, "aptiqd events");
    }
    if snapshot.clock_unset {
        let message = "the clock is not set: no schedule fires, and nothing can be begun by hand";
        add(
            Level::Error,
            "clock",
            message.to_owned(),
            "set the clock: timedatectl",
        );
    }
    if let Some((since, words)) = &snapshot.list_trouble {
        let message = format!(
            "ApartmentIQ's list of jobs cannot be relied on since {}: {words}",
            since.to_rfc3339_opts(SecondsFormat::Secs, true)
        );
        add(Level::Warn, "jobs", message, "aptiqd doctor");
    }
    if let Some(since) = snapshot.callbacks.silent_since {
        let message = format!(
            "no callback comes any more, since {}; jobs are polled",
            since.to_rfc3339_opts(SecondsFormat::Secs, true)
        );
        add(Level::Warn, "callbacks", message, "aptiqd callback test");
    }
    const MEND_TOKEN: &str = "put a valid secret into its file; it is read again by itself";
    if vitals.credential.refused {
        let message =
            "ApartmentIQ refuses the credential, or its file cannot be read: `aptiqd token check`";
        let message = message.to_owned();
        add(Level::Error, "credential", message, MEND_TOKEN);
    } else if let Some(at) = vitals.credential.expires_at
        && vitals.credential.kind == "token"
        && at - snapshot.at < EXPIRES_SOON
    {
        let message = format!("the access token expires at {}", at.to_rfc3339());
        add(Level::Warn, "credential", message, MEND_TOKEN);
    }
    if let Some(quota) = &vitals.quota {
        let help = "ask ApartmentIQ for more, or export less often";
        add(Level::Warn, "quota", quota.clone(), help);
    }
    if let Some(hold) = &snapshot.hold {
        let message = format!("no job is submitted now: {hold}");
        add(Level::Warn, "jobs", message, "aptiqd events --follow");
    }
    if let Some(hold) = &snapshot.landing_hold {
        let message = format!("landing is paused, jobs go on: {hold}");
        let help = "make room, or mount landing.path; it resumes by itself";
        add(Level::Error, "landing", message, help);
    }
    if !config.ok {
        let message = format!(
            "the last reload was refused, {} faults",
            config.faults.len()
        );
        add(Level::Warn, "config", message, "aptiqd check");
    }
    for (receiver, why) in &vitals.notifiers_failing {
        let message = format!("notices to {receiver} do not get through: {why}");
        let help = "journalctl -u aptiqd -g notifier";
        add(Level::Warn, "notify", message, help);
    }
    if let Some(free) = vitals.landing.free_bytes
        && free < FREE_LOW
        && snapshot.landing_hold.is_none()
    {
        let message = format!("{} MB free below {}", free / 1_000_000, vitals.landing.path);
        add(
            Level::Warn,
            "landing",
            message,
            "make room, or move landing.path",
        );
    }
    lines
}

fn schedule_line(schedule: &ScheduleStatus) -> Option<Attention> {
    if schedule.level == Level::Ok {
        return None;
    }
    let run = schedule.last_run.as_ref().map(|run| run.id.as_str());
    let help = match (schedule.state.as_str(), run) {
        ("paused", _) => format!("aptiqd resume {}", schedule.name),
        ("failing" | "incomplete", Some(run)) => format!("aptiqd show {run}"),
        _ => format!("aptiqd runs --schedule {}", schedule.name),
    };
    let reason = schedule.reason.as_deref().unwrap_or_default();
    Some(Attention {
        level: schedule.level,
        subject: schedule.name.clone(),
        message: format!("{}: {reason}", schedule.state),
        help,
    })
}
