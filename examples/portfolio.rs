//! A configuration and a state folder as two years with 700 properties leave them, to look at the
//! page with and to measure it: `cargo run --example portfolio -- DIR [RUNS]`, then
//! `aptiqd run --config DIR/aptiqd.toml`. Nothing in it speaks to anybody.

use aptiqd::coverage::{Fate, Line};
use aptiqd::roster::{Ended, Landed, Mark, Saved, Turn};
use aptiqd::run::{Part, Run, RunId, RunState};
use aptiqd::schedule::{Name, Window};
use aptiqd::store::{Disk, Settings, Store, record};
use chrono::{DateTime, Days, TimeDelta, TimeZone, Utc};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const PROPERTIES: i64 = 700;
const DAYS: u64 = 730;
const FIRST_ID: i64 = 99_001_416;
/// Records of runs in one commit.
const BATCH: usize = 500;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("give a folder, and perhaps a number of old runs")?;
    let runs = arguments.next().map_or(Ok(0), |count| count.parse())?;
    let folder = Path::new(&folder);
    let now = aptiqd::clock::now();
    configuration(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(state(&folder.join("state"), now, runs))?;
    println!("{}", folder.join("aptiqd.toml").display());
    Ok(())
}

fn configuration(folder: &Path) -> Fallible<()> {
    fs::create_dir_all(folder.join("schedules"))?;
    let token = folder.join("token");
    fs::write(&token, "nobody-asks-for-this-one")?;
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
    // Nothing listens at port 1: whatever fires while it is looked at fails at once and locally.
    fs::write(
        folder.join("aptiqd.toml"),
        "[api]\nbase_url = \"http://127.0.0.1:1/api/v1\"\ntoken_url = \"http://127.0.0.1:1/token\"\n\
         token_file = \"token\"\n[callback]\nlisten = \"127.0.0.1:0\"\n\
         public_url = \"https://exports.example.com\"\n",
    )?;
    let mut list = "id,name\n".to_owned();
    for (number, id) in (FIRST_ID..).take(PROPERTIES as usize).enumerate() {
        let _ = writeln!(list, "{id},{}", name_of(number));
    }
    fs::write(folder.join("schedules/owned.csv"), list)?;
    for (name, report, cron, window, about) in [
        (
            "owned-daily",
            "property",
            "30 12 * * *",
            "yesterday",
            "Every property we own, daily",
        ),
        (
            "units-weekly",
            "units",
            "0 6 * * 1",
            "previous_week",
            "Unit changes of the week before",
        ),
    ] {
        let text = format!(
            "description = \"{about}\"\nreport = \"{report}\"\nformat = \"parquet\"\ncron = \"{cron}\"\n\
             timezone = \"America/Chicago\"\nwindow = \"{window}\"\npartition = \"date\"\n\
             properties = {{ file = \"owned.csv\", column = \"id\", name_column = \"name\" }}\n\
             catch_up = {{ mode = \"none\", max_age = \"7d\", max_runs = 31 }}\n"
        );
        fs::write(folder.join(format!("schedules/{name}.toml")), text)?;
    }
    Ok(())
}

fn name_of(number: usize) -> String {
    let trees = ["Elm", "Oak", "Maple", "Cedar", "Birch", "Willow", "Aspen"];
    let places = [
        "Court", "Park", "Square", "Heights", "Crossing", "Landing", "Terrace", "Station",
    ];
    let tree = trees[number % trees.len()];
    let place = places[number / trees.len() % places.len()];
    format!(
        "{tree} {place} {}",
        number / (trees.len() * places.len()) + 1
    )
}

