//! `runs`: the runs, newest first.

use super::console::Console;
use super::exit::{Exit, Failure, Outcome};
use super::render::{Rows, age, amount, days};
use super::{Context, encode};
use crate::admin::view::{Code, Run, RunState, Runs};
use crate::clock;
use chrono::{DateTime, NaiveDate, Utc};

const STATES: [&str; 7] = [
    "queued",
    "running",
    "landed",
    "incomplete",
    "failed",
    "cancelled",
    "skipped",
];

/// The runs, newest first
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd runs
  aptiqd runs --schedule owned-daily --state failed --since 7d
  aptiqd runs --json | jq -r '.runs[] | [.id, .state, .rows] | @tsv'")]
pub struct Args {
    /// Only runs of this schedule
    #[arg(long, value_name = "NAME")]
    pub(super) schedule: Option<String>,
    /// Only runs in this state, such as `failed`
    #[arg(long, hide_possible_values = true, value_parser = STATES)]
    state: Option<String>,
    /// Only runs made since: `7d`, `2026-11-01` or an RFC 3339 instant
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let mut path = format!("/api/v1/runs?limit={}", args.limit);
    if let Some(schedule) = &args.schedule {
        path.push_str(&format!("&schedule={}", encode(schedule)));
    }
    if let Some(state) = &args.state {
        path.push_str(&format!("&state={}", encode(state)));
    }
    if let Some(since) = &args.since {
        let since = parse_since(since, clock::now())?;
        path.push_str(&format!("&since={}", encode(&since.to_rfc3339())));
    }
    let runs = read(&path, args.limit, context).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&runs);
    } else {
        console.say(&table(&runs.runs, console, clock::now()));
    }
    Ok(Exit::Done)
}

/// Follows the pages until there are as many as were asked for.
async fn read(path: &str, limit: usize, context: &Context) -> Result<Runs, Failure> {
    let client = context.client().await?;
    let mut runs: Runs = client.read(path).await?;
    while let Some(next) = runs.next.take().filter(|_| runs.runs.len() < limit) {
        let page: Runs = client
            .read(&format!("{path}&after={}", encode(&next)))
            .await?;
        runs.runs.extend(page.runs);
        runs.next = page.next;
    }
    runs.runs.truncate(limit);
    runs.next = None;
    Ok(runs)
}

pub fn table(runs: &[Run], console: &Console, now: DateTime<Utc>) -> String {
    if runs.is_empty() {
        return "no runs\n".to_owned();
    }
    let mut rows = Rows::new(console, &["run", "state", "days", "parts", "rows", "made"]);
    for run in runs {
        rows.row(&[
            &run.id,
            run.state.as_str(),
            &days(run.window),
            &format!("{}/{}", run.parts.done, run.parts.total),
            &amount(run.rows),
            &age(run.created_at, now),
        ]);
    }
    let mut text = rows.finish(console);
    let unwell = |run: &&Run| matches!(run.state, RunState::Failed | RunState::Incomplete);
    if let Some(run) = runs.iter().find(unwell) {
        text.push_str(&format!("\nwhy: aptiqd show {}\n", run.id));
    }
    text
}

/// An instant, a day (its first moment in UTC) or a time before now.
pub fn parse_since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let back = humantime::parse_duration(text).ok();
    back.and_then(|back| chrono::TimeDelta::from_std(back).ok())
        .and_then(|back| now.checked_sub_signed(back))
        .ok_or_else(|| {
            let message = format!("`{text}` is no time");
            let help = "write `7d`, `2026-11-01` or `2026-11-01T12:00:00Z`";
            Failure::new(Code::Usage, message, help)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_takes_an_instant_a_day_or_an_age() {
        let now: DateTime<Utc> = "2026-11-22T18:30:00Z".parse().unwrap();
        let at = |text: &str| parse_since(text, now).unwrap().to_rfc3339();
        assert_eq!(at("2026-11-01T12:00:00-06:00"), "2026-11-01T18:00:00+00:00");
        assert_eq!(at("2026-11-01"), "2026-11-01T00:00:00+00:00");
        assert_eq!(at("7d"), "2026-11-15T18:30:00+00:00");
        assert_eq!(
            parse_since("soon", now).unwrap_err().error.code,
            Code::Usage
        );
    }
}
