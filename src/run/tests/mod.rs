//! One run's life: its laws over arbitrary sequences of facts, its rules one by one.

mod bisect;
mod heard;
mod kept_of_events;
mod laws;
mod lost;
mod quarantine;
mod rules;
mod waits;
mod words;

use super::*;
use crate::schedule::{
    Checks, Chunk, Columns, Format, Name, OnFail, Partition, Report, Retry, SchemaChange, Window,
};
use chrono::{DateTime, TimeZone, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0)
        .single()
        .expect("a valid instant")
}

fn run() -> Run {
    let name = Name::parse("daily").expect("a name");
    let day = start().date_naive();
    Run {
        id: RunId::of_fire(&name, start()),
        schedule: name,
        trigger: Trigger::Cron,
        nominal_at: start(),
        window: Window::day(day),
        state: RunState::Queued,
        reason: None,
        terms: Terms {
            report: Report::Property,
            format: Format::Csv,
            partition: Partition::Date,
            chunk: Chunk {
                properties: 2,
                days: 31,
            },
            columns: Columns {
                property: "id".into(),
                date: "day".into(),
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
                attempts: 3,
                first: Duration::from_secs(30),
                max: Duration::from_secs(300),
            },
            deadline: Duration::from_secs(3_600),
            submit_settle: Duration::from_secs(60),
            source: None,
        },
        roster: String::new(),
        property_count: 0,
        created_at: start(),
        started_at: None,
        finished_at: None,
        tries: 0,
        not_before: start(),
        rows: 0,
        bytes: 0,
        checks: Vec::new(),
        cells: Cells::default(),
        missing: Vec::new(),
        quarantine: None,
        losses: 0,
        batch: None,
        whole: false,
        files: Vec::new(),
        parts: BTreeMap::new(),
        properties: Arc::default(),
    }
}

fn planned() -> Run {
    let mut run = run();
    let window = run.window;
    let parts = vec![
        Part::planned(1, 0, 2, window),
        Part::planned(2, 2, 1, window),
    ];
    step(&mut run, &Event::Started, start()).expect("started");
    let properties = Arc::new(vec![1, 2, 3]);
    let event = Event::Planned {
        properties,
        roster: "r".into(),
        parts,
    };
    step(&mut run, &event, start()).expect("planned");
    run
}

fn job(id: u8, status: JobStatus) -> JobSeen {
    JobSeen {
        job_id: format!("job-{id}"),
        status,
        error_message: Some("words of the vendor".into()),
        callback_url: None,
        report: None,
        format: None,
        window: None,
        property_ids: Vec::new(),
        created_at: None,
    }
}

/// A publish of nothing but its verdict.
fn published(verdict: Verdict) -> Published {
    Published {
        verdict,
        reason: None,
        names_days: None,
        files: Vec::new(),
        rows: 1,
        bytes: 1,
        checks: Vec::new(),
        landed: Vec::new(),
        empty: Vec::new(),
        missing: Vec::new(),
        lost: Vec::new(),
        told: Vec::new(),
    }
}
