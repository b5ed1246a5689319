//! Data that the checks keep out: what accepts it, and what ends that it is kept.

use super::super::*;
use super::lost::publishing;
use super::{published, start};

fn publish(run: &mut Run, verdict: Verdict) {
    let published = Box::new(published(verdict));
    step(run, &Event::RunPublished { published }, start()).expect("published");
}

fn retry(run: &mut Run, what: Retrial) -> Result<Touched, Ignored> {
    let by = "uid 0".to_owned();
    step(run, &Event::RetriedByOperator { by, what }, start())
}

#[test]
fn only_data_that_is_kept_out_can_be_accepted() {
    let mut run = publishing();
    publish(&mut run, Verdict::Incomplete);
    assert!(matches!(
        retry(&mut run, Retrial::Accept),
        Err(Ignored::OutOfPlace)
    ));
    let mut run = publishing();
    publish(&mut run, Verdict::Quarantined);
    retry(&mut run, Retrial::Accept).expect("accepted");
    let by = "uid 0".to_owned();
    assert_eq!(run.quarantine, Some(Quarantine::Accepted { by }));
    assert_eq!(run.state, RunState::Publishing);
}

#[test]
fn what_a_later_publish_lets_in_is_kept_out_no_longer() {
    for verdict in [Verdict::Landed, Verdict::Incomplete] {
        let mut run = publishing();
        publish(&mut run, Verdict::Quarantined);
        assert_eq!(run.quarantine, Some(Quarantine::Kept));
        retry(&mut run, Retrial::Parts).expect("retried");
        publish(&mut run, verdict);
        assert_eq!(run.quarantine, None);
    }
}
