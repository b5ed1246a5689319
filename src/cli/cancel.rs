//! `cancel`: ends a run; what has landed stays.

use super::exit::{Exit, Outcome};
use super::{Context, encode};
use crate::admin::view::{ActRequest, Acted};

/// Ends a run and cancels its jobs at ApartmentIQ; what has landed stays
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd cancel owned-daily.20261122T183000Z
  aptiqd cancel owned-daily.20261122T183000Z --dry-run")]
pub struct Args {
    /// The run's id, as `runs` lists it
    pub(super) run: String,
    /// Only say what it would do
    #[arg(long)]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let path = format!("/api/v1/runs/{}/cancel", encode(&args.run));
    let dry_run = args.dry_run;
    let acted: Acted = client.act(&path, &ActRequest { dry_run }).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&acted);
    } else if let Some(run) = &acted.run {
        let open = run.parts.total.saturating_sub(run.parts.done);
        console.say(&match dry_run {
            true => format!("would cancel {} with {open} open parts\n", run.id),
            false => format!("{} is {}\n", run.id, run.state.as_str()),
        });
    }
    Ok(Exit::Done)
}
