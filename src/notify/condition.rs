//! What lasts: each schedule's and the daemon's states, well or ill, as they are now.

use super::notice::{Kind, Level};
use super::seen::Seen;
use crate::roster::{Lateness, ScheduleNow};
use crate::run::{RunId, RunState};
use crate::schedule::Name;
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A pasted token that expires sooner wants replacing.
pub(super) const EXPIRES_SOON: TimeDelta = TimeDelta::days(7);
/// Less than this free below the landing folder is told; more than [`FREE_AGAIN`] ends it.
const FREE_LOW: u64 = 2_000_000_000;
const FREE_AGAIN: u64 = 2_500_000_000;

/// What has a state of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// How the schedule's last run ended.
    Runs(Name),
    /// How old its data is.
    Age(Name),
    Credential,
    Quota,
    Callbacks,
    Reload,
    Disk,
}

impl Subject {
    pub fn schedule(&self) -> Option<&Name> {
        match self {
            Subject::Runs(name) | Subject::Age(name) => Some(name),
            _ => None,
        }
    }

    /// The key in the store.
    pub fn key(&self) -> String {
        match self {
            Subject::Runs(name) => format!("runs/{name}"),
            Subject::Age(name) => format!("age/{name}"),
            Subject::Credential => "credential".to_owned(),
            Subject::Quota => "quota".to_owned(),
            Subject::Callbacks => "callbacks".to_owned(),
            Subject::Reload => "reload".to_owned(),
            Subject::Disk => "disk".to_owned(),
        }
    }

    pub fn parse(key: &str) -> Option<Subject> {
        let named = |name: &str| Name::parse(name).ok();
        match key.split_once('/') {
            Some(("runs", name)) => named(name).map(Subject::Runs),
            Some(("age", name)) => named(name).map(Subject::Age),
            Some(_) => None,
            None => [
                Subject::Credential,
                Subject::Quota,
                Subject::Callbacks,
                Subject::Reload,
                Subject::Disk,
            ]
            .into_iter()
            .find(|subject| subject.key() == key),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Well,
    Ill,
}

/// How a subject is, and what would be said of it.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub standing: Standing,
    pub kind: Kind,
    pub level: Level,
    pub text: String,
    pub help: Option<String>,
    pub run: Option<RunId>,
    pub data: Value,
}

impl Condition {
    fn well(kind: Kind, text: String) -> Condition {
        Condition {
            standing: Standing::Well,
            kind,
            level: Level::Info,
            text,
            help: None,
            run: None,
            data: json!({}),
        }
    }

    fn ill(kind: Kind, level: Level, text: String, help: &str) -> Condition {
        Condition {
            standing: Standing::Ill,
            level,
            help: Some(help.to_owned()),
            ..Condition::well(kind, text)
        }
    }
}

/// Every subject of which something is known; what is absent keeps the state that was told.
pub(super) fn conditions(seen: &Seen) -> BTreeMap<Subject, Condition> {
    let mut all = BTreeMap::new();
    for now in &seen.snapshot.schedules {
        let name = &now.schedule.name;
        let runs = runs(now).map(|condition| (Subject::Runs(name.clone()), condition));
        let age = age(now, seen).map(|condition| (Subject::Age(name.clone()), condition));
        all.extend(runs.into_iter().chain(age));
    }
    let daemon = [
        (Subject::Credential, Some(credential(seen))),
        (Subject::Quota, Some(quota(seen))),
        (Subject::Callbacks, callbacks(seen)),
        (Subject::Reload, Some(reload(seen))),
        (Subject::Disk, disk(seen)),
    ];
    let known = daemon.into_iter();
    all.extend(known.filter_map(|(subject, condition)| Some((subject, condition?))));
    all
}

/// By the last run that was not a backfill's. One that was cancelled says nothing new.
fn runs(now: &ScheduleNow) -> Option<Condition> {
    let name = &now.schedule.name;
    let ended = now.mark.last_ended.as_ref()?;
    let reason = ended.reason.as_deref().unwrap_or("no reason is recorded");
    let (kind, level) = match ended.state {
        RunState::Failed => (Kind::Failed, Level::Error),
        RunState::Incomplete => (Kind::Incomplete, Level::Warning),
        RunState::Landed => {
            let days = now.mark.last_landed.as_ref().map(|landed| landed.window);
            let days = days.map_or(String::new(), |days| format!(" ({days})"));
            let text = format!("{name} has recovered: a run has landed{days}");
            let mut well = Condition::well(Kind::Recovered, text);
            well.run = Some(ended.run.clone());
            well.data = json!({"state": "landed", "window": now.mark.last_landed.as_ref().map(|l| l.window)});
            return Some(well);
        }
        _ => return None,
    };
    let text = format!("{name}: a run {}: {reason}", past(kind));
    let help = format!("aptiqd show {}", ended.run);
    let mut ill = Condition::ill(kind, level, text, &help);
    ill.run = Some(ended.run.clone());
    ill.data = json!({"state": ended.state.as_str(), "reason": ended.reason, "ended_at": ended.at});
    Some(ill)
}

pub(super) fn past(kind: Kind) -> &'static str {
    match kind {
        Kind::Incomplete => "is incomplete",
        _ => "failed",
    }
}

