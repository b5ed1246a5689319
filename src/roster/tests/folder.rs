//! A landing folder that takes nothing for a while: what waits for it, how long, and what goes first.

use super::edges::seconds;
use super::world::{Weather, World, limits, schedule, start};
use crate::roster::dispatch::Hold;
use crate::roster::{Input, Loaded, Report, Roster};
use crate::run::{Artifact, Fault, FaultClass, RunState};
use chrono::TimeDelta;

/// While the folder takes nothing, what is to be fetched waits for it, and for nothing else.
#[test]
fn downloads_wait_for_the_folder() {
    let mut world = World::new(1, Weather::default(), vec![schedule("one", "0 0 1 1 *", 4)]);
    world.trigger("one").expect("triggered");
    world.run_until(seconds(2));
    let until = seconds(7_200);
    world.roster.landing_hold = Some(Hold {
        until,
        fault: Fault::new(FaultClass::Disk, "full"),
    });
    assert_eq!(world.roster.landing_deadline(), None, "nothing waits");
    world.run_until(seconds(3_600));
    assert!(world.roster.inflight.fetches.is_empty());
    assert_eq!(world.roster.landing_deadline(), Some(until));
    world.run_until(until);
    assert_eq!(world.roster.inflight.fetches.len(), 1, "one goes first");
    assert_eq!(world.roster.landing_deadline(), None);
    world.run_until(until + TimeDelta::minutes(5));
    assert_eq!(world.count(RunState::Landed), 1);
}

/// While the folder is full nothing lands; one goes first after ten seconds, and what it comes to decides.
#[test]
fn a_folder_that_takes_nothing_is_tried_again_after_ten_seconds() {
    let (mut roster, _) = Roster::load(limits(), Loaded::default(), Vec::new(), start());
    let told = |second: i64, class: Option<FaultClass>, roster: &mut Roster| {
        let attempt = "daily.20261102T123000Z.p1.a1".parse().expect("an id");
        let outcome = match class {
            Some(class) => Err(Fault::new(class, "no")),
            None => Ok(Artifact {
                bytes: 1,
                sha256: "00".into(),
                rows: 1,
                path: "raw/one".into(),
            }),
        };
        let report = Report::Fetched { attempt, outcome };
        roster.handle(vec![Input::Report(report)], seconds(second));
    };
    told(0, Some(FaultClass::Transfer), &mut roster);
    assert!(roster.may_land(seconds(0)));
    told(1, Some(FaultClass::Disk), &mut roster);
    assert!(!roster.may_land(seconds(10)) && roster.may_land(seconds(11)));
    told(12, Some(FaultClass::Disk), &mut roster);
    assert!(!roster.may_land(seconds(21)) && roster.may_land(seconds(22)));
    told(13, Some(FaultClass::Transfer), &mut roster);
    assert!(!roster.may_land(seconds(14)));
    told(14, None, &mut roster);
    assert!(roster.may_land(seconds(14)));
}
