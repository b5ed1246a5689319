//! What callbacks cost that change nothing.

use super::world::{Weather, World, schedule, start};
use crate::roster::{Entry, Input};
use crate::run::{AttemptId, RunState};
use chrono::TimeDelta;
use std::collections::BTreeMap;

fn told(entries: &[Entry]) -> u64 {
    let counted = |entry: &Entry| match entry.body["event"].as_str() {
        Some("callback_heard") => entry.body["count"].as_u64().unwrap_or(0),
        Some("callbacks_repeated") => {
            let attempts = entry.body["attempts"].as_object().expect("by attempt");
            attempts.values().filter_map(|count| count.as_u64()).sum()
        }
        _ => 0,
    };
    entries.iter().map(counted).sum()
}

/// Laws 6 and 10: each callback is in the journal, and a run's own events stay few however many come.
#[test]
fn a_flood_to_finished_attempts_is_told_once_a_run_and_counted_for_ever() {
    let mut world = World::new(
        3,
        Weather::default(),
        vec![schedule("often", "*/30 * * * *", 20)],
    );
    world.run_until(start() + TimeDelta::minutes(59));
    assert_eq!(world.count(RunState::Landed), 1);
    let attempts: Vec<AttemptId> = world.jobs.iter().map(|job| job.attempt.clone()).collect();
    assert!(attempts.len() > 1);
    let mut of_runs = BTreeMap::<String, usize>::new();
    for number in 0..500 {
        let now = world.now + TimeDelta::milliseconds(number);
        let inputs = attempts.iter().map(|attempt| Input::Callback {
            attempt: attempt.clone(),
            count: 3,
        });
        let turn = world.roster.handle(inputs.collect(), now);
        assert_eq!(told(&turn.entries), 3 * attempts.len() as u64);
        let most = if number == 0 { attempts.len() } else { 1 };
        assert_eq!(turn.entries.len(), most, "turn {number}");
        assert!(turn.effects.is_empty());
        for run in turn.entries.into_iter().filter_map(|entry| entry.run) {
            *of_runs.entry(run).or_default() += 1;
        }
    }
    assert_eq!(of_runs.values().sum::<usize>(), attempts.len());
    // Much later one is news again.
    let later = world.now + TimeDelta::hours(2);
    let inputs = vec![Input::Callback {
        attempt: attempts[0].clone(),
        count: 1,
    }];
    let turn = world.roster.handle(inputs, later);
    assert!(
        turn.entries
            .iter()
            .any(|entry| { entry.body["event"] == "callback_heard" && entry.run.is_some() })
    );
}
