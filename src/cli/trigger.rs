//! `trigger`: a run now.

use super::exit::{Exit, Failure, Outcome};
use super::render::{amount, counted, days};
use super::{Context, encode, wait};
use crate::admin::view::{Code, Forecast, Run, TriggerRequest, Triggered};
use chrono::NaiveDate;

/// A run of a schedule now, of its own window or of the days given
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd trigger owned-daily --wait
  aptiqd trigger owned-daily --from 2026-11-01 --to 2026-11-30
  aptiqd trigger owned-daily --dry-run")]
pub struct Args {
    /// The schedule's name
    pub(super) schedule: String,
    /// The first day to export
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<NaiveDate>,
    /// The last day to export, included
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<NaiveDate>,
    /// Stay until it has ended, with progress, and exit as it did
    #[arg(long)]
    wait: bool,
    /// Only say what it would do
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && to < from
    {
        let message = format!("--to {to} lies before --from {from}");
        return Err(Failure::new(Code::Usage, message, "both days are included"));
    }
    let client = context.client().await?;
    let path = format!("/api/v1/schedules/{}/trigger", encode(&args.schedule));
    let request = TriggerRequest {
        from: args.from,
        to: args.to,
        dry_run: args.dry_run,
    };
    let mut triggered: Triggered = client.act(&path, &request).await?;
    let console = &context.console;
    if args.dry_run {
        let path = format!("/api/v1/schedules/{}/forecast", encode(&args.schedule));
        let forecast: Forecast = client.act(&path, &request).await?;
        triggered.run.parts.total = forecast.parts;
        triggered.properties = Some(forecast.properties);
        triggered.property_days = Some(forecast.property_days);
        match console.is_json() {
            true => console.document(&triggered),
            false => console.say(&would(&triggered.run, &forecast)),
        }
        return Ok(Exit::Done);
    }
    if args.wait {
        let run = wait::until_ended(&client, &triggered.run.id, console).await?;
        if console.is_json() {
            triggered.run = run.clone();
            console.document(&triggered);
        }
        return wait::outcome(&run, console);
    }
    let run = &triggered.run;
    if console.is_json() {
        console.document(&triggered);
    } else {
        console.say(&format!(
            "{} is {}\n→ aptiqd show {}\n",
            run.id,
            run.state.as_str(),
            run.id
        ));
    }
    Ok(Exit::Done)
}

/// What a trigger would begin.
fn would(run: &Run, forecast: &Forecast) -> String {
    format!(
        "would export {} of {} in {}: {}, {}\n",
        days(run.window),
        run.schedule,
        counted(forecast.parts, "part"),
        match forecast.properties {
            1 => "1 property".to_owned(),
            count => format!("{} properties", amount(count)),
        },
        counted(forecast.property_days, "property-day"),
    )
}
