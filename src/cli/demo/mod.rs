//! `demo`: the whole way once, on loopback, with real requests between real sockets.

mod scene;
mod story;

use super::exit::{Exit, Failure, Outcome, chain};
use super::render::{bytes, counted, shell_word};
use super::run::failure;
use super::signals::Signals;
use super::{Context, encode};
use crate::admin::Tally;
use crate::admin::client::Client;
use crate::admin::view::{Code, File, Run, RunDetail, RunState, TriggerRequest, Triggered};
use crate::daemon::{AdminDoors, Daemon};
use crate::landing;
use crate::sandbox::Sandbox;
use crate::telemetry::{self, Style};
use futures_util::StreamExt;
use scene::Scene;
use serde_json::json;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use story::Story;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

/// How long the schedule may take to fire before it is triggered instead: a machine may be so busy
/// that its moment has passed before the daemon has seen it.
const FIRE_WITHIN: Duration = Duration::from_secs(8);
/// How long everything may take.
const END_WITHIN: Duration = Duration::from_secs(120);

/// The whole way once: simulated ApartmentIQ and daemon on loopback, a schedule fires, a file lands
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd demo
  aptiqd demo --dir /tmp/demo --keep")]
pub struct Args {
    /// Where it works; an earlier demo there is replaced
    #[arg(long, value_name = "DIR", default_value = "aptiqd-demo")]
    dir: PathBuf,
    /// Stay up afterwards, with the status page, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Only say what it would do
    #[arg(long, conflicts_with = "keep")]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    if args.dry_run {
        return would(&args, context);
    }
    telemetry::init_from(Style::detect(), LevelFilter::ERROR);
    let mut signals = Signals::listen()?;
    scene::clear(&args.dir)?;
    let sandbox = Sandbox::start(scene::sandbox_options()).await;
    let sandbox = sandbox.map_err(|error| {
        let message = format!("cannot start the simulated ApartmentIQ: {error}");
        let help = "it wants a free port on 127.0.0.1 and a folder for temporary files ($TMPDIR, else /tmp)";
        Failure::new(Code::Failed, message, help)
    })?;
    let scene = Scene::set(&args.dir, &sandbox)?;
    let stop = CancellationToken::new();
    let mut interrupted = pin!(signals.stop());
    let (daemon, client) = start(&scene, stop.clone()).await?;
    let serving = tokio::spawn(daemon.serve());
    let told = tokio::select! {
        told = tell(&scene, &client, context) => told,
        () = interrupted.as_mut() => Err(Failure::new(Code::Interrupted, "interrupted", "")),
    };
    let outcome = match told {
        Ok(detail) => conclude(&scene, &detail, context),
        Err(failure) => Err(failure),
    };
    if args.keep && outcome.is_ok() {
        let page = format!("\nup until Ctrl-C: http://{}/\n", scene.admin);
        context.console.note(&page);
        interrupted.await;
    }
    stop.cancel();
    let served = serving.await;
    sandbox.stop().await;
    match served {
        Ok(served) => served.map_err(failure)?,
        Err(panic) => return Err(Failure::new(Code::Failed, chain(&panic), "")),
    }
    outcome
}

async fn start(
    scene: &Scene,
    stop: CancellationToken,
) -> Result<(Daemon<super::run::Disk>, Client), Failure> {
    let (config, schedules) = scene.load()?;
    let store = super::run::open_store(&config.state).await?.store;
    let doors = AdminDoors::open(&config.admin).await.map_err(failure)?;
    let client = Client::of_socket(config.admin.socket.clone());
    let tally = Tally::default();
    let counted = tally.clone();
    let ended = Box::new(move |run: &crate::run::Run| counted.ended(run));
    let started = Daemon::start(config, schedules, Arc::clone(&store), ended, stop);
    let mut daemon = started.await.map_err(failure)?;
    daemon.serve_admin(doors, tally);
    Ok((daemon, client))
}

/// Whether it could, and where; nothing is made or removed.
fn would(args: &Args, context: &Context) -> Outcome {
    scene::may_play(&args.dir)?;
    let console = &context.console;
    if console.is_json() {
        console.document(&json!({
            "schema": "aptiqd.demo/1",
            "dir": args.dir,
            "run": null,
            "files": [],
            "verified": false,
            "page": null,
            "dry_run": true,
        }));
    } else {
        console.say(&format!(
            "would play in {}: a simulated ApartmentIQ and a daemon on loopback, one run of {}\n",
            args.dir.display(),
            scene::SCHEDULE
        ));
    }
    Ok(Exit::Done)
}

