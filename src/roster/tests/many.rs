//! Many small worlds beside a plain reference: what must have been decided, what must have landed, and which rare paths were taken.

use super::world::{Dice, Logging, Weather, World, schedule, start};
use crate::coverage::Fate;
use crate::run::{Run, RunId, RunState};
use crate::schedule::{Name, Schedule};
use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Worlds that once broke a law, or came near it; run before all others.
const REGRESSIONS: [u64; 4] = [0, 7, 99, 150];

/// What must have been reached by some world, or the worlds prove little.
const SOMETIMES: [&str; 22] = [
    "submit_accepted",
    "submit_unanswered",
    "submit_refused",
    "submit_unsent",
    "job_found",
    "job_not_found",
    "job_checked",
    "job_absent",
    "second_job_seen",
    "callback_heard",
    "list_broken",
    "artifact_fetched",
    "fetch_broken",
    "publish_broken",
    "run_published",
    "cancel_settled",
    "deadline_passed",
    "run landed",
    "run incomplete",
    "run failed",
    "learned by callback",
    "learned by reconcile",
];

fn storm(seed: u64) -> Weather {
    let mut dice = Dice(seed ^ 0xa11);
    let mut some = |most: u64| if dice.chance(40) { dice.below(most) } else { 0 };
    Weather {
        create_lost: some(50),
        create_refused: some(30),
        create_unsent: some(30),
        create_twice: some(20),
        callback_lost: some(100),
        callback_twice: some(50),
        job_fails: some(50),
        job_vanishes: some(20),
        list_lags: some(60),
        list_breaks: some(40),
        fetch_breaks: some(50),
        publish_breaks: some(40),
        crash: some(60),
        ..Weather::default()
    }
}

const FIRES: i64 = 3;

fn small_schedule(seed: u64) -> Schedule {
    let mut declared = schedule(
        "often",
        "*/30 * * * *",
        2 + i64::try_from(seed % 3).unwrap_or(0),
    );
    declared.deadline = Duration::from_secs(if seed.is_multiple_of(4) { 900 } else { 2_700 });
    declared.retry.attempts = 3;
    declared.retry.max = Duration::from_secs(120);
    declared
}

/// A world of three fires, left alone until all has ended.
fn small(seed: u64, logging: Logging) -> World {
    let mut world = World::new(seed, storm(seed), vec![small_schedule(seed)]);
    world.logging = logging;
    world.run_until(start() + TimeDelta::minutes(30 * FIRES + 1));
    world.schedules.clear();
    world.weather.crash = 0;
    let now = world.now;
    world.restart_at(now);
    world.run_until(start() + TimeDelta::hours(4));
    world
}

/// The fires of `*/30` by the clock alone.
fn fires_by_the_clock(from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let minutes =
        (1..=(until - from).num_minutes()).map(|minute| from + TimeDelta::minutes(minute));
    minutes
        .filter(|at| at.minute().is_multiple_of(30))
        .collect()
}

/// The cells that the ended runs say have landed.
fn landed_by_the_runs(world: &World) -> BTreeSet<(i64, NaiveDate)> {
    let mut cells = BTreeSet::new();
    for id in world.kept.runs.keys() {
        let run = world.kept.whole(id);
        if matches!(run.state, RunState::Landed | RunState::Incomplete) {
            for part in run.live_parts().filter(|part| part.artifact.is_some()) {
                let properties = part.properties(&run.properties);
                let days = part.window.days();
                cells.extend(days.flat_map(|day| properties.iter().map(move |&id| (id, day))));
            }
        }
    }
    cells
}

fn landed_by_the_ledger(world: &World, days: &BTreeSet<NaiveDate>) -> BTreeSet<(i64, NaiveDate)> {
    let mut cells = BTreeSet::new();
    for ledger in world.kept.ledgers.values() {
        for property in ledger.properties() {
            let line = ledger.line(property);
            let landed =
                |day: &&NaiveDate| line.and_then(|line| line.at(**day)) == Some(Fate::Landed);
            cells.extend(days.iter().filter(landed).map(|day| (property, *day)));
        }
    }
    cells
}

