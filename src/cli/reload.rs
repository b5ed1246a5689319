//! `reload`: schedules, receivers of notices and callback keys as they are on disk now, all of them or none.

use super::Context;
use super::exit::{Exit, Outcome};
use crate::admin::view::{ActRequest, Reload};

/// Take schedules, receivers of notices and callback keys as they are on disk now, all or none
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
    for (word, names) in [
        ("added", &reload.notifiers.added),
        ("changed", &reload.notifiers.changed),
        ("removed", &reload.notifiers.removed),
    ] {
        for name in names {
            text.push_str(&format!("{word:<8} notify.{name}\n"));
        }
    }
    if reload.callback_keys {
        text.push_str("changed  callback keys: the first line signs, all of them verify\n");
    }
    if text.is_empty() {
        text.push_str("nothing changed\n");
    }
    if !reload.needs_restart.is_empty() {
        let keys = reload.needs_restart.join(", ");
        text.push_str(&format!(
            "these wait for the next start of the daemon: {keys}\n"
        ));
    }
    if dry_run {
        text.push_str("nothing was done (--dry-run)\n");
    }
    console.say(&text);
    Ok(Exit::Done)
}
