//! `resume`: a paused schedule fires again; what it skipped stays skipped.

use super::exit::{Exit, Outcome};
use super::render::{age, instant};
use super::{Context, encode};
use crate::admin::view::{ActRequest, Acted};
use crate::clock;

/// Let a paused schedule fire again; nothing it skipped is caught up
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd resume owned-daily")]
pub struct Args {
    /// The schedule's name
    pub(super) schedule: String,
    /// Only say what it would do
    #[arg(long)]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let path = format!("/api/v1/schedules/{}/resume", encode(&args.schedule));
    let dry_run = args.dry_run;
    let acted: Acted = client.act(&path, &ActRequest { dry_run }).await?;
    let console = &context.console;
    let name = &args.schedule;
    let next = acted
        .schedule
        .as_ref()
        .and_then(|schedule| schedule.next_fire);
    let next = next.map_or(String::new(), |at| {
        format!("; next fire {} ({})", instant(at), age(at, clock::now()))
    });
    if console.is_json() {
        console.document(&acted);
    } else if dry_run {
        console.say(&format!("would resume {name}{next}\n"));
    } else {
        console.say(&format!("{name} is resumed{next}\n"));
    }
    Ok(Exit::Done)
}
