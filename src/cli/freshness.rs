//! `freshness`: how old the landed data is, by each schedule's own measure.

use super::Context;
use super::exit::{Exit, Failure, Outcome};
use super::nagios::{self, Grade, Plugin};
use super::render::{Rows, age, counted, span};
use crate::admin::view::{Age, AgeLevel, Code, Freshness};
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
        console.say("no schedule is enabled\n");
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
                &limit(one.warn_after_seconds),
                &limit(one.error_after_seconds),
            ]);
        }
        console.say(&rows.finish(console));
    }
    // A warning is said above and is no failure.
    match freshness.schedules.first() {
        Some(worst) if worst.level == AgeLevel::Error => Err(late(worst)),
        _ => Ok(Exit::Done),
    }
}

async fn ask(context: &Context) -> Result<Freshness, Failure> {
    let client = context.client().await?;
    Ok(client.read("/api/v1/freshness").await?)
}

/// Data without a measure cannot be judged: that is worth a person's look.
fn graded(freshness: &Freshness, plugin: &Plugin) -> Outcome {
    let measured = |one: &&Age| one.level != AgeLevel::Unset;
    let measured: Vec<&Age> = freshness.schedules.iter().filter(measured).collect();
    let Some(worst) = measured.first() else {
        let sentence = "no schedule declares a [freshness]";
        return plugin.report(Grade::Unknown, sentence, "");
    };
    let grade = match worst.level {
        AgeLevel::Ok | AgeLevel::Unset => Grade::Ok,
        AgeLevel::Warn => Grade::Warning,
        AgeLevel::Error => Grade::Critical,
    };
    let sentence = match grade {
        Grade::Ok => format!("{} are fresh", counted(measured.len() as u64, "schedule")),
        _ => late(worst).error.message,
    };
    let figures = measured.iter().map(|one| {
        let figure = |limit: Option<u64>| limit.map_or_else(String::new, |limit| limit.to_string());
        let (warn, error) = (
            figure(one.warn_after_seconds),
            figure(one.error_after_seconds),
        );
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

fn limit(count: Option<u64>) -> String {
    count.map_or_else(|| "–".to_owned(), seconds)
}

fn word(level: AgeLevel) -> &'static str {
    match level {
        AgeLevel::Ok => "ok",
        AgeLevel::Warn => "warn",
        AgeLevel::Error => "error",
        AgeLevel::Unset => "unset",
    }
}
