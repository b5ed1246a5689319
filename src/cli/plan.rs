//! `plan`: the coming fires, from the configuration alone; a daemon that runs on it adds what it knows.

use super::console::Console;
use super::exit::{Exit, Failure, Outcome};
use super::known::Known;
use super::render::{Rows, age, amount, counted, days};
use super::sql::Landed;
use super::{Context, suggest};
use crate::admin::view::{Code, Fire, Plan};
use crate::roster::plan::{self, PlannedFire, fires, local_days};
use crate::schedule::{Chunk, Partition, Schedule};
use crate::{clock, config};
use chrono::{DateTime, FixedOffset, NaiveDate, Timelike, Utc};
use std::collections::BTreeMap;
use std::path::Path;

/// Fires in one answer, at most.
const FIRES_MAX: usize = 100_000;

/// The coming fires with window, parts and property-days; nothing is sent
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd plan
  aptiqd plan owned-daily --next 3
  aptiqd plan --from 2026-11-01 --to 2026-11-30 --json")]
pub struct Args {
    /// Only this schedule, also if it is disabled
    schedule: Option<String>,
    /// So many fires, the soonest of all schedules
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with = "from")]
    next: usize,
    /// The first local day, in each schedule's zone
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<NaiveDate>,
    /// The last local day, included
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<NaiveDate>,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let schedules = chosen(schedules(context)?, args.schedule.as_deref())?;
    let now = clock::now();
    let known = Known::ask(context).await;
    let root = super::places::landing(context.config.as_deref())?;
    let chunks: BTreeMap<String, Chunk> = schedules
        .iter()
        .map(|schedule| (schedule.name.to_string(), chunk(schedule, &root)))
        .collect();
    let shown =
        |schedule: &Schedule, fire| shown(schedule, fire, &known, chunks[schedule.name.as_str()]);
    let mut planned = match (args.from, args.to) {
        (Some(from), Some(to)) if to < from => {
            let message = format!("--to {to} lies before --from {from}");
            return Err(Failure::new(Code::Usage, message, "both days are included"));
        }
        (Some(from), Some(to)) => between(&schedules, from, to, shown)?,
        _ => next(&schedules, args.next.min(FIRES_MAX), now, shown),
    };
    planned.sort_by(|a, b| (a.fires_at, &a.schedule).cmp(&(b.fires_at, &b.schedule)));
    if args.from.is_none() {
        planned.truncate(args.next);
    }
    let console = &context.console;
    known.note_paused(&planned, console);
    if console.is_json() {
        console.document(&Plan::new(planned));
    } else {
        console.say(&table(&planned, console, now));
    }
    Ok(Exit::Done)
}

/// The declared schedules. A secret that is not in place yet does not keep anyone from planning.
fn schedules(context: &Context) -> Result<Vec<Schedule>, Failure> {
    let path = config::locate(context.config.as_deref());
    let path = path.map_err(|fault| Failure::of_faults(&[fault]))?;
    if !path.exists() {
        let message = format!("there is no configuration {}", path.display());
        return Err(Failure::new(
            Code::Config,
            message,
            "aptiqd init DIR makes one",
        ));
    }
    let checked = config::check(
        std::slice::from_ref(&path),
        super::environment().into_iter(),
        clock::now(),
    );
    let file = path.display().to_string();
    let (secrets, grave): (Vec<_>, Vec<_>) = checked
        .faults
        .into_iter()
        .partition(|fault| fault.file == file && fault.is_of_secret());
    if !grave.is_empty() {
        return Err(Failure::of_faults(&grave));
    }
    if !secrets.is_empty() {
        let faults = counted(secrets.len() as u64, "fault");
        let note = format!("note: {file} has {faults} that `aptiqd check` shows\n");
        context.console.note(&note);
    }
    Ok(checked.schedules)
}

