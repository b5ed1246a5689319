//! Raw files that are gone before their run is published, and results that cannot be had.

use super::super::*;
use super::rules::{accepted, broken, succeeded};
use super::{job, planned, start};

/// A run of two parts, both fetched, that is about to publish.
pub(super) fn publishing() -> Run {
    let mut run = planned();
    for part in [1, 2] {
        accepted(&mut run, part, u8::try_from(part).expect("a small number"));
        let mut job = job(
            u8::try_from(part).expect("a small number"),
            JobStatus::Succeeded,
        );
        job.error_message = None;
        let event = Event::JobChecked {
            part,
            attempt: 1,
            job,
            by: LearnedBy::Poll,
            asked_at: start(),
        };
        step(&mut run, &event, start()).expect("ended");
        fetched(&mut run, part);
    }
    assert_eq!(run.state, RunState::Publishing);
    run
}

fn fetched(run: &mut Run, part: u32) {
    let artifact = Artifact {
        bytes: 1,
        sha256: "aa".into(),
        rows: 1,
        path: "raw/x".into(),
    };
    let event = Event::ArtifactFetched {
        part,
        attempt: 1,
        artifact,
    };
    step(run, &event, start()).expect("fetched");
}

/// Another download, never another job while the first one's result can be had.
#[test]
fn lost_artifacts_are_downloaded_again_and_not_without_end() {
    let mut run = publishing();
    let lost = Event::ArtifactsLost { parts: vec![2, 9] };
    for _ in 0..3 {
        let touched = step(&mut run, &lost, start()).expect("lost");
        assert_eq!(touched.parts, std::collections::BTreeSet::from([2]));
        assert_eq!(run.state, RunState::Running);
        assert_eq!(run.parts[&1].state, PartState::Fetched);
        let next = next_part(&run, &run.parts[&2], None, start());
        assert_eq!(next, NextPart::Fetch);
        assert_eq!(run.parts[&2].attempts.len(), 1);
        fetched(&mut run, 2);
        assert_eq!(run.state, RunState::Publishing);
    }
    step(&mut run, &lost, start()).expect("lost");
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(step(&mut run, &lost, start()), Err(Ignored::OutOfPlace));
    let retried = Event::RetriedByOperator {
        by: "uid 0".into(),
        what: Retrial::Parts,
    };
    step(&mut run, &retried, start()).expect("retried");
    step(&mut run, &lost, start()).expect("lost");
    assert_eq!(run.state, RunState::Running);
}

/// Numbers of parts that are not fetched change nothing and cannot be told for ever.
#[test]
fn losses_of_no_part_end_as_well() {
    let mut run = publishing();
    let lost = Event::ArtifactsLost { parts: vec![9] };
    for _ in 0..3 {
        step(&mut run, &lost, start()).expect("told");
        assert_eq!(run.state, RunState::Publishing);
        assert!(run.not_before > start());
    }
    step(&mut run, &lost, start()).expect("told");
    assert_eq!(run.state, RunState::Failed);
}

/// What a person looked at and accepted cannot be replaced by another download.
#[test]
fn accepted_files_that_are_gone_end_the_run() {
    let mut run = publishing();
    run.quarantine = Some(Quarantine::Accepted { by: "uid 0".into() });
    let lost = Event::ArtifactsLost { parts: vec![1] };
    step(&mut run, &lost, start()).expect("lost");
    assert_eq!(run.state, RunState::Failed);
    assert!(run.reason.expect("a reason").contains("accepted"));
}

/// It may be a feature or a right that is missing, or a whim: asked again a few times, and no other job for it.
#[test]
fn a_forbidden_result_is_asked_for_again_and_costs_no_job() {
    let mut run = planned();
    succeeded(&mut run, 1, 1);
    let tries = run.terms.retry.attempts;
    for _ in 1..tries {
        assert_eq!(broken(&mut run, FaultClass::Forbidden, start()), "fetching");
    }
    assert_eq!(
        broken(&mut run, FaultClass::Forbidden, start()),
        "abandoned"
    );
    assert_eq!(run.parts[&1].attempts.len(), 1);
}

#[test]
fn a_result_gone_for_good_or_wrong_twice_costs_a_job() {
    let mut run = planned();
    succeeded(&mut run, 1, 1);
    for _ in 1..10 {
        assert_eq!(broken(&mut run, FaultClass::Gone, start()), "fetching");
    }
    assert_eq!(broken(&mut run, FaultClass::Gone, start()), "resting");

    let mut run = planned();
    succeeded(&mut run, 1, 1);
    assert_eq!(broken(&mut run, FaultClass::Content, start()), "fetching");
    assert_eq!(broken(&mut run, FaultClass::Transfer, start()), "fetching");
    assert_eq!(broken(&mut run, FaultClass::Content, start()), "fetching");
    assert_eq!(broken(&mut run, FaultClass::Content, start()), "resting");
}
