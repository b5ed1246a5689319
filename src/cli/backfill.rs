//! `backfill`: runs for what lacks.

use super::console::Console;
use super::exit::{Exit, Failure, Outcome};
use super::render::{Rows, amount, counted, days};
use super::{Context, encode, wait};
use crate::admin::client::Client;
use crate::admin::view::{Backfill, BackfillPlan, BackfillRequest, Code, Coverage, Run, RunState};
use chrono::NaiveDate;
use clap::ValueEnum;
use std::fmt::Write;

/// Runs listed on the terminal.
const LINES_MAX: usize = 40;
/// A job's create and its result; a sweep of the list serves many.
const REQUESTS_A_PART: u64 = 2;

/// Which cells to fill
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// Never asked for, or asked for and in no file
    Missing,
    /// Their part was given up, or their run failed
    Failed,
    /// Whatever has not landed: both, and those delivered with zero rows
    Lacking,
    /// Landed ones too: all days are exported anew
    All,
}

/// Export the days that lack, or by --only all every day; fresh runs go first
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd backfill owned-daily --from 2026-01-01 --to 2026-10-31 --dry-run
  aptiqd backfill owned-daily --from 2026-01-01 --to 2026-10-31 --only lacking --wait")]
pub struct Args {
    /// The schedule's name
    pub(super) schedule: String,
    /// The first day
    #[arg(long, value_name = "DAY")]
    from: NaiveDate,
    /// The last day, included
    #[arg(long, value_name = "DAY")]
    to: NaiveDate,
    /// Which cells: missing, failed, lacking (not landed) or all
    #[arg(
        long,
        value_enum,
        default_value = "missing",
        hide_possible_values = true
    )]
    only: Only,
    /// Runs of the schedule's backfills at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_active: u32,
    /// The oldest days first; without it the newest come first
    #[arg(long)]
    oldest_first: bool,
    /// Stay until all have ended; exit 3 if one is incomplete, 1 if one failed
    #[arg(long)]
    wait: bool,
    /// Only say what it would do
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    if args.to < args.from {
        let message = format!("--to {} lies before --from {}", args.to, args.from);
        return Err(Failure::new(Code::Usage, message, "both days are included"));
    }
    let client = context.client().await?;
    let path = format!("/api/v1/schedules/{}/backfill", encode(&args.schedule));
    let only = args.only.to_possible_value();
    let request = BackfillRequest {
        from: args.from,
        to: args.to,
        only: only.map(|only| only.get_name().to_owned()),
        max_active: Some(args.max_active),
        oldest_first: args.oldest_first,
        dry_run: args.dry_run,
    };
    let mut backfill: Backfill = client.act(&path, &request).await?;
    let console = &context.console;
    if !console.is_json() {
        console.say(&match backfill.runs.is_empty() {
            true => nothing(&args, &client).await?,
            false => render(&backfill, &args, console),
        });
    }
    if backfill.not_due > 0 {
        let cells = counted(backfill.not_due, "property-day");
        console.note(&format!("note: {cells} left out: not due yet\n"));
    }
    if args.dry_run {
        backfill.plan = Some(plan(&backfill));
    }
    // For people; scripts have the runs, and the plan of a dry run.
    backfill.property_days = 0;
    if !args.wait {
        if console.is_json() {
            console.document(&backfill);
        }
        return Ok(Exit::Done);
    }
    for run in &mut backfill.runs {
        *run = wait::until_ended(&client, &run.id, console).await?;
    }
    if console.is_json() {
        console.document(&backfill);
    }
    outcome(&backfill.runs, console)
}

fn plan(backfill: &Backfill) -> BackfillPlan {
    let parts = backfill.runs.iter().map(|run| run.parts.total).sum();
    BackfillPlan {
        parts,
        requests: parts * REQUESTS_A_PART,
        property_days: backfill.property_days,
    }
}

/// Why there is nothing to do, and what else lacks.
async fn nothing(args: &Args, client: &Client) -> Result<String, Failure> {
    let (schedule, from, to) = (&args.schedule, args.from, args.to);
    let path = format!("/api/v1/coverage/{}?from={from}&to={to}", encode(schedule));
    let cells = client.read::<Coverage>(&path).await?.cells;
    let mut text = "nothing to fill: no run was made\n".to_owned();
    for (count, word, only) in [
        (cells.missing, "missing", "missing"),
        (cells.failed, "failed", "failed"),
        (cells.empty, "empty", "lacking"),
    ] {
        let asked = match args.only {
            Only::Missing => word == "missing",
            Only::Failed => word == "failed",
            Only::Lacking | Only::All => true,
        };
        match (count, asked) {
            (0, _) => {}
            (_, true) => {
                let cells = counted(count, "property-day");
                let _ = writeln!(text, "{cells} {word}: open runs bring them already");
            }
            (_, false) => {
                let cells = counted(count, "property-day");
                let _ = writeln!(
                    text,
                    "{cells} {word}\n→ aptiqd backfill {schedule} --from {from} --to {to} --only {only}"
                );
            }
        }
    }
    Ok(text)
}

fn render(backfill: &Backfill, args: &Args, console: &Console) -> String {
    let runs = &backfill.runs;
    let parts: u64 = runs.iter().map(|run| run.parts.total).sum();
    let would = if args.dry_run { "would fill" } else { "fills" };
    let mut text = format!(
        "{would} {} in {}, {}; about {} requests, at most {} runs at once\n\n",
        counted(backfill.property_days, "property-day"),
        counted(runs.len() as u64, "run"),
        counted(parts, "part"),
        amount(parts * REQUESTS_A_PART),
        args.max_active,
    );
    let mut rows = Rows::new(console, &["run", "days", "parts"]);
    for run in runs.iter().take(LINES_MAX) {
        let name = if args.dry_run { "–" } else { run.id.as_str() };
        let window = days(run.window);
        rows.row(&[name, &window, &run.parts.total.to_string()]);
    }
    text.push_str(&rows.finish(console));
    if runs.len() > LINES_MAX {
        let more = counted((runs.len() - LINES_MAX) as u64, "run");
        let _ = writeln!(text, "and {more} more");
    }
    if backfill.left > 0 {
        let left = counted(backfill.left, "property-day");
        let _ = writeln!(text, "{left} are left for another backfill");
    }
    if !args.dry_run && !args.wait {
        let _ = writeln!(
            text,
            "→ aptiqd runs --schedule {} --since 1h",
            args.schedule
        );
    }
    text
}

/// A run whose days have landed meanwhile had nothing left to do.
fn is_done(run: &Run) -> bool {
    let meanwhile = || {
        let reason = run.reason.as_deref().unwrap_or_default();
        reason.ends_with("have landed meanwhile")
    };
    run.state == RunState::Landed || (run.state == RunState::Cancelled && meanwhile())
}

fn outcome(runs: &[Run], console: &Console) -> Outcome {
    let open: Vec<&Run> = runs.iter().filter(|run| !is_done(run)).collect();
    let worst = open
        .iter()
        .find(|run| run.state != RunState::Incomplete)
        .or(open.first());
    match worst {
        Some(run) => {
            if open.len() > 1 {
                let of = format!("{} of {} runs did not land\n", open.len(), runs.len());
                console.note(&of);
            }
            wait::outcome(run, console)
        }
        None => {
            let rows = counted(runs.iter().map(|run| run.rows).sum(), "row");
            if !runs.is_empty() && !console.is_json() {
                let landed = counted(runs.len() as u64, "run");
                console.say(&format!("{landed} landed: {rows}\n"));
            }
            Ok(Exit::Done)
        }
    }
}
