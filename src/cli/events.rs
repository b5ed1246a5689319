//! `events`: what happened, who did it, as the journal holds it.

use super::console::{Console, Tone};
use super::exit::{Exit, Outcome};
use super::signals::Signals;
use super::{Context, encode};
use crate::admin::view::{Event, Events};
use futures_util::StreamExt;
use serde_json::Value;
use std::pin::pin;

/// What happened and who did it, oldest first
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd events --follow
  aptiqd events --schedule owned-daily --limit 50
  aptiqd events --follow --json | jq -r 'select(.event==\"run_ended\")'")]
pub struct Args {
    /// Go on with what happens from now
    #[arg(long, short)]
    follow: bool,
    /// Only events of this run
    #[arg(long, value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Only events of this schedule
    #[arg(long, value_name = "NAME")]
    pub(super) schedule: Option<String>,
    /// Only events beyond this number
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// At most so many of the past
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// What the reader knows already, and a line need not repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    OneRun,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let mut filter = String::new();
    if let Some(run) = &args.run {
        filter.push_str(&format!("&run={}", encode(run)));
    }
    if let Some(schedule) = &args.schedule {
        filter.push_str(&format!("&schedule={}", encode(schedule)));
    }
    let scope = if args.run.is_some() {
        Scope::OneRun
    } else {
        Scope::All
    };
    let after = args
        .after
        .map_or(String::new(), |after| format!("&after={after}"));
    let path = format!("/api/v1/events?limit={}{filter}{after}", args.limit);
    let past: Events = client.read(&path).await?;
    let console = &context.console;
    if !args.follow {
        return Ok(print_past(&past, scope, console));
    }
    for event in &past.events {
        print(event, scope, console);
    }
    let last = past
        .events
        .last()
        .map(|event| event.sequence)
        .or(args.after);
    let path = format!("/api/v1/events?{}", filter.trim_start_matches('&'));
    let mut signals = Signals::listen()?;
    let mut interrupt = pin!(signals.stop());
    let mut stream = pin!(client.follow(&path, last).await?);
    loop {
        let next = tokio::select! {
            next = stream.next() => next,
            () = interrupt.as_mut() => return Ok(Exit::Interrupted),
        };
        match next {
            Some(event) => print(&event?, scope, console),
            None => {
                console.note("the daemon stopped\n");
                return Ok(Exit::Unreachable);
            }
        }
        if console.is_closed() {
            return Ok(Exit::Done);
        }
    }
}

fn print_past(past: &Events, scope: Scope, console: &Console) -> Exit {
    if console.is_json() {
        console.document(past);
    } else {
        let lines = past.events.iter();
        let lines: String = lines
            .map(|event| line(event, scope, console) + "\n")
            .collect();
        console.say(&lines);
    }
    Exit::Done
}

/// One line of `--follow --json`.
#[derive(serde::Serialize)]
struct Line<'e> {
    schema: &'static str,
    #[serde(flatten)]
    event: &'e Event,
}

fn print(event: &Event, scope: Scope, console: &Console) {
    if console.is_json() {
        console.document(&Line {
            schema: "aptiqd.event/1",
            event,
        });
    } else {
        console.say(&format!("{}\n", line(event, scope, console)));
    }
}

/// What is looked for first.
const FIRST: [&str; 5] = ["part", "attempt", "job_id", "status", "learned_by"];

/// One event as a line: when, what, about what, and what else is known.
pub fn line(event: &Event, scope: Scope, console: &Console) -> String {
    let at = event.at.format("%Y-%m-%d %H:%M:%SZ").to_string();
    let name = event.event.replace('_', " ");
    let mut text = format!(
        "{} {}",
        console.tint(&at, Tone::Dim),
        console.tint(&name, Tone::Strong)
    );
    let about = event.run.as_deref().or(event.schedule.as_deref());
    if let (Scope::All, Some(about)) = (scope, about) {
        text.push_str(&format!(" {about}"));
    }
    let fields = event.detail.as_object();
    let known = FIRST
        .iter()
        .filter_map(|key| Some((*key, fields?.get(*key)?)));
    let others = fields.into_iter().flatten();
    let others = others.filter(|(key, _)| !FIRST.contains(&key.as_str()));
    for (key, value) in known.chain(others.map(|(key, value)| (key.as_str(), value))) {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.push_str(&format!(" {}", console.tint(&format!("{key}="), Tone::Dim)));
        text.push_str(&short(&value));
    }
    text
}

/// One line, and not a screenful; quoted if it has blanks.
fn short(value: &str) -> String {
    const MAX: usize = 160;
    let mut text: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX)
        .collect();
    if value.chars().count() > MAX {
        text.push('…');
    }
    if text.contains(' ') {
        format!("\"{text}\"")
    } else {
        text
    }
}