async fn state(folder: &Path, now: DateTime<Utc>, old_runs: usize) -> Fallible<()> {
    let (store, _) = Disk::open(Settings::new(folder, now))?;
    for name in ["owned-daily", "units-weekly"] {
        let schedule = Name::parse(name)?;
        let saved = (0..PROPERTIES).map(|number| Saved::Coverage {
            schedule: schedule.clone(),
            property: FIRST_ID + number,
            line: line(number, name, now),
        });
        keep(&store, saved.collect(), now).await?;
        let ended = newest_runs(&store, &schedule, now).await?;
        keep(
            &store,
            vec![Saved::Mark(schedule, Box::new(mark(&ended, now)))],
            now,
        )
        .await?;
    }
    let schedule = Name::parse("owned-daily")?;
    for first in (0..old_runs).step_by(BATCH) {
        let mut saved = Vec::new();
        for number in first..(first + BATCH).min(old_runs) {
            let back = TimeDelta::days(20) + TimeDelta::minutes(i64::try_from(number)? * 7);
            let made = run(&schedule, now - back, RunState::Landed)?;
            saved.extend(records(&made));
        }
        keep(&store, saved, now).await?;
    }
    Ok(())
}

async fn keep<S: Store>(store: &S, saved: Vec<Saved>, now: DateTime<Utc>) -> Fallible<()> {
    let turn = Turn {
        saved,
        ..Turn::default()
    };
    store.commit(record::commit_of(&turn, now)).await?;
    Ok(())
}

/// Mostly landed; some properties came late, some days failed for many, some for one.
fn line(number: i64, schedule: &str, now: DateTime<Utc>) -> Line {
    let yesterday = now.date_naive() - Days::new(1);
    let last = match schedule {
        "units-weekly" => yesterday - Days::new(3),
        _ => yesterday,
    };
    let first = last - Days::new(DAYS - 1);
    let mut line = Line::default();
    let begun = if number % 23 == 0 { 200 } else { 0 };
    let window = |from: u64, to: u64| Window::new(first + Days::new(from), first + Days::new(to));
    let mut say = |from: u64, to: u64, fate: Fate| {
        if let Some(window) = window(from, to) {
            line.record(window, fate);
        }
    };
    let mut gaps = Vec::new();
    if number % 9 == 0 {
        let at = 100 + (number.unsigned_abs() * 37) % 600;
        gaps.push((at, at + number.unsigned_abs() % 4, Fate::Missing));
    }
    if (250..275).contains(&number) {
        gaps.push((580, 586, Fate::Failed));
    }
    if number % 97 == 5 {
        gaps.push((DAYS - 2, DAYS - 1, Fate::Missing));
    }
    if number % 41 == 7 {
        gaps.push((640, 648, Fate::Empty));
    }
    gaps.sort_unstable_by_key(|(from, ..)| *from);
    let mut next = begun;
    for (from, to, fate) in gaps {
        if from > next {
            say(next, from - 1, Fate::Landed);
        }
        say(from, to, fate);
        next = to + 1;
    }
    if next < DAYS {
        say(next, DAYS - 1, Fate::Landed);
    }
    line
}

async fn newest_runs<S: Store>(
    store: &S,
    schedule: &Name,
    now: DateTime<Utc>,
) -> Fallible<Vec<Run>> {
    let step = if schedule.as_str() == "units-weekly" {
        7
    } else {
        1
    };
    let mut runs = Vec::new();
    for back in (0..14).rev().step_by(step) {
        let state = match back {
            0 => RunState::Incomplete,
            5 => RunState::Failed,
            _ => RunState::Landed,
        };
        let made = run(
            schedule,
            now - TimeDelta::days(back) - TimeDelta::hours(4),
            state,
        )?;
        keep(store, records(&made), now).await?;
        runs.push(made);
    }
    Ok(runs)
}

fn records(run: &Run) -> Vec<Saved> {
    let mut saved = vec![Saved::Run {
        run: Box::new(run.clone()),
        new: true,
    }];
    saved.extend(run.parts.values().map(|part| Saved::Part {
        run: run.id.clone(),
        part: Box::new(part.clone()),
    }));
    saved
}

