//! `store import`: a state folder made of an export.

use super::super::Context;
use super::super::exit::{Exit, Failure, Outcome, chain};
use super::super::render::counted;
use super::{quiet, refused, settings};
use crate::admin::view::Code;
use crate::roster::Cause;
use crate::store::{self, Disk, Presence};
use crate::{clock, daemon};
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Make the state of an export; the next start completes it from manifests
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd store import state.jsonl --dry-run
  aptiqd store import state.jsonl --replace")]
pub struct Args {
    /// What `store export` wrote; `-` for stdin
    file: PathBuf,
    /// Set the state that is there aside, as `before.TIME` in the state folder
    #[arg(long)]
    replace: bool,
    /// Prove the export and say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let settings = settings(context)?;
    let present = store::probe(&settings.path).map_err(refused)? == Presence::Present;
    if present && !args.replace {
        let message = format!("there is a state in {} already", settings.path.display());
        let help = "--replace sets it aside; `aptiqd store export` keeps it in a file";
        return Err(Failure::new(Code::Conflict, message, help));
    }
    let from = open(&args.file)?;
    if args.dry_run {
        let sequence = store::prove(from).map_err(|error| unfit(&error))?;
        say(
            context,
            sequence,
            present.then(|| settings.path.join("before.TIME")),
            true,
        );
        return Ok(Exit::Done);
    }
    let aside = match present {
        true => store::set_aside(&settings).map_err(refused)?,
        false => None,
    };
    match taken_in(&settings, from).await {
        Ok(sequence) => {
            say(context, sequence, aside, false);
            Ok(Exit::Done)
        }
        Err(failure) => {
            if let Some(aside) = aside {
                store::put_back(&settings, &aside).map_err(refused)?;
            }
            Err(failure)
        }
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::with_capacity(256 * 1024, file))),
        Err(error) => {
            let code = match error.kind() {
                io::ErrorKind::NotFound => Code::NotFound,
                _ => Code::Failed,
            };
            let message = format!("cannot read {}: {error}", path.display());
            Err(Failure::new(
                code,
                message,
                "name what `aptiqd store export` wrote",
            ))
        }
    }
}

async fn taken_in(settings: &store::Settings, from: Box<dyn BufRead>) -> Result<u64, Failure> {
    let sequence = store::import(settings, from).map_err(|error| unfit(&error))?;
    // What was done after the export is known to manifests and to the vendor only.
    let (disk, _) = Disk::open(quiet(settings.path.clone())).map_err(refused)?;
    let event = json!({"event": "state_imported", "sequence": sequence});
    let doubted = daemon::put_in_doubt(&disk, Cause::Behind, event, clock::now()).await;
    doubted.map_err(refused)?;
    disk.close().map_err(refused)?;
    Ok(sequence)
}

fn unfit(error: &store::Error) -> Failure {
    let help = "the state is as it was; export it anew";
    Failure::new(Code::Failed, chain(error), help)
}

fn say(context: &Context, sequence: u64, aside: Option<PathBuf>, dry_run: bool) {
    let console = &context.console;
    if console.is_json() {
        console.document(&json!({
            "schema": "aptiqd.store_import/1", "sequence": sequence, "set_aside": aside,
            "dry_run": dry_run,
        }));
        return;
    }
    let events = counted(sequence, "event");
    let mut text = match dry_run {
        true => format!("it is whole, and would make the state after {events}\n"),
        false => format!("the state after {events} is in place; start the daemon\n"),
    };
    if let Some(aside) = aside {
        let what = if dry_run { "would be" } else { "was" };
        text.push_str(&format!(
            "the one before {what} set aside: {}\n",
            aside.display()
        ));
    }
    console.say(&text);
}
