//! `store export`: the whole state and its events as JSON Lines.

use super::super::Context;
use super::super::exit::{Exit, Failure, Outcome};
use super::super::render::counted;
use super::{refused, settings};
use crate::admin::view::Code;
use crate::store::{self, Presence};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Write the whole state and its events as JSON Lines
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd store export > state.jsonl
  aptiqd store export --output state.jsonl --json")]
pub struct Args {
    /// A file instead of stdout; it is replaced once the export is whole
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn perform(args: Args, context: &Context) -> Outcome {
    let settings = settings(context)?;
    if store::probe(&settings.path).map_err(refused)? == Presence::Absent {
        let message = format!("there is no state in {}", settings.path.display());
        let help = "`aptiqd run` makes one; is state.path right?";
        return Err(Failure::new(Code::NotFound, message, help));
    }
    let Some(output) = args.output else {
        let written = store::export(settings, BufWriter::new(io::stdout().lock()));
        return match written {
            // Whoever hung up (`| head`) has what they wanted.
            Err(store::Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                Ok(Exit::Done)
            }
            written => written.map(|_| Exit::Done).map_err(refused),
        };
    };
    let sequence = to_file(settings, &output)?;
    let console = &context.console;
    if console.is_json() {
        console.document(&json!({
            "schema": "aptiqd.store_export/1", "path": output, "sequence": sequence,
        }));
    } else {
        let events = counted(sequence, "event");
        console.say(&format!(
            "{} holds the state after {events}\n",
            output.display()
        ));
    }
    Ok(Exit::Done)
}

/// Whole or not at all, and for nobody else to read: it names what an operator excluded, and why.
fn to_file(settings: store::Settings, output: &Path) -> Result<u64, Failure> {
    let mut beside = output.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let failed = |error: io::Error| {
        let message = format!("cannot write {}: {error}", output.display());
        Failure::new(
            Code::Failed,
            message,
            "is there room, and may you write there?",
        )
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed)?;
    let written = store::export(settings, BufWriter::new(&file)).map_err(refused);
    let kept = written.and_then(|sequence| {
        file.sync_all().map_err(failed)?;
        fs::rename(&beside, output).map_err(failed)?;
        let folder = output
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)?;
        Ok(sequence)
    });
    if kept.is_err() {
        // What is there beside is of no use to anybody.
        drop(fs::remove_file(&beside));
    }
    kept
}
