//! A callback is a hint that stays until a read begun after it has answered it.

use super::super::*;
use super::rules::accepted;
use super::waits::{checked, later, set_back};
use super::{job, planned, start};
use chrono::{DateTime, Utc};

fn heard_of(run: &Run) -> Option<DateTime<Utc>> {
    match run.parts[&1].state {
        PartState::Exporting { heard, .. } => heard,
        _ => panic!("{:?}", run.parts[&1].state),
    }
}

#[test]
fn a_callback_is_answered_by_a_read_begun_after_it() {
    let mut run = planned();
    accepted(&mut run, 1, 1);
    let submitted = || JobStatus::Submitted;
    assert_eq!(
        checked(&mut run, submitted(), later(1)),
        Err(Ignored::Known),
        "nothing is new"
    );
    let heard = Event::CallbackHeard {
        part: 1,
        attempt: 1,
        count: 1,
    };
    step(&mut run, &heard, later(10)).expect("heard");
    assert_eq!(run.parts[&1].attempts[0].heard_at, Some(later(10)));
    assert_eq!(
        checked(&mut run, submitted(), later(9)),
        Err(Ignored::Known),
        "begun before it"
    );
    assert_eq!(heard_of(&run), Some(later(10)));
    // A second callback moves the wait, not the first sighting; the same instant again is nothing new.
    step(&mut run, &heard, later(12)).expect("heard");
    assert_eq!(step(&mut run, &heard, later(12)), Err(Ignored::Known));
    assert_eq!(run.parts[&1].attempts[0].heard_at, Some(later(10)));
    checked(&mut run, submitted(), later(11)).expect_err("begun before the second");
    checked(&mut run, submitted(), later(12)).expect("answered");
    assert_eq!(heard_of(&run), None);
}

/// One that comes while the create is still unanswered is not lost behind an earlier one.
#[test]
fn the_latest_of_several_early_callbacks_is_still_to_be_answered() {
    let heard = Event::CallbackHeard {
        part: 1,
        attempt: 1,
        count: 1,
    };
    for unanswered in [false, true] {
        let mut run = planned();
        let started = Event::SubmitStarted {
            part: 1,
            attempt: 1,
        };
        step(&mut run, &started, start()).expect("started");
        if unanswered {
            let fault = Fault::new(FaultClass::Unanswered, "reset");
            let failed = Event::SubmitFailed {
                part: 1,
                attempt: 1,
                failure: CreateFailure::Unanswered(fault),
            };
            step(&mut run, &failed, later(1)).expect("unanswered");
        }
        step(&mut run, &heard, later(2)).expect("heard");
        step(&mut run, &heard, later(4)).expect("heard again");
        assert_eq!(step(&mut run, &heard, later(4)), Err(Ignored::Known));
        set_back(&mut run, 1, later(3));
        let found = Event::JobFound {
            part: 1,
            attempt: 1,
            job: job(1, JobStatus::Submitted),
            extra: Vec::new(),
        };
        step(&mut run, &found, later(5)).expect("found");
        assert_eq!(heard_of(&run), Some(later(3)));
        assert_eq!(run.parts[&1].attempts[0].heard_at, Some(later(2)));
        checked(&mut run, JobStatus::Submitted, later(2)).expect_err("begun before the second");
        checked(&mut run, JobStatus::Submitted, later(3)).expect("answered");
        assert_eq!(heard_of(&run), None);
    }
}
