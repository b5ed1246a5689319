//! `sql`: ready statements over the landed data, a dialect a file.

mod bigquery;
mod duckdb;
mod landed;
mod snowflake;

use super::Context;
use super::exit::{Exit, Failure, Outcome};
use super::plan::chosen;
use crate::admin::view::Code;
use crate::clock;
use crate::config;
use crate::schedule::Schedule;
use clap::ValueEnum;
pub(super) use landed::Landed;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Statements that open the landed data in DuckDB, Snowflake or BigQuery; nothing is sent
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd sql --dialect duckdb | duckdb exports.duckdb
  aptiqd sql --dialect snowflake owned-daily
  aptiqd sql --dialect bigquery --location gs://my-bucket/exports/data")]
pub struct Args {
    /// Only this schedule, also if it is disabled [default: all that are enabled]
    schedule: Option<String>,
    /// Whose SQL
    #[arg(long, value_enum)]
    dialect: Dialect,
    /// Where a copy of `data/` is, if not here: s3://…, gs://…
    #[arg(long, value_name = "URL", value_parser = location)]
    location: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// Views over the files
    Duckdb,
    /// Stage, tables, and a load that may be repeated
    Snowflake,
    /// External tables over a copy in Cloud Storage
    Bigquery,
}

/// One schedule's statements.
struct Statements {
    /// What a reader should know first; without comment marks.
    notes: Vec<String>,
    /// Each without its semicolon.
    statements: Vec<String>,
}

/// What the statements are made of.
struct Subject<'s> {
    schedule: &'s Schedule,
    /// Its name in SQL, unquoted.
    table: String,
    /// The view of its manifests.
    files: String,
    landed: Landed,
    /// Of the landing folder's `data/`: an absolute path or a URL, without a slash at its end.
    data: String,
    /// The landing folder, if `data` lies in it.
    local: Option<PathBuf>,
}

pub fn perform(args: &Args, context: &Context) -> Outcome {
    let (root, schedules) = declared(context)?;
    // Before the choice: a schedule's table has one name, whichever schedules are asked for.
    let tables = table_names(&schedules);
    let schedules = chosen(schedules, args.schedule.as_deref())?;
    let data = match &args.location {
        Some(url) => url.clone(),
        None => root.join("data").to_string_lossy().into_owned(),
    };
    let mut answers = Vec::new();
    for schedule in &schedules {
        let subject = Subject {
            schedule,
            table: tables[schedule.name.as_str()].clone(),
            files: files_name(&tables[schedule.name.as_str()], &tables),
            landed: Landed::look(&root, schedule),
            data: data.clone(),
            local: args.location.is_none().then(|| root.clone()),
        };
        let statements = match args.dialect {
            Dialect::Duckdb => duckdb::statements(&subject),
            Dialect::Snowflake => snowflake::statements(&subject),
            Dialect::Bigquery => bigquery::statements(&subject),
        };
        answers.push((subject, statements));
    }
    say(args, &answers, context);
    Ok(Exit::Done)
}

/// The landing folder, absolute, and the schedules. Statements need no secret, so one that is not in place hinders
/// nobody.
fn declared(context: &Context) -> Result<(PathBuf, Vec<Schedule>), Failure> {
    let lenient =
        super::places::Lenient::read(context.config.as_deref(), |name| std::env::var(name).ok())?;
    let Some(file) = lenient.file.clone() else {
        let message = "there is no configuration that says where files land";
        let help = "name it with --config FILE; `aptiqd init DIR` makes one";
        return Err(Failure::new(Code::Config, message, help));
    };
    let root = absolute(&lenient.path("landing", "path", "exports"));
    let env = super::environment().into_iter();
    let checked = config::check(std::slice::from_ref(&file), env, clock::now());
    let shown = file.display().to_string();
    let grave = |fault: &config::Fault| fault.file != shown || !fault.is_of_secret();
    let faults: Vec<_> = checked.faults.into_iter().filter(grave).collect();
    match faults.is_empty() {
        true => Ok((root, checked.schedules)),
        false => Err(Failure::of_faults(&faults)),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::fs::canonicalize(path)
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}

fn location(text: &str) -> Result<String, String> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    match text.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => {
            let sound = text.chars().all(plain);
            let clean = text.trim_end_matches('/').to_owned();
            sound
                .then_some(clean)
                .ok_or("a URL has no blanks".to_owned())
        }
        _ => Err("a URL such as gs://my-bucket/exports/data".to_owned()),
    }
}

/// `owned_daily_files`, unless a schedule is called so.
fn files_name(table: &str, tables: &BTreeMap<String, String>) -> String {
    let mut name = format!("{table}_files");
    while tables.values().any(|taken| *taken == name) {
        name.push('_');
    }
    name
}

/// `owned-daily` → `owned_daily`: a name that needs no quotes. Where two would become one, both stay as they are.
fn table_names(schedules: &[Schedule]) -> BTreeMap<String, String> {
    let plain = |name: &str| {
        let plain = name.replace('-', "_");
        match plain.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("s{plain}"),
            false => plain,
        }
    };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for schedule in schedules {
        *seen.entry(plain(schedule.name.as_str())).or_default() += 1;
    }
    let names = schedules.iter().map(|schedule| {
        let name = schedule.name.to_string();
        let table = plain(&name);
        let table = if seen[&table] > 1 {
            name.clone()
        } else {
            table
        };
        (name, table)
    });
    names.collect()
}

/// A text literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in double quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn say(args: &Args, answers: &[(Subject, Statements)], context: &Context) {
    let console = &context.console;
    if console.is_json() {
        let dialect = args.dialect.to_possible_value();
        let schedules = answers.iter().map(|(subject, statements)| {
            json!({
                "schedule": subject.schedule.name,
                "table": subject.table,
                "landed": subject.landed.partitions.len(),
                "notes": statements.notes,
                "statements": statements.statements,
            })
        });
        console.document(&json!({
            "schema": "aptiqd.sql/1",
            "dialect": dialect.map(|dialect| dialect.get_name().to_owned()),
            "schedules": schedules.collect::<Vec<_>>(),
        }));
        return;
    }
    let texts = answers.iter().map(|(subject, one)| text(subject, one));
    console.say(&texts.collect::<Vec<_>>().join("\n"));
    if answers.is_empty() {
        console.note("no schedule is enabled; name one\n");
    }
}

/// As a script. Before anything has landed the statements are comments: an engine refuses to look
/// at files that are not there.
fn text(subject: &Subject, one: &Statements) -> String {
    let schedule = subject.schedule;
    let mut text = format!("-- {}", schedule.name);
    if !schedule.description.is_empty() {
        text.push_str(&format!(": {}", one_line(&schedule.description)));
    }
    text.push('\n');
    for note in &one.notes {
        text.push_str(&format!("-- {}\n", one_line(note)));
    }
    let landed = !subject.landed.partitions.is_empty() || subject.local.is_none();
    if !landed {
        text.push_str("-- Nothing of it has landed yet; then:\n");
    }
    for statement in &one.statements {
        for line in format!("{statement};").lines() {
            let mark = if landed { "" } else { "-- " };
            text.push_str(&format!("{mark}{line}\n"));
        }
    }
    text
}

/// What a person wrote, unable to end a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
