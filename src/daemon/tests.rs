//! The whole daemon in one process against the simulated service, with the in-memory store.

use super::{Daemon, OnEnded};
use crate::config;
use crate::roster::{Answer, Command, Mode};
use crate::run::{Run, RunState};
use crate::sandbox::{Options, Sandbox};
use crate::schedule::Name;
use crate::store::Memory;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SCHEDULE: &str = r#"
report = "property"
format = "csv"
cron = "30 12 * * *"
timezone = "America/Chicago"
window = "yesterday"
properties = { ids = [99001416, 99001470, 99001471] }
chunk = { properties = 1, days = 31 }
retry = { attempts = 4, first = "1s", max = "2s" }
"#;

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("a secret file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
}

async fn landed(faults: &str) -> (Run, tempfile::TempDir) {
    let sandbox = Sandbox::start(Options {
        faults: faults.parse().expect("known faults"),
        job_time: Duration::from_millis(50),
        ..Options::default()
    })
    .await
    .expect("a sandbox");
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("schedules")).expect("a folder");
    std::fs::write(at("schedules/portfolio.toml"), SCHEDULE).expect("a schedule");
    write_secret(&at("secret"), &sandbox.client_secret());
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let callbacks = port.local_addr().expect("its address");
    drop(port);
    let text = format!(
        "[api]\nbase_url = \"{}\"\ntoken_url = \"{}\"\nclient_id = \"{}\"\n\
         client_secret_file = \"secret\"\nrequests_per_minute = 6000\npoll_interval = \"1s\"\n\
         submit_settle = \"2s\"\n\
         [callback]\nlisten = \"{callbacks}\"\npublic_url = \"http://{callbacks}\"\n\
         [download]\nallowed_hosts = [\"127.0.0.1\"]\n",
        sandbox.base_url(),
        sandbox.token_url(),
        sandbox.client_id(),
    );
    std::fs::write(at("aptiqd.toml"), text).expect("a configuration");
    let loaded = config::load_all(&at("aptiqd.toml"), std::iter::empty());
    let (config, schedules) = loaded.unwrap_or_else(|faults| panic!("{}", config::render(&faults)));
    std::fs::create_dir_all(&config.state.path).expect("the state folder");
    let (sender, mut ended) = mpsc::channel(16);
    let on_ended: OnEnded = Box::new(move |run| drop(sender.try_send(run.clone())));
    let stop = CancellationToken::new();
    let store = Arc::new(Memory::default());
    let daemon = Daemon::start(config, schedules, store, on_ended, stop.clone())
        .await
        .expect("a daemon");
    let handle = daemon.parts.handle.clone();
    let serving = tokio::spawn(daemon.serve());
    let command = Command::Trigger {
        schedule: Name::parse("portfolio").expect("a name"),
        window: None,
        by: "test".into(),
        mode: Mode::Act,
    };
    let Ok(Answer::Run(_)) = handle.ask(command).await else {
        panic!("not triggered")
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), ended.recv());
    let Ok(run) = waited.await else {
        let open = handle.ask(Command::Snapshot).await;
        panic!("no end: {open:?}\n{}", sandbox.state());
    };
    let run = run.expect("a run");
    stop.cancel();
    serving.await.expect("no panic").expect("an ordered stop");
    sandbox.stop().await;
    (run, folder)
}

#[tokio::test]
async fn a_triggered_run_lands_by_callback() {
    let (run, folder) = landed("").await;
    assert_eq!(run.state, RunState::Landed, "{:?}", run.reason);
    assert_eq!(run.files.len(), 1);
    assert!(
        folder
            .path()
            .join("exports")
            .join(&run.files[0].path)
            .exists()
    );
    for part in run.parts.values() {
        let attempt = part.current().expect("an attempt");
        assert_eq!(
            attempt.learned_by.map(|by| by.as_str()),
            Some("callback"),
            "{attempt:?}"
        );
    }
}

#[tokio::test]
async fn every_recoverable_fault_still_lands() {
    for fault in [
        "lost-callback",
        "duplicate-callback",
        "early-callback",
        "odd-callback",
        "forged-callback",
        "lost-create-reply",
        "nonsense-create",
        "401",
        "429",
        "5xx",
        "unknown-status",
        "truncated",
        "changed-etag",
        "expired-url",
        "slow",
        "list-lag",
    ] {
        let (run, _folder) = landed(fault).await;
        println!("{fault}: {:?} {:?}", run.state, run.reason);
        assert_eq!(
            run.state,
            RunState::Landed,
            "{fault}: {:?} {:?}",
            run.reason,
            run.parts
        );
    }
}
