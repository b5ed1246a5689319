//! The words that people, scripts and the journal read, and the ids that travel.

use super::super::*;
use super::lost::publishing;
use super::{planned, published, run, start};
use crate::schedule::Name;
use serde_json::json;

#[test]
fn a_word_on_a_screen_is_the_word_in_the_store() {
    use AttemptState as A;
    use LearnedBy as L;
    use Trigger as T;
    for (trigger, word) in [
        (T::Cron, "cron"),
        (T::Manual, "manual"),
        (T::CatchUp, "catch_up"),
        (T::Backfill, "backfill"),
    ] {
        assert_eq!((trigger.as_str(), json!(trigger)), (word, json!(word)));
    }
    for (by, word) in [
        (L::Callback, "callback"),
        (L::Poll, "poll"),
        (L::Reconcile, "reconcile"),
    ] {
        assert_eq!((by.as_str(), json!(by)), (word, json!(word)));
    }
    for (state, word) in [
        (A::Submitting, "submitting"),
        (A::Unanswered, "unanswered"),
        (A::Exporting, "exporting"),
        (A::Succeeded, "succeeded"),
        (A::Failed, "failed"),
        (A::Refused, "refused"),
        (A::NotFound, "not_found"),
        (A::Cancelled, "cancelled"),
    ] {
        assert_eq!((state.as_str(), json!(state)), (word, json!(word)));
    }
}

#[test]
fn the_states_of_a_run_are_the_contracts_and_three_of_them_are_one() {
    use RunState as R;
    for (state, word, ended) in [
        (R::Queued, "queued", false),
        (R::Resolving, "running", false),
        (R::Running, "running", false),
        (R::Publishing, "running", false),
        (R::Landed, "landed", true),
        (R::Incomplete, "incomplete", true),
        (R::Failed, "failed", true),
        (R::Cancelled, "cancelled", true),
        (R::Skipped, "skipped", true),
    ] {
        assert_eq!((state.as_str(), state.is_terminal()), (word, ended));
    }
}

#[test]
fn the_states_of_a_part_say_whether_a_job_may_be_upstream_and_whether_it_is_over() {
    let at = start();
    let exporting = PartState::Exporting {
        since: at,
        heard: None,
        absent: 0,
    };
    let unanswered = PartState::Unanswered {
        since: at,
        lists: 0,
        look_at: at,
    };
    let fetching = PartState::Fetching {
        broken: 0,
        not_before: at,
    };
    for (state, word, holds, closed) in [
        (PartState::Planned, "planned", false, false),
        (PartState::Resting { until: at }, "resting", false, false),
        (
            PartState::Submitting { since: at },
            "submitting",
            true,
            false,
        ),
        (unanswered, "unanswered", true, false),
        (exporting, "exporting", true, false),
        (fetching, "fetching", false, false),
        (PartState::Fetched, "fetched", false, true),
        (PartState::Abandoned, "abandoned", false, true),
        (PartState::Superseded, "superseded", false, true),
    ] {
        assert_eq!(
            (state.as_str(), state.holds_job(), state.is_closed()),
            (word, holds, closed)
        );
    }
}

#[test]
fn a_job_keeps_the_vendors_word_for_its_status() {
    for word in [
        "submitted",
        "cancelled",
        "failed",
        "succeeded",
        "paused",
        "",
    ] {
        assert_eq!(JobStatus::parse(word).as_str(), word);
    }
    assert_eq!(JobStatus::parse(&"x".repeat(100)).as_str().len(), 80);
}

#[test]
fn an_id_says_what_made_its_run_and_when() {
    let name = Name::parse("daily").expect("a name");
    let at = start() + chrono::TimeDelta::milliseconds(123);
    for (id, origin) in [
        (RunId::of_fire(&name, start()), (Trigger::Cron, start())),
        (RunId::of_trigger(&name, at), (Trigger::Manual, at)),
        (RunId::of_backfill(&name, at, 2), (Trigger::Backfill, at)),
    ] {
        assert_eq!(id.origin(), Some(origin), "{id}");
        assert_eq!(id.schedule(), "daily");
        assert!(RunId::first_of(&name) < id);
    }
    assert_eq!(RunId::first_of(&name).origin(), None);
}

#[test]
fn an_id_is_a_name_a_dot_and_a_short_plain_word() {
    let parsed = |text: &str| text.parse::<RunId>();
    let (longest, too_long) = ("7".repeat(40), "7".repeat(41));
    for moment in ["2", "a-B", &longest] {
        let id = format!("daily.{moment}");
        assert_eq!(parsed(&id).map(String::from).ok(), Some(id));
    }
    for moment in ["", "a.b", "a/b", "a b", "é", &too_long] {
        assert!(parsed(&format!("daily.{moment}")).is_err(), "{moment}");
    }
    for bad in ["", "daily", ".2", "Daily.2", "../daily.2"] {
        assert!(parsed(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_id_is_stored_as_it_is_printed() {
    let name = Name::parse("daily").expect("a name");
    let run = RunId::of_trigger(&name, start());
    let attempt = AttemptId {
        run: run.clone(),
        part: 3,
        number: 2,
    };
    assert_eq!(json!(run), json!("daily.m20261123T120000000Z"));
    assert_eq!(json!(attempt), json!("daily.m20261123T120000000Z.p3.a2"));
    assert_eq!(serde_json::from_value::<RunId>(json!(run)).ok(), Some(run));
    let stored = json!(attempt);
    assert_eq!(serde_json::from_value(stored).ok(), Some(attempt));
    assert!(serde_json::from_value::<AttemptId>(json!("daily")).is_err());
}

#[test]
fn a_run_stores_its_losses_only_if_there_were_any() {
    let mut run = run();
    let losses = |run: &Run| json!(run).get("losses").cloned();
    assert_eq!(losses(&run), None);
    run.losses = 2;
    assert_eq!(losses(&run), Some(json!(2)));
}

#[test]
fn an_incomplete_run_says_what_failed_or_what_the_files_lack() {
    for abandoned in [false, true] {
        let mut run = planned();
        run.state = RunState::Publishing;
        for part in run.parts.values_mut() {
            part.state = PartState::Fetched;
        }
        if abandoned {
            let part = run.parts.get_mut(&2).expect("a part");
            part.state = PartState::Abandoned;
        }
        let published = Box::new(Published {
            reason: Some("2 property-days are in no file".to_owned()),
            ..published(Verdict::Incomplete)
        });
        step(&mut run, &Event::RunPublished { published }, start()).expect("published");
        assert_eq!(run.state, RunState::Incomplete);
        let told = run.reason.as_deref().unwrap_or_default();
        assert_eq!(
            told == "2 property-days are in no file",
            !abandoned,
            "{told}"
        );
        assert!(!told.is_empty());
    }
}

#[test]
fn only_what_was_split_down_to_one_property_is_told_by_it() {
    // A part of its own with one property, and a piece with two.
    for (failed, of) in [(2, None), (1, Some(9))] {
        let mut run = publishing();
        let part = run.parts.get_mut(&failed).expect("a part");
        part.state = PartState::Abandoned;
        part.of = of;
        let published = Box::new(published(Verdict::Incomplete));
        step(&mut run, &Event::RunPublished { published }, start()).expect("published");
        let reason = run.reason.expect("a reason");
        assert!(reason.starts_with("1 of 2 parts failed"), "{reason}");
    }
}

#[test]
fn a_fault_is_its_message() {
    assert_eq!(
        Fault::new(FaultClass::Gone, "no such job").to_string(),
        "no such job"
    );
}