/// Nobody waits for the data of a schedule that is paused or disabled.
fn age(now: &ScheduleNow, seen: &Seen) -> Option<Condition> {
    let name = &now.schedule.name;
    if now.mark.paused.is_some() || !now.schedule.enabled {
        return None;
    }
    now.schedule.freshness.as_ref()?;
    let through = now.mark.data_through;
    let Some(lateness) = now.lateness(seen.snapshot.at) else {
        // Before its first data a schedule is not yet late, but not fresh either.
        now.mark.last_landed.as_ref()?;
        let mut well = Condition::well(Kind::FreshAgain, format!("{name} is fresh again"));
        well.data = json!({"data_through": through});
        return Some(well);
    };
    let (level, age, limit) = match lateness {
        Lateness::Warn { age, limit } => (Level::Warning, age, limit),
        Lateness::Error { age, limit } => (Level::Error, age, limit),
    };
    let held = match through {
        Some(day) => format!("data through {day}"),
        None => "no data yet".to_owned(),
    };
    let text = format!(
        "{name} is late: nothing has landed for {}, {} is allowed; {held}",
        span(age),
        humantime::format_duration(limit),
    );
    let mut ill = Condition::ill(
        Kind::Late,
        level,
        text,
        &format!("aptiqd runs --schedule {name}"),
    );
    ill.data = json!({
        "age_seconds": age.as_secs(), "limit_seconds": limit.as_secs(), "data_through": through,
    });
    Some(ill)
}

fn span(age: Duration) -> String {
    let exact = if age.as_secs() < 120 { 1 } else { 60 };
    humantime::format_duration(Duration::from_secs(age.as_secs() / exact * exact)).to_string()
}

fn credential(seen: &Seen) -> Condition {
    const MEND: &str =
        "put a valid secret into its file; it is read again by itself. aptiqd token check";
    let health = &seen.health;
    if health.credential_refused {
        let text = "ApartmentIQ refuses the credential: nothing is exported".to_owned();
        return Condition::ill(Kind::CredentialRefused, Level::Error, text, MEND);
    }
    match health.credential_expires_at {
        Some(at) if !health.credential_renews && at - seen.snapshot.at < EXPIRES_SOON => {
            let when = at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let text = format!("the access token expires at {when}");
            let mut ill = Condition::ill(Kind::CredentialExpiring, Level::Warning, text, MEND);
            ill.data = json!({"expires_at": at});
            ill
        }
        _ => Condition::well(
            Kind::CredentialGood,
            "the credential is good again".to_owned(),
        ),
    }
}

fn quota(seen: &Seen) -> Condition {
    match &seen.health.quota {
        Some(words) => Condition::ill(
            Kind::QuotaSpent,
            Level::Error,
            words.clone(),
            "ask ApartmentIQ for more, or export less often",
        ),
        None => Condition::well(
            Kind::QuotaFree,
            "ApartmentIQ takes jobs again: the quota has room".to_owned(),
        ),
    }
}

/// Whether they are silent is judged by the roster, and kept by it over a restart.
fn callbacks(seen: &Seen) -> Option<Condition> {
    if !seen.health.callbacks_expected {
        return None;
    }
    let now = &seen.snapshot.callbacks;
    let Some(since) = now.silent_since else {
        let text = "callbacks come in again".to_owned();
        return Some(Condition::well(Kind::CallbacksBack, text));
    };
    let mut ill = Condition::ill(
        Kind::CallbacksSilent,
        Level::Warning,
        format!(
            "no callback has come for several jobs in a row, told at {}; polling found their ends, so data lands, but later",
            since.to_rfc3339_opts(SecondsFormat::Secs, true)
        ),
        "aptiqd callback test",
    );
    ill.data = json!({"jobs": now.missed, "silent_since": since});
    Some(ill)
}

fn reload(seen: &Seen) -> Condition {
    match &seen.health.reload_fault {
        Some(fault) => Condition::ill(
            Kind::ReloadRejected,
            Level::Error,
            format!("a reload was refused and nothing changed: {fault}"),
            "aptiqd check",
        ),
        None => Condition::well(
            Kind::ReloadTaken,
            "the configuration was taken by a reload".to_owned(),
        ),
    }
}

fn disk(seen: &Seen) -> Option<Condition> {
    let free = seen.health.free_bytes?;
    let shown = format!("{} MB free below the landing folder", free / 1_000_000);
    if free < FREE_LOW {
        let mut ill = Condition::ill(
            Kind::DiskLow,
            Level::Warning,
            shown,
            "make room, or move landing.path",
        );
        ill.data = json!({"free_bytes": free});
        return Some(ill);
    }
    (free >= FREE_AGAIN).then(|| Condition::well(Kind::DiskFree, shown))
}
