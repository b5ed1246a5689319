//! `store`: the state in one file and back, and its rebuilding, with no daemon running.

mod export;
mod import;
mod rebuild;

use super::Context;
use super::exit::{Failure, Outcome};
use super::places::Lenient;
use super::run::failure;
use crate::admin::view::Code;
use crate::{clock, daemon, store};
use std::path::PathBuf;
use std::time::Duration;

/// The state as JSON Lines, back from them, or rebuilt; the daemon must be stopped
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd store export --output state.jsonl
  aptiqd store import state.jsonl
  aptiqd store rebuild --dry-run")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Export(export::Args),
    Import(import::Args),
    Rebuild(rebuild::Args),
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    match args.what {
        What::Export(args) => export::perform(args, context),
        What::Import(args) => import::perform(args, context).await,
        What::Rebuild(args) => rebuild::perform(args, context).await,
    }
}

/// The state folder of the configuration; its secrets need not be readable for that.
fn settings(context: &Context) -> Result<store::Settings, Failure> {
    let config = Lenient::read(context.config.as_deref(), |name| std::env::var(name).ok())?;
    if config.file.is_none() {
        let message = "there is no configuration that says where the state is";
        let help = "name it with --config FILE; `aptiqd init DIR` makes one";
        return Err(Failure::new(Code::Config, message, help));
    }
    Ok(quiet(config.path("state", "path", "state")))
}

/// For a folder that is opened for one act only: nothing is dropped from its journal meanwhile.
fn quiet(path: PathBuf) -> store::Settings {
    store::Settings {
        history: Duration::MAX,
        audit_after: None,
        ballast_bytes: 0,
        ..store::Settings::new(path, clock::now())
    }
}

/// A failure of the store, with the daemon being the likeliest reason for a lock.
fn refused(error: store::Error) -> Failure {
    match error {
        store::Error::Locked => Failure::new(
            Code::Conflict,
            "a daemon runs on this state",
            "stop it first: systemctl stop aptiqd",
        ),
        other => failure(daemon::Error::Store(other)),
    }
}
