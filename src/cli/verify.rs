//! `verify`: landed files re-hashed against their manifests.

use super::Context;
use super::exit::{Exit, Failure, Outcome, chain};
use super::places::Lenient;
use super::render::{counted, shell_word};
use crate::admin::view::Code;
use crate::landing::{self, FileState, Verification};
use crate::schedule::Name;
use serde_json::json;
use std::path::Path;

/// Re-hash the landed files against their manifests; exit 3 if one differs
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd verify
  aptiqd verify owned-daily --json | jq '.differences[]'")]
pub struct Args {
    /// Only this schedule's files
    schedule: Option<String>,
}

pub fn perform(args: &Args, context: &Context) -> Outcome {
    let config = Lenient::read(context.config.as_deref(), |name| std::env::var(name).ok())?;
    let Some(file) = &config.file else {
        let message = "there is no configuration that says where files land";
        let help = "name it with --config FILE; `aptiqd init DIR` makes one";
        return Err(Failure::new(Code::Config, message, help));
    };
    super::places::prove(file)?;
    let root = config.path("landing", "path", "exports");
    let schedule = match &args.schedule {
        Some(name) => Some(known(name, &root, &config.schedules())?),
        None => None,
    };
    let verified = match root.exists() {
        true => landing::verify(&root, schedule.as_ref()).map_err(|error| {
            let message = format!("cannot verify: {}", chain(&error));
            Failure::new(Code::Failed, message, "may you read the landing folder?")
        })?,
        // Before its first start there is neither; afterwards the daemon has made both.
        false if config.path("state", "path", "state").exists() => {
            let message = format!("cannot verify: {} is not there", root.display());
            let help = "mount it, or name the folder by landing.path; `aptiqd coverage` tells what should be in it";
            return Err(Failure::new(Code::Failed, message, help));
        }
        false => Verification::default(),
    };
    say(&verified, &root, context);
    if verified.is_clean() {
        return Ok(Exit::Done);
    }
    let different: Vec<String> = verified
        .differences()
        .map(|file| format!("{} {}", file.path, word(file.state)))
        .collect();
    let message = match different.as_slice() {
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
        [] => String::new(),
    };
    let help = match verified.differences().next() {
        Some(file) => mend(file),
        None => String::new(),
    };
    Err(Failure::new(Code::Incomplete, message, help))
}

/// The command that brings the file back, as far as its path tells.
fn mend(file: &landing::Verified) -> String {
    if file.state == FileState::WithoutManifest {
        return format!("nothing vouches for {}: move it away", file.path);
    }
    let path = file.path.trim_end_matches(".json");
    let key = path.split('/').find_map(|part| part.split_once('='));
    let days = match key {
        Some(("date", day)) => Some((day.to_owned(), day.to_owned())),
        Some(("window", days)) => days
            .split_once('_')
            .map(|(from, to)| (from.to_owned(), to.to_owned())),
        Some(("month", first)) => last_of_month(first).map(|last| (first.to_owned(), last)),
        _ => None,
    };
    let (from, to) = days.unwrap_or_else(|| ("FIRST-DAY".to_owned(), "LAST-DAY".to_owned()));
    let schedule = &file.schedule;
    format!("export those days again: aptiqd trigger {schedule} --from {from} --to {to} --wait")
}

fn last_of_month(first: &str) -> Option<String> {
    let first: chrono::NaiveDate = first.parse().ok()?;
    let next = first.checked_add_months(chrono::Months::new(1))?;
    Some(next.pred_opt()?.to_string())
}

/// A schedule that is declared, or of which something has landed.
fn known(text: &str, root: &Path, schedules: &Path) -> Result<Name, Failure> {
    let unknown = || {
        let message = format!("there is no schedule `{text}`, and nothing of it has landed");
        Failure::new(
            Code::UnknownSchedule,
            message,
            "`aptiqd plan` lists the schedules",
        )
    };
    let name = Name::parse(text).map_err(|_| unknown())?;
    let places = [
        root.join("meta").join(text),
        root.join("data").join(text),
        schedules.join(format!("{text}.toml")),
    ];
    match places.iter().any(|place| place.exists()) {
        true => Ok(name),
        false => Err(unknown()),
    }
}

fn word(state: FileState) -> &'static str {
    match state {
        FileState::Ok => "is as it landed",
        FileState::Changed => "has other bytes than its manifest",
        FileState::Absent => "is gone",
        FileState::ManifestUnreadable => "cannot be read",
        FileState::WithoutManifest => "has no manifest",
    }
}

fn say(verified: &Verification, root: &Path, context: &Context) {
    let console = &context.console;
    if console.is_json() {
        console.document(&json!({
            "schema": "aptiqd.verify/1",
            "ok": verified.is_clean(),
            "files": verified.files.len(),
            "differences": verified.differences().collect::<Vec<_>>(),
        }));
        return;
    }
    let mut text = String::new();
    for file in verified.differences() {
        text.push_str(&format!("{} {}\n", file.path, word(file.state)));
        if let (Some(expected), Some(observed)) = (&file.expected, &file.observed) {
            text.push_str(&format!("  manifest {expected}\n  file     {observed}\n"));
        }
    }
    let clean = verified
        .files
        .iter()
        .filter(|file| file.state == FileState::Ok);
    let files = counted(clean.count() as u64, "file");
    let root = shell_word(&root.to_string_lossy());
    text.push_str(&match verified.files.is_empty() {
        true => format!("nothing has landed in {root} yet\n"),
        false => format!("{files} in {root} as landed\n"),
    });
    console.say(&text);
}
