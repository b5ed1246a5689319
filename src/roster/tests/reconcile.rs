//! Reconciling: what becomes of jobs that the state does not know, or does not want.

use super::kept::Kept;
use super::standing::job;
use super::world::{Weather, World, limits, schedule, start};
use crate::roster::{Cause, Doubt, Effect, Grounds, Input, Listed, Loaded, Report, Roster};
use crate::run::{
    AttemptId, CellSpan, Fault, FaultClass, JobStatus, PublishedFile, Remains, RunId, RunRemains,
    RunState,
};
use crate::schedule::Name;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// What the landing folder would still say of the runs that landed.
fn remains_of(world: &World) -> Vec<Remains> {
    let mut all: BTreeMap<Name, Remains> = BTreeMap::new();
    let landed = world.kept.runs.values();
    for run in landed.filter(|run| run.state == RunState::Landed) {
        let run = world.kept.whole(&run.id);
        let remains = all.entry(run.schedule.clone()).or_insert_with(|| Remains {
            columns: Vec::new(),
            schedule: run.schedule.clone(),
            landed: Vec::new(),
            empty: Vec::new(),
            missing: Vec::new(),
            runs: Vec::new(),
        });
        let span = |property: &i64| CellSpan {
            property: *property,
            from: run.window.from,
            to: run.window.to,
        };
        remains.landed.extend(run.properties.iter().map(span));
        remains.runs.push(RunRemains {
            id: run.id.clone(),
            window: run.window,
            report: run.terms.report,
            format: run.terms.format,
            landed_at: run.finished_at.expect("it has ended"),
            files: vec![PublishedFile {
                path: "data".into(),
                bytes: 1,
                sha256: "00".into(),
                rows: 1,
                generation: 1,
            }],
            checks: Vec::new(),
            properties: run.properties.to_vec(),
            jobs: Vec::new(),
            present: u64::from(run.window.len()) * run.properties.len() as u64,
            absent: 0,
            through: Some(run.window.to),
        });
    }
    all.into_values().collect()
}

impl World {
    /// The state burns; manifests and the vendor's list are all that is left.
    pub(super) fn burn(&mut self) {
        let remains = remains_of(self);
        self.kept = Kept::default();
        self.coming.clear();
        self.now += TimeDelta::seconds(2);
        let grounds = Grounds {
            loaded: &Loaded::default(),
            known: &BTreeSet::new(),
            schedules: &self.schedules,
            submit_settle: self.limits.submit_settle,
            now: self.now,
        };
        for remains in &remains {
            for saved in grounds.restore(remains).saved {
                self.kept.keep(saved);
            }
        }
        self.kept.put_in_doubt(Cause::Rebuilt, self.now);
        let now = self.now;
        self.restart_at(now);
    }
}

#[test]
fn a_burnt_state_takes_every_live_job_up_again_and_asks_for_nothing_twice() {
    let mut regained = 0;
    for seed in 0..40 {
        let weather = Weather {
            list_breaks: seed % 30,
            callback_lost: 50,
            job_fails: seed % 10,
            ..Weather::default()
        };
        let schedules = vec![
            schedule("often", "*/30 * * * *", 5),
            schedule("daily", "30 12 * * *", 9),
        ];
        let mut world = World::new(seed, weather, schedules);
        world.run_until(start() + TimeDelta::minutes(31 + i64::try_from(seed).unwrap_or(0)));
        let live: Vec<AttemptId> = world
            .orphans_if_forgotten()
            .into_iter()
            .map(|job| job.attempt.clone())
            .collect();
        let landed: BTreeSet<RunId> = world.published.keys().cloned().collect();
        let submitted: BTreeMap<AttemptId, u32> = world.submits.clone();
        world.burn();
        let end = world.now + TimeDelta::hours(2);
        world.run_until(end);
        for attempt in &live {
            let sent = world.submits.get(attempt);
            assert_eq!(sent, submitted.get(attempt), "seed {seed}: {attempt} again");
            let part = world.kept.parts.get(&(attempt.run.clone(), attempt.part));
            let part = part.unwrap_or_else(|| panic!("seed {seed}: {attempt} is forgotten"));
            assert!(
                part.state.is_closed(),
                "seed {seed}: {attempt} {:?}",
                part.state
            );
            regained += 1;
        }
        for run in &landed {
            assert_eq!(world.published[run], 1, "seed {seed}: {run} landed again");
        }
        assert!(world.orphans().is_empty(), "seed {seed}");
        assert!(!world.kept.settings.contains_key(Doubt::KEY), "seed {seed}");
    }
    assert!(regained > 40, "{regained} jobs were taken up again");
}

#[test]
fn a_job_of_a_schedule_that_is_gone_is_cancelled_and_counted() {
    let weather = Weather::default();
    let mut big = schedule("big", "0 * * * *", 4);
    big.chunk.properties = 4;
    let mut world = World::new(5, weather, vec![big]);
    world.run_until(start() + TimeDelta::hours(1) + TimeDelta::seconds(5));
    assert_eq!(world.orphans_if_forgotten().len(), 1, "one job runs");
    world.schedules.clear();
    world.burn();
    let end = world.now + TimeDelta::seconds(30);
    world.run_until(end);
    assert_eq!(world.jobs[0].seen.status, JobStatus::Cancelled);
    assert_eq!(world.count(RunState::Cancelled), 1);
    assert!(world.kept.open.is_empty());
    assert!(world.log.iter().any(|line| line.contains("job_unwanted")));
}

