//! `status`: how everything is, worst first.

use super::Context;
use super::console::{Console, Tone};
use super::exit::{Exit, Failure, Outcome};
use super::nagios::{self, Grade, Plugin};
use super::render::{Rows, age, amount, bytes, counted, days, folded, tone_of_level};
use super::signals::Signals;
use crate::admin::view::{Level, ScheduleStatus, Status};
use crate::clock;
use chrono::{DateTime, Utc};
use std::fmt::Write;
use std::io::IsTerminal;
use std::pin::pin;
use std::time::Duration;

/// Lines of a table, so that all of it stays on one screen; the worst come first.
const SCHEDULES_MAX: usize = 20;
const RUNS_MAX: usize = 10;
/// How often `--watch` looks again.
const AGAIN: Duration = Duration::from_secs(2);

/// How the daemon and its schedules are, worst first
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd status
  aptiqd status --watch
  aptiqd status --nagios
  aptiqd status --json | jq '.schedules[] | {name, state, last_success}'")]
pub struct Args {
    /// Look again every 2 seconds, until Ctrl-C
    #[arg(long, short, conflicts_with = "nagios")]
    watch: bool,
    /// One line and exit 0, 1, 2 or 3, for monitoring plugins
    #[arg(long)]
    nagios: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    if let Some(plugin) = nagios::asked("APTIQD", args.nagios, context)? {
        return match ask(context).await {
            Ok(status) => graded(&status, &plugin),
            // A service that does not run is what such a check is for.
            Err(failure) if failure.exit() == Exit::Unreachable => {
                plugin.report(Grade::Critical, &failure.error.message, "")
            }
            Err(failure) => plugin.unknown(&failure),
        };
    }
    if args.watch {
        return watch(context).await;
    }
    say(&ask(context).await?, &context.console);
    Ok(Exit::Done)
}

async fn ask(context: &Context) -> Result<Status, Failure> {
    let client = context.client().await?;
    Ok(client.read("/api/v1/status").await?)
}

/// Again and again; on a terminal in its place. A daemon that restarts is waited for.
async fn watch(context: &Context) -> Outcome {
    let mut signals = Signals::listen()?;
    let mut interrupt = pin!(signals.stop());
    let console = &context.console;
    let in_place = std::io::stdout().is_terminal() && !console.is_json();
    say(&ask(context).await?, console);
    while !console.is_closed() {
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = interrupt.as_mut() => return Ok(Exit::Interrupted),
        }
        let asked = ask(context).await;
        if in_place {
            // Home, and clear what follows.
            console.say("\u{1b}[H\u{1b}[2J");
        }
        match asked {
            Ok(status) => say(&status, console),
            Err(failure) if failure.error.retryable => console.fail(&failure),
            Err(failure) => return Err(failure),
        }
    }
    Ok(Exit::Done)
}

fn say(status: &Status, console: &Console) {
    if console.is_json() {
        console.document(status);
    } else {
        console.say(&render(status, console, clock::now()));
    }
}

fn graded(status: &Status, plugin: &Plugin) -> Outcome {
    let worst = status.attention.first();
    let grade = match (status.ready, worst.map(|line| line.level)) {
        (false, _) | (_, Some(Level::Error)) => Grade::Critical,
        (_, Some(Level::Warn)) => Grade::Warning,
        _ => Grade::Ok,
    };
    let sentence = match worst {
        Some(line) => {
            let more = match status.attention.len() {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            format!("{}: {}{more}", line.subject, line.message)
        }
        None => format!(
            "{} well, {} under way",
            counted(status.schedules.len() as u64, "schedule"),
            counted(status.runs.len() as u64, "run")
        ),
    };
    let of = |level| {
        status
            .attention
            .iter()
            .filter(|line| line.level == level)
            .count()
    };
    let figures = format!(
        "errors={} warnings={} schedules={} runs_open={} jobs_in_flight={}",
        of(Level::Error),
        of(Level::Warn),
        status.schedules.len(),
        status.runs.len(),
        status.jobs_in_flight
    );
    plugin.report(grade, &sentence, &figures)
}

fn render(status: &Status, console: &Console, now: DateTime<Utc>) -> String {
    let mut text = String::new();
    let ready = match status.ready {
        true => console.tint("ready", Tone::Good),
        false => console.tint("not ready", Tone::Bad),
    };
    let _ = writeln!(
        text,
        "aptiqd {} · {ready} · up {} · {}, {} under way",
        status.version,
        super::render::span((now - status.since).to_std().unwrap_or_default()),
        counted(status.schedules.len() as u64, "schedule"),
        counted(status.runs.len() as u64, "run"),
    );
    for line in &status.attention {
        let word = match line.level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Ok => "note",
        };
        let about = format!("{}: {}", line.subject, line.message);
        let about = folded(&about, usize::from(console.width()), word.len() + 2);
        let word = console.tint(word, tone_of_level(line.level));
        let _ = writeln!(text, "\n{word}: {about}");
        if !line.help.is_empty() {
            let _ = writeln!(text, "  → {}", line.help);
        }
    }
    text.push('\n');
    text.push_str(&schedules(&status.schedules, console, now));
    text.push_str(&open_runs(status, console, now));
    text.push('\n');
    text.push_str(&health(status, now));
    text
}