/// Follows the run from its fire to its end, a line for everything that happens.
async fn tell(scene: &Scene, client: &Client, context: &Context) -> Result<RunDetail, Failure> {
    let mut story = Story::begin(scene, &context.console);
    let path = format!("/api/v1/events?schedule={}", scene::SCHEDULE);
    let mut events = pin!(client.follow(&path, Some(0)).await?);
    let mut id: Option<String> = None;
    let all = tokio::time::sleep(END_WITHIN);
    let mut all = pin!(all);
    let fire = tokio::time::sleep(FIRE_WITHIN);
    let mut fire = pin!(fire);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = fire.as_mut(), if id.is_none() => {
                let path = format!("/api/v1/schedules/{}/trigger", scene::SCHEDULE);
                let made: Triggered = client.act(&path, &TriggerRequest::default()).await?;
                id = Some(made.run.id);
                continue;
            }
            () = all.as_mut() => {
                let message = "the run did not end in time";
                return Err(Failure::new(Code::Failed, message, "is the machine very busy?"));
            }
        };
        let Some(event) = event else {
            return Err(Failure::new(Code::Failed, "the daemon ended", ""));
        };
        let event = event?;
        story.tell(&event);
        if event.run.is_some() && id.is_none() {
            id.clone_from(&event.run);
        }
        if let Some(id) = id.as_deref().filter(|_| story::may_be_last(&event)) {
            let detail: RunDetail = client.read(&format!("/api/v1/runs/{}", encode(id))).await?;
            if detail.run.state.is_terminal() {
                return Ok(detail);
            }
        }
    }
}

/// Verifies what landed and says what to do with it.
fn conclude(scene: &Scene, detail: &RunDetail, context: &Context) -> Outcome {
    let verified = landing::verify(&scene.exports, None).map_err(|error| {
        Failure::new(
            Code::Failed,
            format!("cannot verify: {}", chain(&error)),
            "",
        )
    })?;
    let sound = verified.is_clean() && verified.files.len() == detail.files.len();
    let console = &context.console;
    if console.is_json() {
        console.document(&json!({
            "schema": "aptiqd.demo/1",
            "dir": scene.dir,
            "run": detail.run,
            "files": detail.files,
            "verified": sound,
            "page": format!("http://{}/", scene.admin),
        }));
    } else if detail.run.state == RunState::Landed && sound {
        console.say(&ending(scene, &detail.run, &detail.files));
    }
    let reason = detail.run.reason.as_deref().unwrap_or_default();
    let help = format!("see {}", scene.dir.display());
    match (detail.run.state, sound) {
        (RunState::Landed, true) => Ok(Exit::Done),
        (RunState::Landed, false) => {
            let message = "a landed file does not match its manifest";
            Err(Failure::new(Code::Failed, message, help))
        }
        (state, _) => {
            let message = format!("the run ended as {}: {reason}", state.as_str());
            Err(Failure::new(Code::Failed, message, help))
        }
    }
}

fn ending(scene: &Scene, run: &Run, files: &[File]) -> String {
    let mut text = format!(
        "\nlanded and verified: {}, {} in {}\n",
        counted(files.len() as u64, "file"),
        counted(run.rows, "row"),
        scene.exports.display(),
    );
    for file in files {
        let hash = file.sha256.get(..16).unwrap_or_default();
        text.push_str(&format!("  {}\n", scene.exports.join(&file.path).display()));
        text.push_str(&format!("    {} · sha256 {hash}…\n", bytes(file.bytes)));
    }
    let data = scene.exports.join("data").join(scene::SCHEDULE);
    let glob = format!("{}/*/*.parquet", data.display()).replace('\'', "''");
    let query = shell_word(&format!("select * from '{glob}' limit 5"));
    let config = shell_word(&scene.dir.join("aptiqd.toml").to_string_lossy());
    let aptiqd = program();
    text.push_str(&format!("\nread it\n  duckdb -c {query}\n\nnext\n"));
    for (verb, what) in [
        (format!("verify --config {config}"), "re-hash what landed"),
        (format!("plan --config {config}"), "the coming fires"),
        ("demo --keep".to_owned(), "stay up, with the status page"),
        ("init my-exports".to_owned(), "a configuration of your own"),
    ] {
        text.push_str(&format!("  {aptiqd} {verb}   # {what}\n"));
    }
    text
}

/// How this program was called, so that its commands can be pasted.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = called.to_string_lossy();
    shell_word(if called.contains('/') {
        &called
    } else {
        "aptiqd"
    })
}
