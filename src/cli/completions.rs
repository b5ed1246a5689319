//! `completions`: for the shell.

use super::exit::{Exit, Outcome};
use super::{Context, command};
use clap_complete::Shell;

/// Completions for a shell, on stdout
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd completions bash > ~/.local/share/bash-completion/completions/aptiqd
  aptiqd completions zsh > ~/.zfunc/_aptiqd")]
pub struct Args {
    shell: Shell,
}

pub fn perform(args: Args, context: &Context) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "aptiqd", &mut script);
    let script = String::from_utf8_lossy(&script);
    if context.console.is_json() {
        context.console.document(&serde_json::json!({
            "schema": "aptiqd.completions/1",
            "shell": args.shell.to_string(),
            "script": script,
        }));
    } else {
        context.console.say(&script);
    }
    Ok(Exit::Done)
}
