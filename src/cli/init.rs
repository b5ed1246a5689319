//! `init`: a configuration and one schedule to begin with.

use super::Context;
use super::exit::{Exit, Failure, Outcome};
use super::render::shell_word;
use crate::admin::view::Code;
use crate::config;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Write a commented aptiqd.toml and one schedule into a folder; nothing there is overwritten
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd init exports
  aptiqd init /etc/aptiqd --dry-run")]
pub struct Args {
    /// The folder; made if absent
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Only say what it would write
    #[arg(long)]
    dry_run: bool,
}

pub fn perform(args: &Args, context: &Context) -> Outcome {
    let files = config::init_files();
    let there: Vec<&str> = files
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| args.folder.join(path).symlink_metadata().is_ok())
        .collect();
    if !there.is_empty() {
        let folder = args.folder.display();
        let message = format!("{folder} holds {} already", there.join(", "));
        let help = "name another folder, or move them away";
        return Err(Failure::new(Code::Conflict, message, help));
    }
    if !args.dry_run {
        for (path, text) in files {
            write(&args.folder.join(path), text)?;
        }
    }
    say(args, context, &files.map(|(path, _)| path));
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = made.and_then(|()| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    });
    written.map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        Failure::new(
            Code::Failed,
            message,
            "may you write there, and is there room?",
        )
    })
}

fn say(args: &Args, context: &Context, paths: &[&str]) {
    let console = &context.console;
    if console.is_json() {
        console.document(&serde_json::json!({
            "schema": "aptiqd.init/1",
            "folder": args.folder,
            "files": paths,
            "dry_run": args.dry_run,
        }));
        return;
    }
    let folder = shell_word(&args.folder.to_string_lossy());
    let word = if args.dry_run { "would write" } else { "wrote" };
    let shown: Vec<&&str> = paths.iter().filter(|path| !path.starts_with('.')).collect();
    let mut text = String::new();
    for path in shown {
        text.push_str(&format!("{word} {}\n", args.folder.join(path).display()));
    }
    text.push_str(&format!(
        "\nnext:\n  \
         cd {folder}\n  \
         (umask 077; mkdir -p secrets; cat > secrets/token)   # paste the access token, Ctrl-D\n  \
         aptiqd check\n  \
         aptiqd plan\n  \
         aptiqd run\n"
    ));
    console.say(&text);
}
