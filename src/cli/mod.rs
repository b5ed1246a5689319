//! The command line: argv → verb → exit code. One file a verb.

mod backfill;
mod callback;
mod cancel;
mod check;
mod completions;
mod console;
mod coverage;
mod demo;
mod doctor;
mod events;
mod exit;
mod freshness;
mod init;
mod known;
mod man;
mod nagios;
mod pause;
mod places;
mod plan;
mod properties;
mod prune;
mod reload;
mod render;
mod resume;
mod retry;
mod run;
mod runs;
mod sandbox;
mod schema;
mod show;
mod signals;
mod sql;
mod status;
mod store;
mod suggest;
mod token;
mod trigger;
mod verify;
mod wait;
mod why;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use console::{Console, Reader};
use exit::{Exit, Failure, Outcome};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::{self, Runtime};

use crate::admin::view::Code;

/// Lands ApartmentIQ bulk exports as verified files.
#[derive(Parser)]
#[command(
    name = "aptiqd",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    before_help = "Examples:
  aptiqd demo                               see the whole way once, on this machine
  aptiqd init exports && aptiqd check       begin a configuration, prove it
  aptiqd run --config exports/aptiqd.toml   the daemon, in the foreground
  aptiqd trigger owned-daily --wait         a run now, with progress"
)]
pub struct Cli {
    /// The daemon's configuration [default: $APTIQD_CONFIG, ./aptiqd.toml, /etc/aptiqd/aptiqd.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print one JSON document on stdout, everything else on stderr
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Run(run::Args),
    Demo(demo::Args),
    Sandbox(sandbox::Args),
    Init(init::Args),
    Check(check::Args),
    Plan(plan::Args),
    Status(status::Args),
    Runs(runs::Args),
    Show(show::Args),
    Events(events::Args),
    Trigger(trigger::Args),
    Backfill(backfill::Args),
    Cancel(cancel::Args),
    Retry(retry::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Reload(reload::Args),
    Coverage(coverage::Args),
    Freshness(freshness::Args),
    Properties(properties::Args),
    Prune(prune::Args),
    Why(why::Args),
    Doctor(doctor::Args),
    Callback(callback::Args),
    Token(token::Args),
    Verify(verify::Args),
    Store(store::Args),
    Sql(sql::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Verb {
    /// The schedule or run that the daemon is asked about.
    fn subject(&self) -> Option<&str> {
        match self {
            Verb::Show(args) => Some(&args.run),
            Verb::Cancel(args) => Some(&args.run),
            Verb::Retry(args) => Some(&args.run),
            Verb::Trigger(args) => Some(&args.schedule),
            Verb::Backfill(args) => Some(&args.schedule),
            Verb::Coverage(args) => Some(&args.schedule),
            Verb::Pause(args) => Some(&args.schedule),
            Verb::Resume(args) => Some(&args.schedule),
            Verb::Runs(args) => args.schedule.as_deref(),
            Verb::Events(args) => args.run.as_deref().or(args.schedule.as_deref()),
            _ => None,
        }
    }
}

/// Examples stand before the usage: they are what most readers of a help text want.
const HELP: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}";

/// The whole command line, as help, completions and the man page show it.
fn command() -> Command {
    fn dress(command: Command) -> Command {
        command.help_template(HELP).mut_subcommands(dress)
    }
    dress(Cli::command())
}

/// What a verb needs of its surroundings.
struct Context {
    console: Console,
    config: Option<PathBuf>,
}

impl Context {
    async fn client(&self) -> Result<crate::admin::client::Client, Failure> {
        places::connect(self.config.as_deref()).await
    }
}

/// Reads argv, does what it says, and gives the exit code of the contract.
pub fn main() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error).into(),
    };
    let reader = if cli.json {
        Reader::Script
    } else {
        Reader::Person
    };
    let context = Context {
        console: Console::new(reader),
        config: cli.config,
    };
    let typed = cli.verb.subject().map(str::to_owned);
    let outcome = perform(cli.verb, &context);
    match outcome.map_err(|failure| suggested(failure, typed.as_deref(), &context)) {
        Ok(_) if context.console.lost_output() => {
            let failure = Failure::new(
                Code::Failed,
                "the output could not be written",
                "is the disk it goes to full?",
            );
            context.console.fail(&failure);
            Exit::Failed.into()
        }
        Ok(exit) => exit.into(),
        Err(failure) => {
            context.console.fail(&failure);
            failure.exit().into()
        }
    }
}

