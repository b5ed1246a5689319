//! The metrics of the contract, rendered from the engine's snapshot, the tally and the vitals.
//!
//! Every family and every series of a known schedule is there from the first scrape on: counters as 0, instants that are
//! not known as 0. A series that appears later would hide its first increase from `rate`.

use super::health;
use super::metrics::{Exposition, Histogram, Kind};
use super::outside::Vitals;
use super::tally::{Counts, PHASE_BOUNDS, PHASES};
use crate::roster::{Lateness, ScheduleNow, Snapshot};
use crate::run::RunState;
use crate::store::Sequence;
use chrono::{DateTime, NaiveTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// How a run may end.
const OUTCOMES: [RunState; 5] = [
    RunState::Landed,
    RunState::Incomplete,
    RunState::Failed,
    RunState::Cancelled,
    RunState::Skipped,
];
/// What is asked of ApartmentIQ.
const ENDPOINTS: [&str; 7] = [
    "create",
    "job",
    "list",
    "results",
    "cancel",
    "properties",
    "token",
];

/// What a scrape is rendered from.
pub struct Sources<'s> {
    pub snapshot: &'s Snapshot,
    pub counts: &'s Counts,
    pub vitals: &'s Vitals,
    pub reload_ok: bool,
    /// Property-days by schedule that were due and are in no file.
    pub missing: &'s BTreeMap<String, u64>,
    /// The newest event of the journal.
    pub position: Sequence,
    pub began: DateTime<Utc>,
}

pub fn render(sources: &Sources) -> String {
    let mut text = Exposition::new();
    text.family("build_info", Kind::Gauge, "Always 1; which aptiqd this is.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    text.family(
        "start_timestamp_seconds",
        Kind::Gauge,
        "When the daemon began.",
    )
    .sample(&[], seconds(sources.began));
    runs(&mut text, sources);
    schedules(&mut text, sources);
    states(&mut text, sources.snapshot);
    jobs(&mut text, sources);
    vendor(&mut text, sources);
    machine(&mut text, sources);
    notices(&mut text, sources.vitals);
    text.finish()
}

fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1_000.0
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

/// Schedules that are declared, and those that ran and are gone.
fn names<'s>(sources: &'s Sources) -> BTreeSet<&'s str> {
    let declared = sources.snapshot.schedules.iter();
    let declared = declared.map(|now| now.schedule.name.as_str());
    let counted = sources.counts.runs.keys().map(|(name, _)| name.as_str());
    declared.chain(counted).collect()
}

fn runs(text: &mut Exposition, sources: &Sources) {
    let (counts, names) = (sources.counts, names(sources));
    let help = "Runs that ended, since the daemon began.";
    text.family("runs_total", Kind::Counter, help);
    for name in &names {
        for outcome in OUTCOMES.map(RunState::as_str) {
            let count = counts.runs.get(&((*name).to_owned(), outcome));
            let labels = [("schedule", *name), ("outcome", outcome)];
            text.sample(&labels, count.copied().unwrap_or(0) as f64);
        }
    }
    let help = "How long a run waited, exported and landed.";
    text.family("run_duration_seconds", Kind::Histogram, help);
    let none = Histogram::new(PHASE_BOUNDS);
    for name in &names {
        for phase in PHASES {
            let seen = counts.phases.get(&((*name).to_owned(), phase));
            let labels = [("schedule", *name), ("phase", phase)];
            text.histogram(&labels, seen.unwrap_or(&none));
        }
    }
    let help = "Rows in files that were published.";
    text.family("rows_landed_total", Kind::Counter, help)
        .sample(&[], counts.rows as f64);
    let help = "Bytes of files that were published.";
    text.family("bytes_landed_total", Kind::Counter, help)
        .sample(&[], counts.bytes as f64);
    let help = "From the nominal instant to the run, of the last run that cron made.";
    text.family("scheduler_lag_seconds", Kind::Gauge, help)
        .sample(&[], counts.lag.unwrap_or(0.0));
}

