//! What settles a state in doubt says, and what it does not.

use super::world::{Weather, World, schedule, start};
use crate::roster::Cause;
use crate::run::RunState;
use chrono::TimeDelta;

/// A new state says that it was reconciled only if there was something to find; a broken one always.
#[test]
fn a_doubt_that_found_nothing_is_settled_in_silence_where_nothing_was_lost() {
    for (cause, lost, told) in [
        (Cause::New, false, 0),
        (Cause::New, true, 1),
        (Cause::Rebuilt, false, 1),
        (Cause::Rebuilt, true, 1),
    ] {
        let mut world = World::new(1, Weather::default(), vec![schedule("one", "0 0 1 1 *", 1)]);
        if lost {
            world.trigger("one").expect("triggered");
            world.run_until(start() + TimeDelta::seconds(2));
            world.kept = super::kept::Kept::default();
        }
        world.coming.clear();
        world.happened.clear();
        world.kept.put_in_doubt(cause, world.now);
        world.restart_at(start() + TimeDelta::seconds(3));
        world.run_until(start() + TimeDelta::minutes(30));
        let reconciled = world.happened.get("reconciled").copied().unwrap_or(0);
        assert_eq!(reconciled, told, "{cause:?}, lost: {lost}");
        assert_eq!(world.count(RunState::Landed), usize::from(lost));
    }
}
