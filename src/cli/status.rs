//! `status`: how everything is, worst first.

use super::Context;
use super::console::{Console, Tone};
use super::exit::{Exit, Outcome};
use super::render::{Rows, age, amount, bytes, counted, days, tone_of_level};
use crate::admin::view::{Level, ScheduleStatus, Status};
use crate::clock;
use chrono::{DateTime, Utc};
use std::fmt::Write;

/// How the daemon and its schedules are, worst first
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd status
  aptiqd status --json | jq '.schedules[] | {name, state, last_success}'")]
pub struct Args {}

pub async fn perform(_: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let status: Status = client.read("/api/v1/status").await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&status);
    } else {
        console.say(&render(&status, console, clock::now()));
    }
    Ok(Exit::Done)
}

fn render(status: &Status, console: &Console, now: DateTime<Utc>) -> String {
    let mut text = String::new();
    let ready = match status.ready {
        true => console.tint("ready", Tone::Good),
        false => console.tint("not ready", Tone::Bad),
    };
    let _ = writeln!(
        text,
        "aptiqd {} · {ready} · up {} · {}, {} under way",
        status.version,
        super::render::span((now - status.since).to_std().unwrap_or_default()),
        counted(status.schedules.len() as u64, "schedule"),
        counted(status.runs.len() as u64, "run"),
    );
    for line in &status.attention {
        let word = match line.level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Ok => "note",
        };
        let word = console.tint(word, tone_of_level(line.level));
        let _ = writeln!(text, "\n{word}: {}: {}", line.subject, line.message);
        if !line.help.is_empty() {
            let _ = writeln!(text, "  → {}", line.help);
        }
    }
    text.push('\n');
    text.push_str(&schedules(&status.schedules, console, now));
    text.push_str(&open_runs(status, console, now));
    text.push('\n');
    text.push_str(&health(status, now));
    text
}

fn schedules(schedules: &[ScheduleStatus], console: &Console, now: DateTime<Utc>) -> String {
    if schedules.is_empty() {
        return "no schedule is declared; `aptiqd init` writes one to begin with\n".to_owned();
    }
    let mut rows = Rows::new(
        console,
        &["schedule", "state", "last landed", "next fire", "reason"],
    );
    for schedule in schedules {
        rows.row(&[
            &schedule.name,
            &schedule.state,
            &schedule
                .last_success
                .map_or("never".to_owned(), |at| age(at, now)),
            &schedule.next_fire.map_or("–".to_owned(), |at| age(at, now)),
            schedule.reason.as_deref().unwrap_or_default(),
        ]);
    }
    rows.finish(console)
}

fn open_runs(status: &Status, console: &Console, now: DateTime<Utc>) -> String {
    if status.runs.is_empty() {
        return String::new();
    }
    let mut rows = Rows::new(
        console,
        &["run", "state", "days", "parts", "since", "reason"],
    );
    for run in &status.runs {
        rows.row(&[
            &run.id,
            run.state.as_str(),
            &days(run.window),
            &format!("{}/{}", run.parts.done, run.parts.total),
            &age(run.created_at, now),
            run.reason.as_deref().unwrap_or_default(),
        ]);
    }
    format!("\n{}", rows.finish(console))
}

fn health(status: &Status, now: DateTime<Utc>) -> String {
    let mut text = String::new();
    let callbacks = &status.callbacks;
    let heard = match (&callbacks.public_url, callbacks.share) {
        (None, _) => "off: no callback.public_url, jobs are polled".to_owned(),
        (Some(url), None) => format!("{url}, {} heard", amount(callbacks.received)),
        (Some(url), Some(share)) => format!(
            "{url}, {} heard, {:.0} % of jobs learned by them",
            amount(callbacks.received),
            share * 100.0,
        ),
    };
    let lead = callbacks.lead_seconds.map_or(String::new(), |lead| {
        format!(", {lead:.0} s before the sweep")
    });
    let last = callbacks.last_heard_at.map_or(String::new(), |at| {
        format!(", the last one {}", age(at, now))
    });
    let credential = match (status.credential.refused, status.credential.expires_at) {
        (true, _) => "refused by ApartmentIQ".to_owned(),
        (false, Some(at)) => format!("{}, expires {}", status.credential.kind, age(at, now)),
        (false, None) => status.credential.kind.clone(),
    };
    let free = status.landing.free_bytes.map_or("?".to_owned(), bytes);
    let _ = writeln!(text, "callbacks   {heard}{lead}{last}");
    let _ = writeln!(text, "credential  {credential}");
    let _ = writeln!(text, "jobs        {} in flight", status.jobs_in_flight);
    let _ = writeln!(text, "landing     {} · {free} free", status.landing.path);
    if !status.config.ok {
        let count = counted(status.config.faults.len() as u64, "fault");
        let _ = writeln!(
            text,
            "config      last reload refused: {count}; `aptiqd check`"
        );
    }
    text
}