fn mark(runs: &[Run], now: DateTime<Utc>) -> Mark {
    let mut mark = Mark::new(now - Days::new(DAYS));
    mark.decided_through = now;
    mark.last_ended = runs.last().map(|run| {
        Box::new(Ended {
            run: run.id.clone(),
            state: run.state,
            reason: run.reason.clone(),
            at: run.finished_at.unwrap_or(now),
        })
    });
    let landed = runs.iter().rev().find(|run| run.state == RunState::Landed);
    mark.last_landed = landed.map(|run| {
        Box::new(Landed {
            run: run.id.clone(),
            at: run.finished_at.unwrap_or(now),
            window: run.window,
        })
    });
    mark.data_through = landed.map(|run| run.window.to);
    mark
}

fn run(schedule: &Name, made: DateTime<Utc>, state: RunState) -> Fallible<Run> {
    let nominal = Utc
        .timestamp_opt(made.timestamp(), 0)
        .single()
        .ok_or("no such instant")?;
    let id: RunId = format!("{schedule}.{}", nominal.format("%Y%m%dT%H%M%SZ")).parse()?;
    let day = made.date_naive() - Days::new(1);
    let minutes = 6 + i64::from(made.timestamp().unsigned_abs() as u32 % 11);
    let exported = made + TimeDelta::seconds(40) + TimeDelta::minutes(minutes);
    let reason = match state {
        RunState::Failed => Some("3 of 28 parts failed: the job failed: internal error"),
        RunState::Incomplete => Some("7 of 700 cells are missing"),
        _ => None,
    };
    let checks: Value = match state {
        RunState::Incomplete => json!([{"name": "schema", "status": "warn",
            "observed": {"added": ["concession_pct"], "removed": [], "retyped": ["avg_ner: int → float"]},
            "expected": {"columns": ["id", "report_generation_date", "avg_rent", "avg_ner"]}}]),
        _ => json!([]),
    };
    let mut run: Run = serde_json::from_value(json!({
        "id": id, "schedule": schedule, "trigger": "cron", "nominal_at": nominal,
        "window": {"from": day, "to": day}, "state": state, "reason": reason,
        "terms": {"report": "property", "format": "parquet", "partition": "date",
            "chunk": {"properties": 25, "days": 31},
            "columns": {"property": "id", "date": "report_generation_date"},
            "checks": {"min_property_coverage": null, "min_rows_vs_median": null, "unique": [],
                "max_null_rate": {}, "range": {}, "schema_change": "notify", "on_fail": "quarantine"},
            "retry": {"attempts": 4, "first": {"secs": 30, "nanos": 0}, "max": {"secs": 1800, "nanos": 0}},
            "deadline": {"secs": 21600, "nanos": 0}, "submit_settle": {"secs": 600, "nanos": 0}, "source": null},
        "roster": "", "property_count": PROPERTIES, "created_at": made,
        "started_at": made + TimeDelta::seconds(3),
        "finished_at": exported + TimeDelta::seconds(20 + minutes * 2),
        "tries": 0, "not_before": made,
        "rows": if state == RunState::Failed { 0 } else { 700 },
        "bytes": if state == RunState::Failed { 0 } else { 81_234 },
        "checks": checks, "cells": {"landed": 700, "empty": 0, "missing": 0}, "missing": [],
    }))?;
    for number in 1..=2_u32 {
        let part: Part = serde_json::from_value(json!({
            "number": number, "first": (number - 1) * 350, "count": 350, "window": {"from": day, "to": day},
            "state": {"is": "fetched"},
            "attempts": [{"number": 1, "job_id": "0b3a9a52-63d5-4a64-b7f9-6a4c2f8e6f11", "state": "succeeded",
                "learned_by": "callback", "error": null, "started_at": made, "ended_at": exported}],
            "artifact": null, "fault": null, "forgiven": 0,
        }))?;
        run.parts.insert(number, part);
    }
    Ok(run)
}
