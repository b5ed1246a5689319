//! `schema`: JSON Schemas, for editors.

use super::Context;
use super::exit::{Exit, Outcome};
use crate::config;
use serde_json::{Value, json};

/// The JSON Schema of a file, for editors
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd schema schedule > schedule.schema.json
  aptiqd schema config > aptiqd.schema.json")]
pub struct Args {
    /// Of which file
    file: File,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum File {
    /// aptiqd.toml
    Config,
    /// schedules/*.toml
    Schedule,
}

pub fn perform(args: &Args, context: &Context) -> Outcome {
    let (name, text) = match args.file {
        File::Config => ("config", config::CONFIG_SCHEMA),
        File::Schedule => ("schedule", config::SCHEDULE_SCHEMA),
    };
    let console = &context.console;
    if console.is_json() {
        let document: Value = serde_json::from_str(text).unwrap_or_default();
        let wrapped = json!({"schema": "aptiqd.schema/1", "file": name, "document": document});
        console.document(&wrapped);
    } else {
        console.say(text);
    }
    Ok(Exit::Done)
}
