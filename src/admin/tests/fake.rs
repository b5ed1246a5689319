//! A daemon that remembers what it was asked.

use crate::admin::view::*;
use crate::admin::{Actor, Daemon, EventFilter, Intent, Refusal, RunFilter};
use crate::run::{Retrial, RunId};
use crate::schedule::{Name, Window};
use crate::store::Sequence;
use std::sync::Mutex;
use tokio::sync::watch;

pub struct Fake {
    pub asked: Mutex<Vec<String>>,
    pub journal: Mutex<Vec<Event>>,
    pub position: watch::Sender<Sequence>,
    pub ready: Result<(), String>,
}

impl Fake {
    pub fn new() -> Fake {
        Fake {
            asked: Mutex::default(),
            journal: Mutex::default(),
            position: watch::Sender::new(0),
            ready: Ok(()),
        }
    }

    pub fn happen(&self, name: &str, run: Option<&str>) {
        let mut journal = self.journal.lock().unwrap();
        let sequence = journal.len() as u64 + 1;
        journal.push(Event {
            sequence,
            at: "2026-11-22T18:30:00Z".parse().unwrap(),
            event: name.into(),
            schedule: Some("owned".into()),
            run: run.map(str::to_owned),
            detail: serde_json::json!({}),
        });
        drop(journal);
        self.position.send_replace(sequence);
    }

    pub fn note(&self, asked: String) {
        self.asked.lock().unwrap().push(asked);
    }
}

pub fn run(id: &str) -> Run {
    Run {
        id: id.into(),
        schedule: "owned".into(),
        trigger: "manual".into(),
        nominal_at: "2026-11-22T18:30:00Z".parse().unwrap(),
        window: super::super::view::Window {
            from: "2026-11-21".parse().unwrap(),
            to: "2026-11-21".parse().unwrap(),
        },
        state: RunState::Running,
        reason: Some("<b>waits</b>".into()),
        parts: PartCount { total: 2, done: 1 },
        rows: 0,
        bytes: 0,
        created_at: "2026-11-22T18:30:00Z".parse().unwrap(),
        finished_at: None,
    }
}

pub fn schedule(name: &str, level: Level) -> ScheduleStatus {
    ScheduleStatus {
        name: name.into(),
        description: String::new(),
        enabled: true,
        paused: None,
        next_fire: None,
        last_run: None,
        last_success: None,
        data_through: None,
        level,
        state: "ok".into(),
        reason: Some("<script>alert(1)</script>".into()),
    }
}

impl Daemon for Fake {
    async fn status(&self) -> Result<Status, Refusal> {
        Ok(Status {
            schema: "aptiqd.status/1".into(),
            version: "0".into(),
            ready: true,
            since: "2026-11-22T18:30:00Z".parse().unwrap(),
            attention: Vec::new(),
            schedules: vec![
                schedule("a-fine", Level::Ok),
                schedule("owned", Level::Error),
            ],
            runs: vec![run("owned.m1")],
            jobs_in_flight: 1,
            callbacks: Callbacks::default(),
            credential: Credential {
                kind: "token".into(),
                expires_at: None,
                refused: false,
            },
            config: ConfigHealth {
                path: None,
                last_reload_at: None,
                ok: true,
                faults: Vec::new(),
            },
            store: StoreHealth::default(),
            landing: LandingHealth::default(),
        })
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<Run>, Refusal> {
        self.note(format!("runs {filter:?}"));
        Ok(vec![run("owned.m1")])
    }

    async fn run(&self, id: RunId) -> Result<RunDetail, Refusal> {
        Err(Refusal::unknown_run(id.as_str()))
    }

    async fn events(
        &self,
        filter: EventFilter,
        after: Sequence,
        limit: usize,
    ) -> Result<(Vec<Event>, Sequence), Refusal> {
        let journal = self.journal.lock().unwrap();
        let page: Vec<Event> = journal
            .iter()
            .filter(|event| event.sequence > after)
            .take(limit)
            .cloned()
            .collect();
        let looked = page.last().map_or(after, |event| event.sequence);
        let wanted = |event: &Event| {
            let run = filter.run.as_ref().map(RunId::as_str);
            run.is_none() || event.run.as_deref() == run
        };
        Ok((page.into_iter().filter(wanted).collect(), looked))
    }

    fn position(&self) -> watch::Receiver<Sequence> {
        self.position.subscribe()
    }

    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    async fn metrics(&self) -> Result<String, Refusal> {
        Ok("aptiqd_up 1\n".into())
    }

    async fn reload(&self, actor: Actor, intent: Intent) -> Result<Reload, Refusal> {
        self.note(format!("reload {} {intent:?}", actor.label()));
        let mut refusal = Refusal::new(Code::Config, "1 fault", "aptiqd check");
        refusal.faults.push(Fault {
            file: "a.toml".into(),
            line: 1,
            column: 1,
            code: "x".into(),
            message: "m".into(),
            help: "h".into(),
        });
        Err(refusal)
    }

    async fn trigger(
        &self,
        schedule: Name,
        window: Option<Window>,
        actor: Actor,
        intent: Intent,
    ) -> Result<Run, Refusal> {
        self.note(format!("trigger {schedule} {window:?} {intent:?}"));
        assert!(matches!(actor, Actor::User { .. } | Actor::Remote));
        match schedule.as_str() {
            "owned" => Ok(run("owned.m1")),
            other => Err(Refusal::unknown_schedule(other)),
        }
    }

    async fn pause(
        &self,
        name: Name,
        reason: String,
        _: Actor,
        _: Intent,
    ) -> Result<ScheduleStatus, Refusal> {
        self.note(format!("pause {name} {reason}"));
        Ok(schedule(name.as_str(), Level::Warn))
    }

    async fn resume(&self, name: Name, _: Actor, _: Intent) -> Result<ScheduleStatus, Refusal> {
        Ok(schedule(name.as_str(), Level::Ok))
    }

    async fn cancel(&self, id: RunId, _: Actor, _: Intent) -> Result<Run, Refusal> {
        Ok(run(id.as_str()))
    }

    async fn retry(&self, id: RunId, _: Retrial, _: Actor, _: Intent) -> Result<Run, Refusal> {
        Ok(run(id.as_str()))
    }
}