fn schedules(text: &mut Exposition, sources: &Sources) {
    type Value = fn(&ScheduleNow) -> f64;
    let families: [(&'static str, &str, Value); 4] = [
        (
            "schedule_next_fire_timestamp_seconds",
            "When it will next make a run; 0 while it is paused, disabled or has no fire left.",
            |now| health::next_fire(now).map_or(0.0, seconds),
        ),
        (
            "schedule_last_success_timestamp_seconds",
            "When a run of it last landed; 0 before the first.",
            |now| {
                now.mark
                    .last_landed
                    .as_ref()
                    .map_or(0.0, |landed| seconds(landed.at))
            },
        ),
        (
            "schedule_data_through_timestamp_seconds",
            "The end of the last day that is landed, in UTC; 0 before the first.",
            |now| {
                let day = now.mark.data_through.and_then(|day| day.succ_opt());
                day.map_or(0.0, |day| seconds(day.and_time(NaiveTime::MIN).and_utc()))
            },
        ),
        ("schedule_paused", "1 while it is paused.", |now| {
            flag(now.mark.paused.is_some())
        }),
    ];
    let all = &sources.snapshot.schedules;
    for (name, help, value) in families {
        text.family(name, Kind::Gauge, help);
        for now in all {
            text.sample(&[("schedule", now.schedule.name.as_str())], value(now));
        }
    }
    let help = "Property-days that were due and are in no file.";
    text.family("schedule_missing_property_days", Kind::Gauge, help);
    for now in all {
        let name = now.schedule.name.as_str();
        let missing = sources.missing.get(name).copied().unwrap_or(0);
        text.sample(&[("schedule", name)], missing as f64);
    }
}

/// One series a state, of which one at most is 1.
fn states(text: &mut Exposition, snapshot: &Snapshot) {
    let help = "1 at the state in which its last run ended, backfills aside.";
    text.family("schedule_last_run", Kind::Gauge, help);
    for now in &snapshot.schedules {
        let last = now.mark.last_ended.as_ref().map(|ended| ended.state);
        for state in OUTCOMES
            .into_iter()
            .filter(|state| *state != RunState::Skipped)
        {
            let labels = [
                ("schedule", now.schedule.name.as_str()),
                ("outcome", state.as_str()),
            ];
            text.sample(&labels, flag(last == Some(state)));
        }
    }
    let help = "1 while nothing has landed for longer than its freshness allows.";
    text.family("schedule_late", Kind::Gauge, help);
    for now in &snapshot.schedules {
        let live = now.schedule.enabled && now.mark.paused.is_none();
        let late = now.lateness(snapshot.at).filter(|_| live);
        let severity = late.map(|late| match late {
            Lateness::Warn { .. } => "warning",
            Lateness::Error { .. } => "error",
        });
        for word in ["warning", "error"] {
            let labels = [("schedule", now.schedule.name.as_str()), ("severity", word)];
            text.sample(&labels, flag(severity == Some(word)));
        }
    }
}

fn jobs(text: &mut Exposition, sources: &Sources) {
    let (snapshot, counts) = (sources.snapshot, sources.counts);
    let gauges = [
        (
            "runs_open",
            "Runs that have not ended.",
            snapshot.open.len(),
        ),
        (
            "jobs_in_flight",
            "Jobs that exist at ApartmentIQ, or may.",
            snapshot.jobs_in_flight,
        ),
        (
            "downloads_in_flight",
            "Downloads under way.",
            snapshot.downloads,
        ),
    ];
    for (name, help, value) in gauges {
        text.family(name, Kind::Gauge, help)
            .sample(&[], value as f64);
    }
    let help = "Jobs whose end was learned, by how.";
    text.family("job_completions_total", Kind::Counter, help);
    for by in ["callback", "poll", "reconcile"] {
        let count = counts.learned_by.get(by).copied().unwrap_or_default();
        text.sample(&[("learned_by", by)], count as f64);
    }
    let help = "Second jobs of one attempt, found and cancelled.";
    text.family("duplicate_jobs_total", Kind::Counter, help)
        .sample(&[], snapshot.second_jobs as f64);
    let help = "Requests to the callback listener, by outcome.";
    text.family("callbacks_total", Kind::Counter, help);
    for (outcome, count) in &sources.vitals.callback_outcomes {
        text.sample(&[("outcome", outcome)], *count as f64);
    }
    let help = "1 if jobs carry a callback address.";
    text.family("callbacks_configured", Kind::Gauge, help)
        .sample(&[], flag(sources.vitals.callbacks.public_url.is_some()));
    let help = "1 while no job is submitted, because the last one met a fault that the next would meet too.";
    text.family("submissions_held", Kind::Gauge, help)
        .sample(&[], flag(snapshot.hold.is_some()));
}

fn vendor(text: &mut Exposition, sources: &Sources) {
    let vitals = sources.vitals;
    let help = "Requests to ApartmentIQ, by endpoint and answer.";
    text.family("api_requests_total", Kind::Counter, help);
    let mut requests: BTreeMap<(&str, &str), u64> =
        ENDPOINTS.map(|endpoint| ((endpoint, "200"), 0)).into();
    for (endpoint, code, count) in &vitals.requests {
        requests.insert((endpoint, code), *count);
    }
    for ((endpoint, code), count) in requests {
        text.sample(&[("endpoint", endpoint), ("code", code)], count as f64);
    }
    let help = "Pauses that ApartmentIQ asked for, together.";
    text.family("api_throttled_seconds_total", Kind::Counter, help)
        .sample(&[], vitals.throttled.as_secs_f64());
    let help = "1 from a refusal for the quota until a job is taken again.";
    text.family("api_quota_spent", Kind::Gauge, help)
        .sample(&[], flag(vitals.quota.is_some()));
    let help = "When the credential in use expires; 0 while that is unknown.";
    text.family("credential_expiry_timestamp_seconds", Kind::Gauge, help)
        .sample(&[], vitals.credential.expires_at.map_or(0.0, seconds));
    let help = "1 if the credential renews itself; else somebody must, before it expires.";
    text.family("credential_renews", Kind::Gauge, help)
        .sample(&[], flag(vitals.credential.kind == "client"));
    let help = "1 while ApartmentIQ refuses the credential.";
    text.family("credential_refused", Kind::Gauge, help)
        .sample(&[], flag(vitals.credential.refused));
}

fn machine(text: &mut Exposition, sources: &Sources) {
    let vitals = sources.vitals;
    let help = "1 if the last reload was taken.";
    text.family("config_last_reload_successful", Kind::Gauge, help)
        .sample(&[], flag(sources.reload_ok));
    let help = "1 while callbacks can be acknowledged.";
    text.family("ready", Kind::Gauge, help)
        .sample(&[], flag(vitals.ready.is_ok()));
    let help = "Events in the journal since the state folder was made.";
    text.family("store_events_total", Kind::Counter, help)
        .sample(&[], sources.position as f64);
    for (name, help, free) in [
        (
            "landing_free_bytes",
            "Bytes free below the landing folder.",
            vitals.landing.free_bytes,
        ),
        (
            "store_free_bytes",
            "Bytes free where the state lives.",
            vitals.store_free_bytes,
        ),
    ] {
        text.family(name, Kind::Gauge, help);
        if let Some(free) = free {
            text.sample(&[], free as f64);
        }
    }
}

fn notices(text: &mut Exposition, vitals: &Vitals) {
    let help =
        "Notices by receiver and what became of them; a retried one is counted at every try.";
    text.family("notices_total", Kind::Counter, help);
    for (receiver, outcome, count) in &vitals.notices {
        text.sample(
            &[("notifier", receiver), ("outcome", outcome)],
            *count as f64,
        );
    }
    let help = "1 while the last notice to a receiver did not get through.";
    text.family("notifier_failing", Kind::Gauge, help);
    let receivers: BTreeSet<&str> = vitals
        .notices
        .iter()
        .map(|(name, ..)| name.as_str())
        .collect();
    for receiver in receivers {
        let failing = vitals
            .notifiers_failing
            .iter()
            .any(|(name, _)| name == receiver);
        text.sample(&[("notifier", receiver)], flag(failing));
    }
}
