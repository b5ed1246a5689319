//! `sandbox`: the simulated ApartmentIQ alone.

use super::exit::{Exit, Failure, Outcome};
use super::signals::Signals;
use super::{Context, render};
use crate::admin::view::Code;
use crate::sandbox::{Faults, Options, Sandbox};
use std::net::SocketAddr;
use std::time::Duration;

/// The simulated ApartmentIQ alone, on loopback, until Ctrl-C
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd sandbox
  aptiqd sandbox --fault lost-callback,truncated --job-time 10s
  aptiqd sandbox --json | jq -r .base_url")]
pub struct Args {
    /// Where the API answers; on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// How it misbehaves, `NAME[=N|=always],…`; a wrong name lists them
    #[arg(
        long,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    fault: Faults,
    /// The same seed gives the same data
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How long a job takes, about
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    job_time: Duration,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let listen = args.listen;
    if !listen.ip().is_loopback() {
        let message = format!("{listen} is no loopback address");
        let help = "the simulated service guards nothing: take 127.0.0.1 or [::1]";
        return Err(Failure::new(Code::Usage, message, help));
    }
    let mut signals = Signals::listen()?;
    let options = Options {
        listen,
        faults: args.fault,
        seed: args.seed,
        job_time: args.job_time,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.map_err(|error| {
        let message = format!("cannot listen on {listen}: {error}");
        Failure::new(
            Code::Conflict,
            message,
            "take another with --listen 127.0.0.1:0",
        )
    })?;
    let console = &context.console;
    if console.is_json() {
        console.document(&sandbox.describe());
    } else {
        console.say(&describe(&sandbox));
    }
    signals.stop().await;
    sandbox.stop().await;
    Ok(Exit::Done)
}

/// What it is and a configuration to paste. Its secret protects nothing.
fn describe(sandbox: &Sandbox) -> String {
    let files_host = sandbox.files_host();
    let host = files_host
        .rsplit_once(':')
        .map_or(files_host.as_str(), |(host, _)| host);
    format!(
        "simulated ApartmentIQ at {base}, files at {files_host}\n\n\
         # aptiqd.toml for it\n\
         [api]\n\
         base_url = \"{base}\"\n\
         token_url = \"{token}\"\n\
         client_id = \"{id}\"\n\
         client_secret_file = \"sandbox.secret\"\n\
         requests_per_minute = 6000\n\
         poll_interval = \"2s\"\n\n\
         [callback]\n\
         public_url = \"http://127.0.0.1:8470\"\n\n\
         [download]\n\
         allowed_hosts = [\"{host}\"]\n\n\
         (umask 077; echo {secret} > sandbox.secret)   # beside it\n\
         curl -s {control}/state                       # what it saw\n\n\
         Ctrl-C ends it.\n",
        base = sandbox.base_url(),
        token = sandbox.token_url(),
        id = sandbox.client_id(),
        secret = render::shell_word(&sandbox.client_secret()),
        control = sandbox.control_url(),
    )
}
