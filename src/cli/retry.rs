//! `retry`: the same run, new attempts for its failed parts.

use super::exit::{Exit, Outcome};
use super::render::counted;
use super::{Context, encode, wait};
use crate::admin::view::{Acted, RetryRequest};

/// New attempts for the failed parts of a run that has ended; what is fetched is not asked for again
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd retry owned-daily.20261122T183000Z --wait
  aptiqd retry owned-daily.20261122T183000Z --dry-run
  aptiqd retry owned-daily.20261122T183000Z --accept --wait")]
pub struct Args {
    /// The run's id, as `runs` lists it
    pub(super) run: String,
    /// Land its quarantined files as they are, whatever checks they failed
    #[arg(long)]
    accept: bool,
    /// Stay until it has ended, and exit as it did
    #[arg(long)]
    wait: bool,
    /// Only say what it would do
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let path = format!("/api/v1/runs/{}/retry", encode(&args.run));
    let dry_run = args.dry_run;
    let accept = args.accept;
    let mut acted: Acted = client.act(&path, &RetryRequest { accept, dry_run }).await?;
    let console = &context.console;
    let Some(run) = acted.run.clone() else {
        console.document(&acted);
        return Ok(Exit::Done);
    };
    if args.wait {
        let ended = wait::until_ended(&client, &run.id, console).await?;
        if console.is_json() {
            acted.run = Some(ended.clone());
            console.document(&acted);
        }
        return wait::outcome(&ended, console);
    }
    let open = run.parts.total.saturating_sub(run.parts.done);
    if console.is_json() {
        console.document(&acted);
    } else if accept {
        let verb = if dry_run { "would land" } else { "lands" };
        console.say(&format!("{verb} the quarantined files of {}\n", run.id));
    } else if dry_run {
        let parts = counted(open, "part");
        console.say(&format!("would try {parts} of {} again\n", run.id));
    } else {
        let parts = counted(open, "part");
        console.say(&format!("{} tries {parts} again\n", run.id));
    }
    Ok(Exit::Done)
}
