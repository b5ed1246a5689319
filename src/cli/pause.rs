//! `pause`: a schedule's fires become recorded skips until it is resumed.

use super::exit::{Exit, Outcome};
use super::{Context, encode};
use crate::admin::view::{Acted, PauseRequest};

/// Skip a schedule's fires, each recorded, until it is resumed; runs under way go on
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd pause owned-daily --reason 'vendor migration, ticket 4711'
  aptiqd resume owned-daily")]
pub struct Args {
    /// The schedule's name
    pub(super) schedule: String,
    /// Why, for whoever finds it paused
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only say what it would do
    #[arg(long)]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let path = format!("/api/v1/schedules/{}/pause", encode(&args.schedule));
    let request = PauseRequest {
        reason: args.reason,
        dry_run: args.dry_run,
    };
    let acted: Acted = client.act(&path, &request).await?;
    let console = &context.console;
    let name = &args.schedule;
    if console.is_json() {
        console.document(&acted);
    } else if args.dry_run {
        console.say(&format!("would pause {name}\n"));
    } else {
        console.say(&format!("{name} is paused\n→ aptiqd resume {name}\n"));
    }
    Ok(Exit::Done)
}
