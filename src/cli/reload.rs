//! `reload`: the schedules as they are on disk now, all of them or none.

use super::Context;
use super::exit::{Exit, Outcome};
use crate::admin::view::{ActRequest, Reload};

/// Take the schedules as they are on disk now, all or none; runs under way keep their terms
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd check && aptiqd reload
  aptiqd reload --dry-run")]
pub struct Args {
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let dry_run = args.dry_run;
    let reload: Reload = client.act("/-/reload", &ActRequest { dry_run }).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&reload);
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for (word, names) in [
        ("added", &reload.added),
        ("changed", &reload.changed),
        ("removed", &reload.removed),
    ] {
        for name in names {
            text.push_str(&format!("{word:<8} {name}\n"));
        }
    }
    if text.is_empty() {
        text.push_str("no schedule changed\n");
    }
    if dry_run {
        text.push_str("nothing was done (--dry-run)\n");
    }
    console.say(&text);
    Ok(Exit::Done)
}
