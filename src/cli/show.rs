//! `show`: one run with its parts, files, checks and events.

use super::console::Console;
use super::exit::{Exit, Outcome};
use super::render::{Rows, age, amount, bytes, counted, days, instant, tone_of};
use super::{Context, encode, events};
use crate::admin::view::{Part, Run, RunDetail, RunState, Window};
use crate::clock;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::fmt::Write;

/// One run: its parts, attempts, jobs, files, checks and events
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd show owned-daily.20261122T183000Z
  aptiqd show owned-daily.20261122T183000Z --json | jq '.parts[].attempts'")]
pub struct Args {
    /// The run's id, as `runs` lists it
    pub(super) run: String,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let path = format!("/api/v1/runs/{}", encode(&args.run));
    let detail: RunDetail = client.read(&path).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&detail);
    } else {
        console.say(&render(&detail, console, clock::now()));
    }
    Ok(Exit::Done)
}

pub fn render(detail: &RunDetail, console: &Console, now: DateTime<Utc>) -> String {
    let mut text = head(&detail.run, console, now);
    if !detail.parts.is_empty() {
        let _ = write!(text, "\n{}", parts(&detail.parts, console));
    }
    for (part, attempt) in detail
        .parts
        .iter()
        .flat_map(|part| part.attempts.iter().map(move |attempt| (part, attempt)))
    {
        if let Some(error) = &attempt.error {
            let _ = writeln!(
                text,
                "part {} attempt {}: {error}",
                part.number, attempt.number
            );
        }
    }
    if !detail.files.is_empty() {
        text.push_str("\nfiles\n");
        for file in &detail.files {
            let _ = writeln!(
                text,
                "  {}\n    {} · {} · generation {} · sha256 {}",
                file.path,
                counted(file.rows, "row"),
                bytes(file.bytes),
                file.generation,
                file.sha256,
            );
        }
    }
    if !detail.checks.is_empty() {
        let mut rows = Rows::new(console, &["check", "status", "observed", "expected"]);
        for check in &detail.checks {
            let (observed, expected) = (plain(&check.observed), plain(&check.expected));
            rows.row(&[&check.name, &check.status, &observed, &expected]);
        }
        let _ = write!(text, "\n{}", rows.finish(console));
    }
    if !detail.events.is_empty() {
        text.push_str("\nevents\n");
        for event in &detail.events {
            let _ = writeln!(
                text,
                "  {}",
                events::line(event, events::Scope::OneRun, console)
            );
        }
    }
    if let Some(next) = next_command(&detail.run) {
        let _ = writeln!(text, "\n→ {next}");
    }
    text
}

fn head(run: &Run, console: &Console, now: DateTime<Utc>) -> String {
    let mut text = String::new();
    let state = console.tint(run.state.as_str(), tone_of(run.state));
    let _ = writeln!(text, "{} · {state}", run.id);
    if let Some(reason) = &run.reason {
        let _ = writeln!(text, "  {reason}");
    }
    let _ = writeln!(
        text,
        "  {} of {} · {} · made {} ({})",
        run.schedule,
        days(run.window),
        run.trigger.replace('_', " "),
        instant(run.created_at),
        age(run.created_at, now),
    );
    let took = run.finished_at.map_or("under way".to_owned(), |end| {
        let span = (end - run.created_at).to_std().unwrap_or_default();
        format!("took {}", super::render::span(span))
    });
    let _ = writeln!(
        text,
        "  {}/{} parts · {} · {} · {took}",
        run.parts.done,
        run.parts.total,
        counted(run.rows, "row"),
        bytes(run.bytes),
    );
    text
}

fn parts(parts: &[Part], console: &Console) -> String {
    let header = [
        "part",
        "state",
        "properties",
        "days",
        "job",
        "learned by",
        "rows",
    ];
    let mut rows = Rows::new(console, &header);
    for part in parts {
        let last = part.attempts.last();
        let window = Window {
            from: part.from,
            to: part.to,
        };
        let tries = match part.attempts.len() {
            0 | 1 => String::new(),
            tries => format!(" (attempt {tries})"),
        };
        let artifact = part.artifact.as_ref();
        rows.row(&[
            &part.number.to_string(),
            &format!("{}{tries}", part.state),
            &amount(part.properties),
            &days(window),
            &last
                .and_then(|attempt| attempt.job_id.as_deref())
                .map_or("–".to_owned(), short),
            last.and_then(|attempt| attempt.learned_by.as_deref())
                .unwrap_or("–"),
            &artifact.map_or("–".to_owned(), |artifact| amount(artifact.rows)),
        ]);
    }
    rows.finish(console)
}

/// The first eight characters, which tell jobs apart; `--json` has the whole id.
fn short(job_id: &str) -> String {
    let head: String = job_id.chars().take(8).collect();
    if head.len() == job_id.len() {
        head
    } else {
        head + "…"
    }
}

/// JSON as a person writes it: texts without quotes, nothing at length; `--json` has it all.
fn plain(value: &Value) -> String {
    const MAX: usize = 56;
    let text = match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !is_empty(value));
            let words = fields.map(|(name, value)| format!("{name} {}", plain(value)));
            words.collect::<Vec<_>>().join(", ")
        }
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let head: String = text.chars().take(MAX).collect();
    if head.len() == text.len() {
        head
    } else {
        head + "…"
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_quarantined(run: &Run) -> bool {
    let reason = run.reason.as_deref().unwrap_or_default();
    reason.contains("staging/quarantine/")
}

fn next_command(run: &Run) -> Option<String> {
    match run.state {
        // Its reason begins with the checks and ends with the command that accepts the files.
        RunState::Failed if is_quarantined(run) => {
            Some(format!("aptiqd retry {} --accept", run.id))
        }
        RunState::Failed | RunState::Incomplete => Some(format!("aptiqd retry {}", run.id)),
        RunState::Landed => Some(format!("aptiqd verify {}", run.schedule)),
        RunState::Queued | RunState::Running => {
            Some(format!("aptiqd events --run {} --follow", run.id))
        }
        RunState::Cancelled | RunState::Skipped => None,
    }
}
