//! `freshness`: how old the landed data is, by each schedule's own measure.

use super::Context;
use super::exit::{Exit, Failure, Outcome};
use super::nagios::{self, Grade, Plugin};
use super::render::{Rows, age, counted, span};
use crate::admin::view::{Age, Code, Freshness, Level};
use crate::clock;
use std::time::Duration;

/// How old the newest landed data is; exit 3 if a schedule is beyond its `error_after`
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd freshness
  aptiqd freshness --nagios
  aptiqd freshness --json | jq '.schedules[] | select(.level != \"ok\")'")]
pub struct Args {
    /// One line and exit 0, 1, 2 or 3, for monitoring plugins
    #[arg(long)]
    nagios: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let plugin = nagios::asked("APTIQD FRESHNESS", args.nagios, context)?;
    let asked = ask(context).await;
    if let Some(plugin) = plugin {
        return match asked {
            Ok(freshness) => graded(&freshness, &plugin),
            Err(failure) => plugin.unknown(&failure),
        };
    }
    let freshness = asked?;
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

async fn ask(context: &Context) -> Result<Freshness, Failure> {
    let client = context.client().await?;
    Ok(client.read("/api/v1/freshness").await?)
}

/// Data without a measure cannot be judged: that is worth a person's look.
fn graded(freshness: &Freshness, plugin: &Plugin) -> Outcome {
    let Some(worst) = freshness.schedules.first() else {
        let sentence = "no schedule declares a [freshness]";
        return plugin.report(Grade::Unknown, sentence, "");
    };
    let grade = match worst.level {
        Level::Ok => Grade::Ok,
        Level::Warn => Grade::Warning,
        Level::Error => Grade::Critical,
    };
    let sentence = match worst.level {
        Level::Ok => format!(
            "{} are fresh",
            counted(freshness.schedules.len() as u64, "schedule")
        ),
        Level::Warn | Level::Error => late(worst).error.message,
    };
    let figures = freshness.schedules.iter().map(|one| {
        let (warn, error) = (one.warn_after_seconds, one.error_after_seconds);
        format!("'{}'={}s;{warn};{error}", one.schedule, one.age_seconds)
    });
    let figures: Vec<String> = figures.collect();
    plugin.report(grade, &sentence, &figures.join(" "))
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
