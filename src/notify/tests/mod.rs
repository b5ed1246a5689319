//! What is told, and in which form.

mod forms;
mod looks;

use super::decide::look;
use super::heard::{Fact, Heard};
use super::memory::{Memory, Pending};
use super::route::{Channel, Channels};
use super::seen::{Health, Seen};
use crate::roster::{CallbacksNow, Ended, Landed, Mark, ScheduleNow, Snapshot};
use crate::run::{Run, RunId, RunState, Trigger};
use crate::schedule::tests::schedule;
use crate::schedule::{Schedule, Window};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;

/// A world of one schedule, looked at as often as a test likes.
struct World {
    now: DateTime<Utc>,
    schedule: Schedule,
    mark: Mark,
    health: Health,
    callbacks: CallbacksNow,
    memory: Memory,
    heard: Vec<Heard>,
}

impl World {
    fn new(notify: &[(&str, &[&str])]) -> World {
        let now = at("2026-11-22T12:00:00Z");
        let mut schedule = schedule("daily", "30 12 * * *");
        schedule.notify = notify
            .iter()
            .map(|(word, to)| {
                let to = to.iter().map(|name| (*name).to_owned());
                ((*word).to_owned(), to.collect())
            })
            .collect();
        World {
            now,
            schedule,
            mark: Mark::new(now),
            health: Health::default(),
            callbacks: CallbacksNow::default(),
            memory: Memory::default(),
            heard: Vec::new(),
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            snapshot: Snapshot {
                clock_unset: false,
                list_trouble: None,
                at: self.now,
                schedules: vec![ScheduleNow {
                    schedule: Arc::new(self.schedule.clone()),
                    mark: self.mark.clone(),
                    next: None,
                }],
                open: Vec::new(),
                jobs_in_flight: 0,
                downloads: 0,
                last_list_at: None,
                hold: None,
                second_jobs: 0,
                landing_hold: None,
                callbacks: self.callbacks.clone(),
                doubt: None,
            },
            health: self.health.clone(),
        }
    }

    fn look(&mut self) -> Vec<Pending> {
        let heard = std::mem::take(&mut self.heard);
        let seen = self.seen();
        look(&mut self.memory, &heard, &seen, &channels())
    }

    /// What a look tells, as `kind level→receivers`.
    fn told(&mut self) -> Vec<String> {
        let told = self.look();
        told.iter().map(shown).collect()
    }

    fn after(&mut self, more: TimeDelta) -> &mut World {
        self.now += more;
        self
    }

    fn ends(&mut self, state: RunState) {
        let id = RunId::of_trigger(&self.schedule.name, self.now);
        self.mark.last_ended = Some(Box::new(Ended {
            run: id.clone(),
            state,
            reason: Some("because".to_owned()),
            at: self.now,
        }));
        if state == RunState::Landed {
            self.mark.last_landed = Some(Box::new(Landed {
                run: id,
                at: self.now,
                window: window(),
            }));
        }
    }

    fn hear(&mut self, fact: Fact) {
        let sequence = self.memory.heard_through.unwrap_or(0) + self.heard.len() as u64 + 1;
        self.heard.push(Heard {
            sequence,
            at: self.now,
            fact,
        });
    }

    /// What the store keeps over a restart.
    fn restart(&mut self) {
        let records = self.memory.records();
        let stored = serde_json::to_string(&records).expect("JSON");
        self.memory = Memory::of(&serde_json::from_str(&stored).expect("JSON"));
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn window() -> Window {
    let day = "2026-11-21".parse().expect("a day");
    Window::day(day)
}

fn channels() -> Channels {
    [
        ("ops", Channel::Reader),
        ("load", Channel::Reader),
        ("beat", Channel::Beat),
    ]
    .into_iter()
    .map(|(name, channel)| (name.to_owned(), channel))
    .collect()
}

fn shown(pending: &Pending) -> String {
    let to: Vec<&str> = pending.to.iter().map(String::as_str).collect();
    format!("{}→{}", pending.notice.kind.as_str(), to.join(","))
}

fn a_run(state: RunState, trigger: Trigger) -> Run {
    let golden = include_str!("../../store/golden/run.json");
    let mut run: Run = serde_json::from_str(golden).expect("a run");
    run.schedule = crate::schedule::Name::parse("daily").expect("a name");
    run.state = state;
    run.trigger = trigger;
    run.checks = Vec::new();
    run
}

fn hours(count: i64) -> TimeDelta {
    TimeDelta::hours(count)
}