#[test]
fn foreign_jobs_are_never_touched_and_forms_without_proof_never_cancelled() {
    let doubt = Doubt {
        cause: Cause::New,
        since: start(),
        manifests_read: true,
    };
    let loaded = Loaded {
        doubt: Some(doubt),
        ..Loaded::default()
    };
    let (mut roster, _) = Roster::load(limits(), loaded, Vec::new(), start());
    let attempt: AttemptId = "gone.20261101T000000Z.p1.a1".parse().expect("an id");
    let listed = Listed {
        jobs: vec![(job("foreign"), None), (job("unproven"), None)],
        whole: true,
        unproven: BTreeMap::from([("unproven".to_owned(), attempt.clone())]),
        ahead: None,
    };
    let report = Report::Listed {
        asked_at: start(),
        outcome: Ok(listed),
    };
    let turn = roster.handle(vec![Input::Report(report)], start());
    let asked: Vec<&BTreeSet<RunId>> = turn
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::RecallRuns { runs } => Some(runs),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [&BTreeSet::from([attempt.run.clone()])]);
    let runs = Some(BTreeMap::from([(attempt.run, None)]));
    let report = Report::Recalled { runs };
    let turn = roster.handle(vec![Input::Report(report)], start());
    let cancels = |effect: &Effect| matches!(effect, Effect::CancelJob { .. });
    assert!(!turn.effects.iter().any(cancels), "{:?}", turn.effects);
    assert!(turn.entries.is_empty(), "{:?}", turn.entries);
}

#[test]
fn a_state_in_doubt_begins_nothing_before_the_list_is_read() {
    let mut world = World::new(
        1,
        Weather::default(),
        vec![schedule("often", "* * * * *", 2)],
    );
    world.run_until(start() + TimeDelta::seconds(30));
    world.weather.list_breaks = 100;
    world.burn();
    let end = world.now + TimeDelta::minutes(5);
    world.run_until(end);
    assert_eq!(world.kept.runs.len(), 0, "no fire is decided");
    world.trigger("often").expect("a trigger waits");
    let end = world.now + TimeDelta::minutes(1);
    world.run_until(end);
    assert_eq!(world.submits.len(), 0, "no create is sent");
    // The hold is bounded: a list that never comes must not stop everything for ever.
    let end = world.now + TimeDelta::minutes(10);
    world.run_until(end);
    assert!(
        world
            .log
            .iter()
            .any(|line| line.contains("reconciliation_overdue"))
    );
    assert!(!world.submits.is_empty(), "it goes on");
}

impl World {
    /// Live jobs that would be orphans if the state were lost now.
    fn orphans_if_forgotten(&self) -> Vec<&super::world::Job> {
        let live = |job: &&super::world::Job| {
            job.seen.status == JobStatus::Submitted && job.ends_at > self.now && !job.vanished
        };
        self.jobs.iter().filter(live).collect()
    }
}

#[test]
fn a_list_that_breaks_asks_again_soon_only_while_it_matters() {
    for (cause, second, again) in [
        (None, 0, 300),
        (Some(Cause::New), 0, 60),
        (Some(Cause::Rebuilt), 0, 15),
        // The hold is over.
        (Some(Cause::Rebuilt), 601, 60),
    ] {
        let doubt = cause.map(|cause| Doubt {
            cause,
            since: start(),
            manifests_read: true,
        });
        let loaded = Loaded {
            doubt,
            ..Loaded::default()
        };
        let (mut roster, _) = Roster::load(limits(), loaded, Vec::new(), start());
        let now = start() + TimeDelta::seconds(second);
        roster.handle(Vec::new(), now);
        let report = Report::Listed {
            asked_at: now,
            outcome: Err(Fault::new(FaultClass::Unreachable, "no route")),
        };
        roster.handle(vec![Input::Report(report)], now);
        let (at, why) = roster.poll_deadline().expect("it will be read again");
        let wanted = (TimeDelta::seconds(again), "reconciliation");
        assert_eq!((at - now, why), wanted, "{cause:?} at {second} s");
        // One that left something out settles no doubt.
        let report = Report::Listed {
            asked_at: now,
            outcome: Ok(Listed::default()),
        };
        roster.handle(vec![Input::Report(report)], now);
        let (at, _) = roster.poll_deadline().expect("it will be read again");
        let again = if cause.is_some() { 5 } else { 300 };
        assert_eq!(at - now, TimeDelta::seconds(again), "{cause:?}");
    }
}

#[test]
fn a_restored_schedule_catches_nothing_up_and_knows_what_landed() {
    let mut world = World::new(
        9,
        Weather::default(),
        vec![schedule("hourly", "0 * * * *", 2)],
    );
    world.run_until(start() + TimeDelta::hours(3) + TimeDelta::minutes(50));
    let before = world.kept.ledgers.clone();
    assert_eq!(world.count(RunState::Landed), 3);
    let jobs = world.jobs.len();
    world.burn();
    let end = world.now + TimeDelta::minutes(5);
    world.run_until(end);
    assert_eq!(world.kept.ledgers, before);
    assert_eq!(world.count(RunState::Landed), 3);
    assert_eq!(world.jobs.len(), jobs, "nothing is exported again");
    let mark = &world.kept.marks[&name("hourly")];
    assert!(mark.last_landed.is_some() && mark.decided_through > start() + TimeDelta::hours(3));
}
