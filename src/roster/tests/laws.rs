//! The laws over many seeds: whatever the weather, every run ends, once, and nothing is left behind.

use super::seeds;
use super::world::{Weather, World, schedule, start};
use crate::run::RunState;
use chrono::TimeDelta;
use std::collections::BTreeMap;

const SEEDS: u64 = 150;

fn storm(seed: u64) -> Weather {
    let mut dice = super::world::Dice(seed ^ 0x5eed);
    let mut some = |most: u64| if dice.chance(50) { dice.below(most) } else { 0 };
    Weather {
        create_lost: some(40),
        create_refused: some(30),
        create_unsent: some(30),
        create_twice: 0,
        callback_lost: some(100),
        callback_twice: some(50),
        job_fails: some(30),
        job_vanishes: some(10),
        list_lags: some(60),
        list_breaks: some(40),
        fetch_breaks: some(40),
        publish_breaks: some(40),
        crash: some(60),
        ..Weather::default()
    }
}

fn weathered(seed: u64) -> World {
    let schedules = vec![
        schedule("often", "*/30 * * * *", 5),
        schedule("daily", "30 12 * * *", 9),
        schedule("dense", "*/7 13 * * *", 12),
        schedule("lone", "*/40 * * * *", 1),
    ];
    let mut world = World::new(seed, storm(seed), schedules);
    world.run_until(start() + TimeDelta::hours(4));
    // No more fires: what is open must end within its deadline, and its cancels soon after.
    world.schedules.clear();
    world.weather.crash = 0;
    let now = world.now;
    world.restart_at(now);
    world.run_until(start() + TimeDelta::hours(24));
    world
}

/// Laws 3, 4, 5, 7, 9 at once.
#[test]
fn every_run_ends_once_and_leaves_nothing_behind() {
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..seeds(SEEDS) {
        let world = weathered(seed);
        assert!(
            world.kept.open.is_empty(),
            "seed {seed}: open {:?}",
            world.kept.open
        );
        for run in world.kept.runs.values() {
            assert!(
                run.state.is_terminal(),
                "seed {seed}: {} {:?}",
                run.id,
                run.state
            );
        }
        // Law 3: a create is sent once per authorisation.
        for (attempt, sent) in &world.submits {
            let authorised = world
                .authorised
                .get(&attempt.to_string())
                .copied()
                .unwrap_or(0);
            assert!(
                *sent <= authorised,
                "seed {seed}: {attempt} sent {sent} of {authorised}"
            );
        }
        // Law 4: at most one job is adopted per attempt, and no two attempts share one.
        let mut adopted: BTreeMap<String, String> = BTreeMap::new();
        for ((run, number), part) in &world.kept.parts {
            for attempt in &part.attempts {
                let Some(job) = &attempt.job_id else { continue };
                let owner = format!("{run}.p{number}.a{}", attempt.number);
                let other = adopted.insert(job.clone(), owner.clone());
                assert_eq!(other, None, "seed {seed}: {job} adopted by {owner} too");
            }
        }
        // With the settle time longer than the vendor's lag, a part never has two jobs alive.
        assert!(
            world.orphans().is_empty(),
            "seed {seed}: {:?}",
            world.orphans()
        );
        for run in world.kept.runs.values() {
            *reached
                .entry(format!("run {}", run.state.as_str()))
                .or_default() += 1;
        }
        for attempt in world.kept.parts.values().flat_map(|part| &part.attempts) {
            *reached
                .entry(format!("attempt {}", attempt.state.as_str()))
                .or_default() += 1;
            if let Some(by) = attempt.learned_by {
                *reached.entry(format!("by {}", by.as_str())).or_default() += 1;
            }
        }
        *reached.entry("crashes".into()).or_default() += world.crashes;
    }
    println!("{} seeds: {reached:?}", seeds(SEEDS));
    for rare in [
        "run landed",
        "run incomplete",
        "run failed",
        "run skipped",
        "attempt failed",
        "attempt not_found",
        "by callback",
        "by poll",
        "by reconcile",
        "crashes",
    ] {
        assert!(
            reached.contains_key(rare),
            "`{rare}` was never reached: {reached:?}"
        );
    }
}

/// Law 9: every fire is a run or a recorded skip, one each.
#[test]
fn every_fire_has_exactly_one_decision() {
    for seed in 0..seeds(200) {
        let mut world = World::new(
            seed,
            storm(seed),
            vec![schedule("often", "*/30 * * * *", 3)],
        );
        world.run_until(start() + TimeDelta::hours(10));
        let decided = world.kept.runs.len();
        assert_eq!(decided, 20, "seed {seed}: {:?}", world.kept.runs.keys());
    }
}

/// Law 8 of the simulation itself: one seed, one history.
#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in [1, 7, 99] {
        assert_eq!(weathered(seed).log, weathered(seed).log);
    }
}

/// Law 6: callbacks cost at most one status read per attempt per five seconds.
#[test]
fn a_flood_of_callbacks_costs_few_reads() {
    let mut world = World::new(
        3,
        Weather::default(),
        vec![schedule("often", "*/30 * * * *", 2)],
    );
    world.run_until(start() + TimeDelta::minutes(31));
    let attempt = world.jobs[0].attempt.clone();
    for _ in 0..500 {
        let now = world.now + TimeDelta::milliseconds(40);
        world.run_until(now);
        let inputs = vec![crate::roster::Input::Callback {
            attempt: attempt.clone(),
            count: 1,
        }];
        let turn = world.roster.handle(inputs, world.now);
        let reads = turn
            .effects
            .iter()
            .filter(|effect| matches!(effect, crate::roster::Effect::CheckJob { .. }))
            .count();
        for _ in 0..reads {
            world
                .checks_of
                .entry(attempt.clone())
                .or_default()
                .push(world.now);
        }
    }
    let reads = world.checks_of.get(&attempt).cloned().unwrap_or_default();
    assert!(!reads.is_empty());
    assert!(
        reads
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= TimeDelta::seconds(5)),
        "{reads:?}"
    );
}

/// Law 7: with every callback lost, the sweep alone drives every run to its end.
#[test]
fn without_callbacks_every_run_still_lands() {
    let weather = Weather {
        callback_lost: 100,
        ..Weather::default()
    };
    let mut world = World::new(5, weather, vec![schedule("often", "0 * * * *", 40)]);
    world.run_until(start() + TimeDelta::minutes(180));
    assert!(world.count(RunState::Landed) >= 1, "{:?}", world.kept.runs);
    // One list call covers all open jobs.
    assert!(
        world.lists <= 2 * 180,
        "{} lists in 180 minutes",
        world.lists
    );
    assert!(world.checks_of.is_empty(), "no job is asked for by itself");
}