/// Everything that is broken in this world, in words.
fn broken(world: &World) -> Option<String> {
    let say = |what: &str, of: &dyn std::fmt::Debug| Some(format!("{what}: {of:?}"));
    let kept = &world.kept;
    if !kept.open.is_empty() {
        return say("still open", &kept.open);
    }
    let name = Name::parse("often").ok()?;
    let fires = fires_by_the_clock(start(), start() + TimeDelta::minutes(30 * FIRES + 1));
    let decided: BTreeSet<RunId> = fires.iter().map(|at| RunId::of_fire(&name, *at)).collect();
    let known: BTreeSet<RunId> = kept.runs.keys().cloned().collect();
    if decided != known {
        return say("not one decision a fire", &(decided, known));
    }
    for (attempt, sent) in &world.submits {
        if *sent
            > world
                .authorised
                .get(&attempt.to_string())
                .copied()
                .unwrap_or(0)
        {
            return say("a create that no commit authorised", attempt);
        }
    }
    let mut adopted = BTreeMap::new();
    for ((run, number), part) in &kept.parts {
        for attempt in &part.attempts {
            let owner = format!("{run}.p{number}.a{}", attempt.number);
            if let Some(job) = &attempt.job_id
                && let Some(other) = adopted.insert(job.clone(), owner)
            {
                return say("a job adopted twice", &(job, other));
            }
        }
    }
    let unpublished =
        |run: &&Run| run.state == RunState::Landed && !world.published.contains_key(&run.id);
    if let Some(run) = kept.runs.values().find(unpublished) {
        return say("landed without a publish", &run.id);
    }
    let by_runs = landed_by_the_runs(world);
    let days = kept
        .runs
        .values()
        .flat_map(|run| run.window.days())
        .collect();
    let by_ledger = landed_by_the_ledger(world, &days);
    if by_runs != by_ledger {
        return say("the ledger and the runs disagree", &(by_runs, by_ledger));
    }
    None
}

fn reach(world: &World, reached: &mut BTreeMap<String, u32>) {
    for (name, count) in &world.happened {
        *reached.entry(name.clone()).or_default() += count;
    }
    for run in world.kept.runs.values() {
        *reached
            .entry(format!("run {}", run.state.as_str()))
            .or_default() += 1;
    }
    for attempt in world.kept.parts.values().flat_map(|part| &part.attempts) {
        if let Some(by) = attempt.learned_by {
            *reached
                .entry(format!("learned by {}", by.as_str()))
                .or_default() += 1;
        }
    }
    *reached.entry("crashes".into()).or_default() += world.crashes;
}

/// Names the seed whose world panicked.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// Every `step`th seed from `from`; the first that breaks a law, in words, and what was reached.
fn run_seeds(seeds: impl Iterator<Item = u64>) -> Result<BTreeMap<String, u32>, String> {
    let mut reached = BTreeMap::new();
    for seed in seeds {
        let _seed = Named(seed);
        let world = small(seed, Logging::Off);
        if let Some(what) = broken(&world) {
            return Err(format!("seed {seed}: {what}"));
        }
        reach(&world, &mut reached);
    }
    Ok(reached)
}

const THREADS: u64 = 2;

fn survive(seeds: u64) {
    let begun = std::time::Instant::now();
    run_seeds(REGRESSIONS.into_iter()).unwrap_or_else(|what| panic!("{what}"));
    let outcomes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| {
                let every = usize::try_from(THREADS).unwrap_or(1);
                scope.spawn(move || run_seeds((first..seeds).step_by(every)))
            })
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("it ends"));
        joined.collect::<Vec<_>>()
    });
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    for outcome in outcomes {
        for (name, count) in outcome.unwrap_or_else(|what| panic!("{what}")) {
            *reached.entry(name).or_default() += count;
        }
    }
    println!("{seeds} seeds in {:?}: {reached:?}", begun.elapsed());
    for rare in SOMETIMES {
        assert!(
            reached.contains_key(rare),
            "`{rare}` was never reached: {reached:?}"
        );
    }
}

#[test]
fn ten_thousand_small_worlds_agree_with_the_reference() {
    survive(super::seeds(10_000));
}

#[test]
#[ignore = "minutes long; .ci/torture runs it"]
fn a_hundred_thousand_small_worlds_agree_with_the_reference() {
    survive(100_000);
}

#[test]
fn a_small_world_has_one_history() {
    for seed in REGRESSIONS {
        let log = small(seed, Logging::On).log;
        assert!(!log.is_empty());
        assert_eq!(log, small(seed, Logging::On).log, "seed {seed}");
    }
}

/// A year of a daily schedule: nothing piles up, every day is decided.
fn year(seed: u64) {
    let mut weather = storm(seed);
    weather.crash = 1;
    let mut world = World::new(seed, weather, vec![schedule("daily", "30 12 * * *", 2)]);
    world.logging = Logging::Off;
    world.run_until(start() + TimeDelta::days(365));
    assert_eq!(world.kept.runs.len(), 365, "seed {seed}");
    assert!(
        world.kept.open.len() <= 2,
        "seed {seed}: {:?}",
        world.kept.open
    );
}

/// The list of jobs is reconciled every five minutes, so a year has more than a hundred thousand turns.
#[test]
#[ignore = "minutes long; .ci/torture runs it"]
fn years_pass() {
    let years = 200_u32;
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || {
                let every = usize::try_from(THREADS).unwrap_or(1);
                (first..years.into()).step_by(every).for_each(year);
            });
        }
    });
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    println!(
        "{years} simulated years, {:.0} a minute on {THREADS} cores",
        f64::from(years) / minutes
    );
}