fn schedules(schedules: &[ScheduleStatus], console: &Console, now: DateTime<Utc>) -> String {
    if schedules.is_empty() {
        return "no schedule is declared; `aptiqd init` writes one to begin with\n".to_owned();
    }
    let mut rows = Rows::new(
        console,
        &["schedule", "state", "last landed", "next fire", "reason"],
    );
    for schedule in schedules.iter().take(SCHEDULES_MAX) {
        rows.row(&[
            &schedule.name,
            &schedule.state,
            &schedule
                .last_success
                .map_or("never".to_owned(), |at| age(at, now)),
            &schedule.next_fire.map_or("–".to_owned(), |at| age(at, now)),
            schedule.reason.as_deref().unwrap_or_default(),
        ]);
    }
    rows.finish(console)
        + &more(
            schedules.len(),
            SCHEDULES_MAX,
            "schedule",
            "aptiqd status --json",
        )
}

/// What a table left out, and the command that shows it.
fn more(count: usize, shown: usize, noun: &str, command: &str) -> String {
    match count.saturating_sub(shown) {
        0 => String::new(),
        left => format!("and {} more → {command}\n", counted(left as u64, noun)),
    }
}

fn open_runs(status: &Status, console: &Console, now: DateTime<Utc>) -> String {
    if status.runs.is_empty() {
        return String::new();
    }
    let mut rows = Rows::new(
        console,
        &["run", "state", "days", "parts", "since", "reason"],
    );
    for run in status.runs.iter().take(RUNS_MAX) {
        rows.row(&[
            &run.id,
            run.state.as_str(),
            &days(run.window),
            &format!("{}/{}", run.parts.done, run.parts.total),
            &age(run.created_at, now),
            run.reason.as_deref().unwrap_or_default(),
        ]);
    }
    let left = more(
        status.runs.len(),
        RUNS_MAX,
        "run",
        "aptiqd runs --state running",
    );
    format!("\n{}{left}", rows.finish(console))
}

fn health(status: &Status, now: DateTime<Utc>) -> String {
    let mut text = String::new();
    let callbacks = &status.callbacks;
    let heard = match (&callbacks.public_url, callbacks.share) {
        (None, _) => "off: no callback.public_url, jobs are polled".to_owned(),
        (Some(url), None) => format!("{url}, {} heard", amount(callbacks.received)),
        (Some(url), Some(share)) => format!(
            "{url}, {} heard, {:.0} % of jobs learned by them",
            amount(callbacks.received),
            share * 100.0,
        ),
    };
    let lead = callbacks.lead_seconds.map_or(String::new(), |lead| {
        format!(" {lead:.0} s before the sweep,")
    });
    let last = callbacks.last_heard_at.map_or(String::new(), |at| {
        format!("\n           {lead} the last one {}", age(at, now))
    });
    let credential = match (status.credential.refused, status.credential.expires_at) {
        (true, _) => "refused by ApartmentIQ".to_owned(),
        (false, Some(at)) => format!("{}, expires {}", status.credential.kind, age(at, now)),
        (false, None) => status.credential.kind.clone(),
    };
    let free = status.landing.free_bytes.map_or("?".to_owned(), bytes);
    let _ = writeln!(text, "callbacks   {heard}{last}");
    let _ = writeln!(text, "credential  {credential}");
    let _ = writeln!(text, "jobs        {} in flight", status.jobs_in_flight);
    let _ = writeln!(text, "landing     {} · {free} free", status.landing.path);
    if !status.config.ok {
        let count = counted(status.config.faults.len() as u64, "fault");
        let _ = writeln!(
            text,
            "config      last reload refused: {count}; `aptiqd check`"
        );
    }
    text
}
