//! Staying with a run until it has ended: a bar on a terminal, else a line for every change.

use super::console::Console;
use super::encode;
use super::exit::{Exit, Failure, Outcome};
use super::render::{bytes, counted, tone_of};
use super::signals::Signals;
use crate::admin::client::Client;
use crate::admin::view::{Code, Run, RunDetail, RunState};
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::pin::pin;
use std::time::Duration;

/// The run is looked at again at least so often, should an event be missed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What a run's reason begins with when nobody but a person can help it.
const CREDENTIAL: &str = "credential refused";

/// Follows the run; returns it once it has ended, or once it waits for a new credential.
///
/// # Errors
/// `interrupted` on Ctrl-C (the run goes on), `unreachable` if the daemon stops.
pub async fn until_ended(client: &Client, id: &str, console: &Console) -> Result<Run, Failure> {
    // First of all, so that an early Ctrl-C finds a listener.
    let mut signals = Signals::listen()?;
    let mut interrupt = pin!(signals.stop());
    let mut progress = Progress::new(console);
    let path = format!("/api/v1/events?run={}", encode(id));
    let mut events = pin!(client.follow(&path, None).await?);
    loop {
        let path = format!("/api/v1/runs/{}", encode(id));
        let detail: RunDetail = client.read(&path).await?;
        progress.show(&detail.run);
        if detail.run.state.is_terminal() || awaits_credential(&detail.run) {
            progress.finish();
            return Ok(detail.run);
        }
        tokio::select! {
            event = events.next() => match event {
                Some(event) => drop(event?),
                None => {
                    progress.finish();
                    return Err(daemon_stopped(id));
                }
            },
            () = interrupt.as_mut() => {
                progress.finish();
                let message = format!("interrupted; {id} goes on");
                let help = format!("aptiqd show {id}, or aptiqd cancel {id}");
                return Err(Failure::new(Code::Interrupted, message, help));
            }
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn daemon_stopped(id: &str) -> Failure {
    let message = format!("the daemon stopped; {id} goes on when it is up again");
    Failure::new(Code::Unreachable, message, format!("aptiqd show {id}"))
}

fn awaits_credential(run: &Run) -> bool {
    run.reason
        .as_deref()
        .is_some_and(|reason| reason.starts_with(CREDENTIAL))
}

/// Says how the run ended, and exits as it did.
pub fn outcome(run: &Run, console: &Console) -> Outcome {
    let id = &run.id;
    let why = format!("aptiqd show {id}");
    let reason = run.reason.as_deref().unwrap_or("no reason was recorded");
    let failure = |code, message| Err(Failure::new(code, message, why.clone()));
    if awaits_credential(run) && run.state != RunState::Landed {
        let help = "put a valid token or client secret in place, then `aptiqd token check`";
        return Err(Failure::new(
            Code::CredentialRefused,
            format!("{id}: {reason}"),
            help,
        ));
    }
    match run.state {
        RunState::Landed => {
            if !console.is_json() {
                let state = console.tint("landed", tone_of(run.state));
                let rows = counted(run.rows, "row");
                console.say(&format!(
                    "{id} {state}: {rows}, {}\n→ {why}\n",
                    bytes(run.bytes)
                ));
            }
            Ok(Exit::Done)
        }
        RunState::Incomplete => failure(Code::Incomplete, format!("{id} is incomplete: {reason}")),
        RunState::Cancelled => failure(Code::Failed, format!("{id} was cancelled: {reason}")),
        RunState::Skipped => failure(Code::Failed, format!("{id} was skipped: {reason}")),
        RunState::Failed => failure(Code::Failed, format!("{id} failed: {reason}")),
        RunState::Queued | RunState::Running => failure(Code::Failed, format!("{id}: {reason}")),
    }
}

/// How it is going, on stderr.
struct Progress<'c> {
    console: &'c Console,
    bar: Option<ProgressBar>,
    last: Option<(RunState, Option<String>, u64)>,
}

impl Progress<'_> {
    fn new(console: &Console) -> Progress<'_> {
        let bar = (std::io::stderr().is_terminal() && !console.is_json()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len} parts {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress {
            console,
            bar,
            last: None,
        }
    }

    fn show(&mut self, run: &Run) {
        let now = (run.state, run.reason.clone(), run.parts.done);
        if self.last.as_ref() == Some(&now) {
            return;
        }
        self.last = Some(now);
        let reason = run.reason.as_deref().unwrap_or_default();
        match &self.bar {
            Some(bar) => {
                bar.set_length(run.parts.total);
                bar.set_position(run.parts.done);
                bar.set_message(format!("{} {reason}", run.state.as_str()));
            }
            None => {
                let (done, total) = (run.parts.done, run.parts.total);
                let colon = if reason.is_empty() { "" } else { ": " };
                let state = run.state.as_str();
                let line = format!("{} {state} {done}/{total} parts{colon}{reason}\n", run.id);
                self.console.note(&line);
            }
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
