//! `store rebuild`: a new state from the manifests, the vendor's list and the schedules.

use super::super::Context;
use super::super::exit::{Exit, Failure, Outcome};
use super::super::render::{amount, counted};
use super::super::run::failure;
use super::{quiet, refused};
use crate::config;
use crate::daemon::{self, Ask, Keep, Rebuilt};
use crate::run::FaultClass;
use crate::store::{self, Disk, Memory};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Make the state anew from manifests, ApartmentIQ's list of jobs and the schedules
#[derive(clap::Args)]
#[command(before_help = "Examples:
  aptiqd store rebuild --dry-run
  aptiqd store rebuild --json | jq .vendor")]
pub struct Args {
    /// Do not ask ApartmentIQ; the daemon does when it starts
    #[arg(long)]
    offline: bool,
    /// Say what would be found and keep nothing of it
    #[arg(long)]
    dry_run: bool,
}

pub async fn perform(args: Args, context: &Context) -> Outcome {
    let path = config::locate(context.config.as_deref());
    let path = path.map_err(|fault| Failure::of_faults(&[fault]))?;
    let loaded = config::load_all(&path, super::super::environment().into_iter());
    let (config, schedules) = loaded.map_err(|faults| Failure::of_faults(&faults))?;
    let state = config.state.path.clone();
    store::probe(&state).map_err(refused)?;
    let ask = match args.offline {
        true => Ask::Nobody,
        false => Ask::Vendor,
    };
    if args.dry_run {
        let store = Memory::new();
        let rebuilt = daemon::rebuild(&config, schedules, &store, ask, Keep::Nothing).await;
        let rebuilt = rebuilt.map_err(failure)?;
        say(context, &rebuilt, None, true);
        return Ok(exit(&rebuilt));
    }
    let settings = quiet(state);
    let aside = store::set_aside(&settings).map_err(refused)?;
    match anew(&settings, &config, schedules, ask).await {
        Ok(rebuilt) => {
            let exit = exit(&rebuilt);
            say(context, &rebuilt, aside, false);
            Ok(exit)
        }
        Err(failure) => {
            if let Some(aside) = aside {
                store::put_back(&settings, &aside).map_err(refused)?;
            }
            Err(failure)
        }
    }
}

async fn anew(
    settings: &store::Settings,
    config: &config::Daemon,
    schedules: Vec<crate::schedule::Schedule>,
    ask: Ask,
) -> Result<Rebuilt, Failure> {
    let (disk, _) = Disk::open(settings.clone()).map_err(refused)?;
    let rebuilt = daemon::rebuild(config, schedules, &disk, ask, Keep::State).await;
    let closed = disk.close();
    let rebuilt = rebuilt.map_err(failure)?;
    closed.map_err(refused)?;
    Ok(rebuilt)
}

/// Without the vendor's list the state is in place but not complete: the next start asks again.
fn exit(rebuilt: &Rebuilt) -> Exit {
    match &rebuilt.vendor {
        Some(Err(fault)) if is_refusal(fault.class) => Exit::Credential,
        Some(Err(_)) => Exit::Incomplete,
        None | Some(Ok(_)) => Exit::Done,
    }
}

fn is_refusal(class: FaultClass) -> bool {
    matches!(class, FaultClass::Credential | FaultClass::Forbidden)
}

fn vendor(rebuilt: &Rebuilt) -> Value {
    match &rebuilt.vendor {
        None => Value::Null,
        Some(Ok(done)) => json!({
            "jobs": done.jobs, "whole": done.whole, "regained": done.regained,
            "unwanted": done.unwanted, "error": null,
        }),
        Some(Err(fault)) => json!({"error": fault.message}),
    }
}

fn say(context: &Context, rebuilt: &Rebuilt, aside: Option<PathBuf>, dry_run: bool) {
    let console = &context.console;
    let taken = &rebuilt.taken;
    if console.is_json() {
        let unread = rebuilt.manifests.unread.iter();
        let unread: Vec<Value> = unread
            .map(|(path, reason)| json!({"path": path, "reason": reason}))
            .collect();
        console.document(&json!({
            "schema": "aptiqd.store_rebuild/1", "dry_run": dry_run, "set_aside": aside,
            "manifests": rebuilt.manifests.read, "unread": unread, "schedules": taken.schedules,
            "runs": taken.runs, "vendor": vendor(rebuilt),
            "cells": {"landed": taken.landed, "empty": taken.empty, "missing": taken.missing},
        }));
        return;
    }
    let mut text = format!(
        "{} of {}: {}, {} property-days landed, {} empty, {} missing\n",
        counted(rebuilt.manifests.read, "manifest"),
        counted(taken.schedules, "schedule"),
        counted(taken.runs, "run"),
        amount(taken.landed),
        amount(taken.empty),
        amount(taken.missing),
    );
    for (path, reason) in &rebuilt.manifests.unread {
        text.push_str(&format!("not taken in: {path}: {reason}\n"));
    }
    text.push_str(&match &rebuilt.vendor {
        None => "ApartmentIQ was not asked; the daemon does when it starts\n".to_owned(),
        Some(Err(fault)) => format!(
            "ApartmentIQ's list could not be had ({}); the daemon asks again when it starts\n",
            reason(fault.class, &fault.message)
        ),
        Some(Ok(done)) => format!(
            "{} at ApartmentIQ: {} to go on, {} to be cancelled\n",
            counted(done.jobs, "job"),
            counted(done.regained.len() as u64, "run"),
            counted(done.unwanted.len() as u64, "job"),
        ),
    });
    text.push_str(&kept(aside.as_deref(), dry_run));
    console.say(&text);
}

fn reason(class: FaultClass, message: &str) -> String {
    match is_refusal(class) {
        true => format!("credential refused: {message}"),
        false => message.to_owned(),
    }
}

fn kept(aside: Option<&Path>, dry_run: bool) -> String {
    let lost = "pauses and exclusions are in no manifest: set them again\n";
    match (dry_run, aside) {
        (true, _) => format!("nothing was changed; {lost}"),
        (false, None) => format!("the state is in place; {lost}"),
        (false, Some(aside)) => format!(
            "the state is in place, the one before it in {}; {lost}",
            aside.display()
        ),
    }
}
