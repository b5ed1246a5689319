//! `why`: from a file, or a property and a day, back to the decision it came from.

use super::console::Console;
use super::exit::{Exit, Outcome};
use super::render::{bytes, counted, days, instant};
use super::{Context, encode};
use crate::admin::view::{Part, Why, Window};
use chrono::NaiveDate;
use std::fmt::Write;

/// Parts and jobs shown on the terminal.
const LINES_MAX: usize = 10;

/// Where a file, or a property's day, came from; or what is missing and why
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd why exports/data/owned-daily/date=2026-11-22/owned-daily.parquet
  aptiqd why owned-daily 99001416 2026-11-22")]
pub struct Args {
    /// A landed file, or a schedule's name
    #[arg(value_name = "PATH|SCHEDULE")]
    subject: String,
    /// A property's id
    #[arg(requires = "date")]
    property: Option<i64>,
    /// A day
    #[arg(value_name = "DATE")]
    date: Option<NaiveDate>,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let subject = encode(&args.subject);
    let path = match (args.property, args.date) {
        (Some(property), Some(date)) => {
            format!("/api/v1/why?schedule={subject}&property={property}&date={date}")
        }
        _ => format!("/api/v1/why?path={subject}"),
    };
    let why: Why = client.read(&path).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&why);
    } else {
        console.say(&render(&why, console));
    }
    Ok(Exit::Done)
}

fn render(why: &Why, console: &Console) -> String {
    let mut text = String::new();
    let subject = match (&why.path, why.property, why.date) {
        (_, Some(property), Some(date)) => format!("{property} on {date}"),
        (Some(path), ..) => path.clone(),
        _ => why.schedule.clone(),
    };
    let _ = writeln!(text, "{subject}: {}", why.state);
    let _ = writeln!(text, "  {}", why.because);
    let _ = writeln!(text, "schedule  {}", why.schedule);
    if let Some(run) = &why.run {
        let _ = writeln!(
            text,
            "decision  {} · {} of {} for {}",
            run.id,
            run.trigger.replace('_', " "),
            instant(run.nominal_at),
            days(run.window),
        );
        let reason = run.reason.as_deref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        let _ = writeln!(text, "run       {}{reason}", run.state.as_str());
    }
    for part in why.parts.iter().take(LINES_MAX) {
        parts(&mut text, part, why);
    }
    more(&mut text, why.parts.len(), "part");
    for check in &why.checks {
        let _ = writeln!(text, "check     {} {}", check.name, check.status);
    }
    if let Some(file) = &why.file {
        let _ = writeln!(
            text,
            "file      {}\n          {} · {} · generation {} · sha256 {}",
            file.path,
            counted(file.rows, "row"),
            bytes(file.bytes),
            file.generation,
            file.sha256,
        );
        if let Some(at) = why.landed_at {
            let _ = writeln!(text, "landed    {}", instant(at));
        }
    }
    for job in why.jobs.iter().take(LINES_MAX) {
        let window = Window {
            from: job.from,
            to: job.to,
        };
        let of = counted(job.properties, "property");
        let _ = writeln!(text, "rows of   {} · {of} · {}", job.job_id, days(window));
    }
    more(&mut text, why.jobs.len(), "job");
    for restated in &why.restatements {
        let _ = writeln!(
            text,
            "restated  {} · generation {} by {} · {} property-days, {} rows became {} · first seen {}",
            plain(&restated["at"]),
            restated["generation"],
            plain(&restated["run"]),
            restated["cells"],
            restated["rows_before"],
            restated["rows_after"],
            plain(&restated["first_landed_at"]),
        );
    }
    if let Some(at) = why.next_fire {
        let _ = writeln!(text, "next fire {}", instant(at));
    }
    if let Some(mend) = &why.mend {
        let _ = writeln!(
            text,
            "→ {}",
            console.tint(mend, super::console::Tone::Strong)
        );
    }
    text
}

fn plain(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("–")
}

fn parts(text: &mut String, part: &Part, why: &Why) {
    let window = Window {
        from: part.from,
        to: part.to,
    };
    let of = counted(part.properties, "property");
    let _ = writeln!(
        text,
        "part      {} · {} · {of} · {}",
        part.number,
        part.state,
        days(window)
    );
    for attempt in &part.attempts {
        let job = attempt.job_id.as_deref().unwrap_or("no job");
        let _ = write!(
            text,
            "attempt   {} · {} · job {job}",
            attempt.number, attempt.state
        );
        if let Some(by) = &attempt.learned_by {
            let _ = write!(text, " · learned by {by}");
        }
        let heard = why
            .callbacks
            .iter()
            .find(|heard| (heard.part, heard.attempt) == (part.number, attempt.number));
        if let Some(heard) = heard {
            let _ = write!(text, " · callback at {}", instant(heard.at));
        }
        text.push('\n');
        if let Some(error) = &attempt.error {
            let _ = writeln!(text, "          {error}");
        }
    }
    if let Some(artifact) = &part.artifact {
        let _ = writeln!(
            text,
            "artifact  {} · {} · sha256 {}",
            counted(artifact.rows, "row"),
            bytes(artifact.bytes),
            artifact.sha256
        );
    }
}

fn more(text: &mut String, count: usize, word: &str) {
    if let Some(more) = count.checked_sub(LINES_MAX).filter(|more| *more > 0) {
        let _ = writeln!(text, "          and {} more", counted(more as u64, word));
    }
}
