//! Creates that wait together because one of them met what would stop them all.

use super::edges::seconds;
use super::world::{Weather, World, limits, schedule};
use crate::roster::{Input, Limits, Report};
use crate::run::{AttemptId, CreateFailure, Fault, FaultClass};
use chrono::TimeDelta;
use std::time::Duration;

/// For as long as was asked for and no longer, though nothing else is due then.
#[test]
fn the_end_of_a_hold_on_creates_is_waited_for() {
    let limits = Limits {
        open_jobs_max: 1,
        ..limits()
    };
    let schedules = vec![
        schedule("first", "0 0 1 1 *", 1),
        schedule("second", "0 0 1 1 *", 1),
    ];
    let mut world = World::with_limits(1, Weather::default(), schedules, limits);
    world.run_until(seconds(1));
    let first = world.trigger("first").expect("triggered");
    let second = world.trigger("second").expect("triggered");
    world.coming.clear();
    let slow_down = Fault {
        retry_after: Some(Duration::from_secs(100)),
        ..Fault::new(FaultClass::Throttled, "slow down")
    };
    let refused = Report::Submitted {
        attempt: AttemptId {
            run: first.clone(),
            part: 1,
            number: 1,
        },
        outcome: Err(CreateFailure::Refused(slow_down)),
    };
    let turn = world.roster.handle(vec![Input::Report(refused)], world.now);
    world.take(turn);
    world.cancel(&first).expect("cancelled");
    let end = world.now + TimeDelta::seconds(100);
    assert_eq!(
        world.roster.poll_deadline(),
        Some((end, "the hold on creates"))
    );
    world.run_until(end - TimeDelta::seconds(1));
    assert_eq!(world.run(&second).parts[&1].attempts.len(), 0);
    world.run_until(end);
    assert_eq!(world.run(&second).parts[&1].attempts.len(), 1);
}
