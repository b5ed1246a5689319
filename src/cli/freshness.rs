//! `freshness`: how old the landed data is, by each schedule's own measure.

use super::Context;
use super::exit::{Exit, Failure, Outcome};
use super::render::{Rows, age, span};
use crate::admin::view::{Age, Code, Freshness, Level};
use crate::clock;
use std::time::Duration;

/// How old the newest landed data is; exit 3 if a schedule is beyond its `error_after`
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd freshness
  aptiqd freshness --json | jq '.schedules[] | select(.level != \"ok\")'")]
pub struct Args {}

pub async fn perform(_: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let freshness: Freshness = client.read("/api/v1/freshness").await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&freshness);
    } else if freshness.schedules.is_empty() {
        console.say("no schedule declares a [freshness]\n");
    } else {
        let now = clock::now();
        let header = [
            "schedule",
            "state",
            "last landed",
            "through",
            "warn after",
            "error after",
        ];
        let mut rows = Rows::new(console, &header);
        for one in &freshness.schedules {
            let through = one.data_through.map(|day| day.to_string());
            rows.row(&[
                &one.schedule,
                word(one.level),
                &one.last_success
                    .map_or("never".to_owned(), |at| age(at, now)),
                through.as_deref().unwrap_or("–"),
                &seconds(one.warn_after_seconds),
                &seconds(one.error_after_seconds),
            ]);
        }
        console.say(&rows.finish(console));
    }
    // A warning is said above and is no failure.
    match freshness.schedules.first() {
        Some(worst) if worst.level == Level::Error => Err(late(worst)),
        _ => Ok(Exit::Done),
    }
}

fn late(one: &Age) -> Failure {
    let age = seconds(one.age_seconds);
    let message = match one.last_success {
        Some(_) => format!("nothing of {} has landed for {age}", one.schedule),
        None => format!("nothing of {} has ever landed, for {age}", one.schedule),
    };
    let help = format!("aptiqd runs --schedule {}", one.schedule);
    Failure::new(Code::Incomplete, message, help)
}

fn seconds(count: u64) -> String {
    span(Duration::from_secs(count))
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
