//! `check`: every fault of every file at once.

use super::Context;
use super::console::Tone;
use super::exit::{Exit, Failure, Outcome};
use super::render::counted;
use crate::admin::view::{Check, Code, Fault};
use crate::{clock, config};
use std::path::PathBuf;

/// Prove configuration and schedules: all faults at once, with file:line:col and help; exit 78
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd check
  aptiqd check exports schedules/owned-daily.toml
  aptiqd check --json | jq '.faults[]'")]
pub struct Args {
    /// Configurations, schedules or folders of them [default: the daemon's configuration]
    #[arg(value_name = "PATHS")]
    paths: Vec<PathBuf>,
}

pub fn perform(args: Args, context: &Context) -> Outcome {
    let console = &context.console;
    let paths = match args.paths {
        paths if paths.is_empty() => match config::locate(context.config.as_deref()) {
            Ok(path) => vec![path],
            Err(fault) => return refuse(&[fault], context),
        },
        paths => paths,
    };
    let checked = config::check(&paths, super::environment().into_iter(), clock::now());
    if !checked.warnings.is_empty() {
        let warnings = config::render(&checked.warnings);
        let word = console.tint_err("warning", Tone::Warn);
        console.note(&format!(
            "{word}: allowed, but probably not meant\n{warnings}\n"
        ));
    }
    if !checked.faults.is_empty() {
        return refuse(&checked.faults, context);
    }
    if console.is_json() {
        console.document(&Check::new(Vec::new()));
    } else {
        let schedules = counted(checked.schedules.len() as u64, "schedule");
        let warnings = match checked.warnings.len() as u64 {
            0 => String::new(),
            count => format!(", {}", counted(count, "warning")),
        };
        let daemon = match &checked.daemon {
            Some(daemon) => format!("{} and ", daemon.file.display()),
            None => String::new(),
        };
        console.say(&format!(
            "sound: {daemon}{schedules}{warnings}\n→ aptiqd plan\n"
        ));
    }
    Ok(Exit::Done)
}

/// The faults are the answer; the error says only how many.
fn refuse(faults: &[config::Fault], context: &Context) -> Outcome {
    let console = &context.console;
    if console.is_json() {
        console.document(&Check::new(faults.iter().map(Fault::from).collect()));
    } else {
        console.say(&format!("{}\n", config::render(faults)));
    }
    let message = counted(faults.len() as u64, "fault");
    let help = "each says above how it is mended";
    Err(Failure::new(Code::Config, message, help))
}