/// With the nearest known name, where one is not known.
fn suggested(failure: Failure, typed: Option<&str>, context: &Context) -> Failure {
    match (failure.error.code, typed, asker()) {
        (Code::UnknownSchedule | Code::UnknownRun, Some(typed), Ok(runtime)) => {
            runtime.block_on(suggest::nearest_known(failure, typed, context))
        }
        _ => failure,
    }
}

fn parse(argv: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(argv)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Help and versions are answers; the rest is a usage error, in JSON if `--json` was among the words.
fn refuse(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // A closed pipe is no reason to fail.
        let _ = error.print();
        return Exit::Done;
    }
    let asks_json = std::env::args().any(|word| word == "--json");
    if asks_json && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let text = error.render().to_string();
        // What follows the first blank line is advice; what comes before it may name arguments, one a line.
        let said: Vec<&str> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.is_empty())
            .collect();
        let message = said.join(" ");
        let message = message.trim_start_matches("error: ");
        let failure = Failure::new(Code::Usage, message, "aptiqd --help");
        Console::new(Reader::Script).fail(&failure);
    } else {
        let _ = error.print();
    }
    Exit::Usage
}

fn perform(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::Run(args) => {
            let runtime = server()?;
            let outcome = runtime.block_on(run::perform(args, context));
            // A file that is still being merged is as good as cut by a crash.
            runtime.shutdown_timeout(LEFT_TIME);
            outcome
        }
        Verb::Demo(args) => server()?.block_on(demo::perform(args, context)),
        Verb::Sandbox(args) => server()?.block_on(sandbox::perform(args, context)),
        Verb::Init(args) => init::perform(&args, context),
        Verb::Check(args) => check::perform(args, context),
        Verb::Plan(args) => asker()?.block_on(plan::perform(args, context)),
        Verb::Status(args) => asker()?.block_on(status::perform(args, context)),
        Verb::Runs(args) => asker()?.block_on(runs::perform(args, context)),
        Verb::Show(args) => asker()?.block_on(show::perform(args, context)),
        Verb::Events(args) => asker()?.block_on(events::perform(args, context)),
        Verb::Trigger(args) => asker()?.block_on(trigger::perform(args, context)),
        Verb::Backfill(args) => asker()?.block_on(backfill::perform(args, context)),
        Verb::Coverage(args) => asker()?.block_on(coverage::perform(args, context)),
        Verb::Freshness(args) => asker()?.block_on(freshness::perform(args, context)),
        Verb::Properties(args) => asker()?.block_on(properties::perform(args, context)),
        Verb::Prune(args) => asker()?.block_on(prune::perform(args, context)),
        Verb::Why(args) => asker()?.block_on(why::perform(args, context)),
        Verb::Doctor(args) => asker()?.block_on(doctor::perform(args, context)),
        Verb::Callback(args) => asker()?.block_on(callback::perform(args, context)),
        Verb::Token(args) => asker()?.block_on(token::perform(args, context)),
        Verb::Cancel(args) => asker()?.block_on(cancel::perform(args, context)),
        Verb::Retry(args) => asker()?.block_on(retry::perform(args, context)),
        Verb::Pause(args) => asker()?.block_on(pause::perform(args, context)),
        Verb::Resume(args) => asker()?.block_on(resume::perform(args, context)),
        Verb::Reload(args) => asker()?.block_on(reload::perform(args, context)),
        Verb::Verify(args) => verify::perform(&args, context),
        Verb::Store(args) => server()?.block_on(store::perform(args, context)),
        Verb::Sql(args) => sql::perform(&args, context),
        Verb::Schema(args) => schema::perform(&args, context),
        Verb::Completions(args) => completions::perform(args, context),
        Verb::Man(args) => man::perform(args, context),
    }
}

/// What blocks a thread once the daemon has stopped is left behind after this.
const LEFT_TIME: Duration = Duration::from_millis(500);

/// For verbs that serve.
fn server() -> Result<Runtime, Failure> {
    built(runtime::Builder::new_multi_thread().enable_all().build())
}

/// For verbs that ask the daemon.
fn asker() -> Result<Runtime, Failure> {
    built(runtime::Builder::new_current_thread().enable_all().build())
}

fn built(runtime: std::io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| {
        let message = format!("cannot start the runtime: {error}");
        Failure::new(
            Code::Unavailable,
            message,
            "is the machine out of descriptors?",
        )
    })
}

/// The variables that are text; others are none of ours, and must not stop anything.
fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// A path segment or query value, percent-encoded.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