/// The one that is named, else all that are enabled.
pub(super) fn chosen(
    schedules: Vec<Schedule>,
    name: Option<&str>,
) -> Result<Vec<Schedule>, Failure> {
    let Some(name) = name else {
        let enabled = schedules.into_iter().filter(|schedule| schedule.enabled);
        return Ok(enabled.collect());
    };
    let names: Vec<String> = schedules.iter().map(|one| one.name.to_string()).collect();
    let found = schedules.into_iter().find(|one| one.name.as_str() == name);
    match found {
        Some(schedule) => Ok(vec![schedule]),
        None => {
            let message = format!("there is no schedule `{name}`");
            let near = suggest::nearest(name, names.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
            let help = format!("{near}there are: {}", names.join(", "));
            Err(Failure::new(Code::UnknownSchedule, message, help))
        }
    }
}

fn next(
    schedules: &[Schedule],
    count: usize,
    now: DateTime<Utc>,
    shown: impl Fn(&Schedule, PlannedFire) -> Fire,
) -> Vec<Fire> {
    let coming = |schedule| {
        fires(schedule, now)
            .take(count)
            .map(|fire| shown(schedule, fire))
            .collect::<Vec<Fire>>()
    };
    schedules.iter().flat_map(coming).collect()
}

fn between(
    schedules: &[Schedule],
    from: NaiveDate,
    to: NaiveDate,
    shown: impl Fn(&Schedule, PlannedFire) -> Fire,
) -> Result<Vec<Fire>, Failure> {
    let mut planned = Vec::new();
    for schedule in schedules {
        let span = local_days(schedule.timezone, from, to);
        for fire in fires(schedule, span.start).take_while(|fire| fire.nominal_at < span.end) {
            if planned.len() == FIRES_MAX {
                let message = format!("more than {} fires", amount(FIRES_MAX as u64));
                return Err(Failure::new(
                    Code::Usage,
                    message,
                    "ask for fewer days, or one schedule",
                ));
            }
            planned.push(shown(schedule, fire));
        }
    }
    Ok(planned)
}

/// Where landed files have shown that they hold no day, no part is longer than one.
fn chunk(schedule: &Schedule, root: &Path) -> Chunk {
    let landed = Landed::columns_alone(root, schedule);
    let dateless = !landed.columns.is_empty() && !landed.has_column(&schedule.columns.date);
    match dateless && schedule.partition != Partition::Window {
        true => schedule.chunk.by_day(),
        false => schedule.chunk,
    }
}

fn shown(schedule: &Schedule, fire: PlannedFire, known: &Known, chunk: Chunk) -> Fire {
    let properties = known.properties(schedule);
    let parts = properties.map(|count| plan::count(count, fire.window, chunk));
    let local = |at: DateTime<Utc>| at.with_timezone(&schedule.timezone).fixed_offset();
    Fire {
        schedule: schedule.name.to_string(),
        nominal_at: local(fire.nominal_at),
        fires_at: local(fire.fires_at),
        window: fire.window.into(),
        parts,
        properties,
        property_days: properties.map(|count| count * u64::from(fire.window.len())),
        requests: parts.map(|parts| plan::requests(&schedule.properties, parts)),
    }
}

/// `Tue 2026-11-24 12:30 -06:00`, with seconds only where there are some.
fn local(at: DateTime<FixedOffset>) -> String {
    let seconds = if at.second() == 0 { "" } else { ":%S" };
    at.format(&format!("%a %Y-%m-%d %H:%M{seconds} %:z"))
        .to_string()
}

fn table(planned: &[Fire], console: &Console, now: DateTime<Utc>) -> String {
    if planned.is_empty() {
        return "no fires\n".to_owned();
    }
    const COUNTS: [&str; 3] = ["parts", "property-days", "requests"];
    let (some, all) = (
        planned.iter().any(|fire| fire.parts.is_some()),
        planned.iter().all(|fire| fire.parts.is_some()),
    );
    let counts: &[&str] = if some { &COUNTS } else { &[] };
    let header = [&["fires at", "", "schedule", "days"], counts].concat();
    let mut rows = Rows::new(console, &header);
    let count = |count: Option<u64>| count.map_or("?".to_owned(), amount);
    for fire in planned {
        let told = [
            local(fire.fires_at),
            age(fire.fires_at.to_utc(), now),
            fire.schedule.clone(),
            days(fire.window),
            count(fire.parts),
            count(fire.property_days),
            count(fire.requests),
        ];
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        rows.row(&told[..header.len()]);
    }
    let note = match all {
        true => "",
        false => "\nWhose properties are asked for at each fire, has no counts before it.\n",
    };
    format!("{}{note}", rows.finish(console))
}
