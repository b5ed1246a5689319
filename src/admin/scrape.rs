//! The metrics of the contract, rendered from the engine's snapshot, the tally and the vitals.

use super::health;
use super::metrics::{Exposition, Kind};
use super::outside::Vitals;
use super::tally::Counts;
use crate::roster::Snapshot;
use chrono::{DateTime, NaiveTime, Utc};

/// What a scrape is rendered from.
pub struct Sources<'s> {
    pub snapshot: &'s Snapshot,
    pub counts: &'s Counts,
    pub vitals: &'s Vitals,
    pub reload_ok: bool,
}

pub fn render(sources: &Sources) -> String {
    let mut text = Exposition::new();
    text.family("build_info", Kind::Gauge, "Always 1; which aptiqd this is.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    runs(&mut text, sources.counts);
    schedules(&mut text, sources.snapshot);
    jobs(&mut text, sources);
    vendor(&mut text, sources.vitals);
    machine(&mut text, sources);
    text.finish()
}

fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1_000.0
}

fn runs(text: &mut Exposition, counts: &Counts) {
    text.family(
        "runs_total",
        Kind::Counter,
        "Runs that ended, since the daemon began.",
    );
    for ((schedule, outcome), count) in &counts.runs {
        text.sample(
            &[("schedule", schedule), ("outcome", outcome)],
            *count as f64,
        );
    }
    let help = "How long a run waited, exported and landed.";
    text.family("run_duration_seconds", Kind::Histogram, help);
    for ((schedule, phase), histogram) in &counts.phases {
        text.histogram(&[("schedule", schedule), ("phase", phase)], histogram);
    }
    text.family(
        "rows_landed_total",
        Kind::Counter,
        "Rows in files that were published.",
    )
    .sample(&[], counts.rows as f64);
    text.family(
        "bytes_landed_total",
        Kind::Counter,
        "Bytes of files that were published.",
    )
    .sample(&[], counts.bytes as f64);
    let help = "From the nominal instant to the run, of the last run that cron made.";
    text.family("scheduler_lag_seconds", Kind::Gauge, help)
        .sample(&[], counts.lag.unwrap_or(0.0));
}

fn schedules(text: &mut Exposition, snapshot: &Snapshot) {
    type Value = fn(&crate::roster::ScheduleNow) -> Option<f64>;
    let families: [(&'static str, &str, Value); 4] = [
        (
            "schedule_next_fire_timestamp_seconds",
            "When it will next make a run.",
            |now| health::next_fire(now).map(seconds),
        ),
        (
            "schedule_last_success_timestamp_seconds",
            "When a run of it last landed.",
            |now| Some(seconds(now.mark.last_landed.as_ref()?.at)),
        ),
        (
            "schedule_data_through_timestamp_seconds",
            "The end of the last day that is landed, in UTC.",
            |now| {
                let end = now.mark.data_through?.succ_opt()?.and_time(NaiveTime::MIN);
                Some(seconds(end.and_utc()))
            },
        ),
        ("schedule_paused", "1 while it is paused.", |now| {
            Some(f64::from(u8::from(now.mark.paused.is_some())))
        }),
    ];
    for (name, help, value) in families {
        text.family(name, Kind::Gauge, help);
        for now in &snapshot.schedules {
            if let Some(value) = value(now) {
                text.sample(&[("schedule", now.schedule.name.as_str())], value);
            }
        }
    }
}

fn jobs(text: &mut Exposition, sources: &Sources) {
    let (snapshot, counts) = (sources.snapshot, sources.counts);
    text.family("runs_open", Kind::Gauge, "Runs that have not ended.")
        .sample(&[], snapshot.open.len() as f64);
    text.family(
        "jobs_in_flight",
        Kind::Gauge,
        "Jobs that exist at ApartmentIQ, or may.",
    )
    .sample(&[], snapshot.jobs_in_flight as f64);
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
}

fn vendor(text: &mut Exposition, vitals: &Vitals) {
    let help = "Requests to ApartmentIQ, by endpoint and answer.";
    text.family("api_requests_total", Kind::Counter, help);
    for (endpoint, code, count) in &vitals.requests {
        text.sample(&[("endpoint", endpoint), ("code", code)], *count as f64);
    }
    let help = "Pauses that ApartmentIQ asked for, together.";
    text.family("api_throttled_seconds_total", Kind::Counter, help)
        .sample(&[], vitals.throttled.as_secs_f64());
    let help = "When the credential in use expires; 0 while that is unknown.";
    text.family("credential_expiry_timestamp_seconds", Kind::Gauge, help)
        .sample(&[], vitals.credential.expires_at.map_or(0.0, seconds));
    let help = "1 while ApartmentIQ refuses the credential.";
    text.family("credential_refused", Kind::Gauge, help)
        .sample(&[], f64::from(u8::from(vitals.credential.refused)));
}

fn machine(text: &mut Exposition, sources: &Sources) {
    let help = "1 if the last reload was taken.";
    text.family("config_last_reload_successful", Kind::Gauge, help)
        .sample(&[], f64::from(u8::from(sources.reload_ok)));
    text.family(
        "ready",
        Kind::Gauge,
        "1 while callbacks can be acknowledged.",
    )
    .sample(&[], f64::from(u8::from(sources.vitals.ready.is_ok())));
    if let Some(free) = sources.vitals.landing.free_bytes {
        text.family(
            "landing_free_bytes",
            Kind::Gauge,
            "Bytes free below the landing folder.",
        )
        .sample(&[], free as f64);
    }
}
