//! `prune`: old raw files, now rather than by the clock.

use super::Context;
use super::console::Console;
use super::exit::{Exit, Outcome};
use super::render::{Rows, age, bytes, counted, span};
use crate::admin::view::{ActRequest, Pruned};
use crate::clock;
use std::fmt::Write;

/// Runs listed on the terminal.
const LINES_MAX: usize = 40;

/// Remove raw files older than landing.raw_retention; the daemon does so by itself from time to time
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd prune --dry-run
  aptiqd prune --json | jq '.bytes'")]
pub struct Args {
    /// Only say what would go, and what must stay
    #[arg(long)]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let client = context.client().await?;
    let request = ActRequest {
        dry_run: args.dry_run,
    };
    let pruned: Pruned = client.act("/api/v1/prune", &request).await?;
    let console = &context.console;
    if console.is_json() {
        console.document(&pruned);
    } else {
        console.say(&render(&pruned, console));
    }
    Ok(Exit::Done)
}

fn render(pruned: &Pruned, console: &Console) -> String {
    let mut text = String::new();
    if !pruned.removed.is_empty() {
        let mut rows = Rows::new(console, &["raw files of", "files", "bytes", "delivered"]);
        for run in pruned.removed.iter().take(LINES_MAX) {
            let when = age(run.delivered_at, clock::now());
            rows.row(&[&run.path, &run.files.to_string(), &bytes(run.bytes), &when]);
        }
        text.push_str(&rows.finish(console));
        if let Some(more) = pruned
            .removed
            .len()
            .checked_sub(LINES_MAX)
            .filter(|more| *more > 0)
        {
            let _ = writeln!(text, "and {}", counted(more as u64, "more"));
        }
    }
    for kept in pruned.kept.iter().take(LINES_MAX) {
        let _ = writeln!(text, "{} stays: {}", kept.path, kept.reason);
    }
    let days = span(std::time::Duration::from_secs(pruned.retention_seconds));
    let verb = match pruned.dry_run {
        true => "would remove",
        false => "removed",
    };
    let _ = writeln!(
        text,
        "{verb} {} of {}, older than {days}",
        bytes(pruned.bytes),
        counted(pruned.files, "file"),
    );
    text
}
