//! What the journal keeps of every event.

use super::super::*;
use super::{job, planned, published, start};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One of every kind, with what the journal keeps of it beside its name, part and attempt.
fn events() -> Vec<(Event, Value)> {
    let (part, attempt, at) = (2, 3, start());
    let fault = || Fault::new(FaultClass::Throttled, "slow down");
    let told = json!({"class": "throttled", "error": "slow down"});
    let parts = planned().parts.into_values().collect::<Vec<_>>();
    let properties = planned().properties;
    let id = || "job-1".to_owned();
    let seen = || job(1, JobStatus::Failed);
    let published = Published {
        reason: Some("one is missing".into()),
        rows: 7,
        bytes: 70,
        missing: vec![CellSpan {
            property: 1,
            from: at.date_naive(),
            to: at.date_naive(),
        }],
        ..published(Verdict::Incomplete)
    };
    vec![
        (Event::Started, json!({})),
        (
            Event::Planned {
                properties: properties.clone(),
                roster: "r".into(),
                parts: parts.clone(),
            },
            json!({"properties": 3, "roster": "r", "parts": 2}),
        ),
        (Event::PropertiesUnknown { fault: fault() }, told.clone()),
        (
            Event::Replanned {
                parts: parts.clone(),
                because: fault(),
            },
            json!({"parts": 2, "reason": "slow down"}),
        ),
        (
            Event::Widened {
                properties,
                roster: "r".into(),
                parts,
                because: fault(),
            },
            json!({"properties": 3, "roster": "r", "parts": 2, "reason": "slow down"}),
        ),
        (Event::SubmitStarted { part, attempt }, json!({})),
        (
            Event::SubmitAccepted {
                part,
                attempt,
                job: seen(),
            },
            json!({"job_id": "job-1", "status": "failed"}),
        ),
        (
            Event::SubmitFailed {
                part,
                attempt,
                failure: CreateFailure::Unsent(fault()),
            },
            told.clone(),
        ),
        (
            Event::SubmitFailed {
                part,
                attempt,
                failure: CreateFailure::Refused(fault()),
            },
            told.clone(),
        ),
        (
            Event::SubmitFailed {
                part,
                attempt,
                failure: CreateFailure::Unanswered(fault()),
            },
            told.clone(),
        ),
        (
            Event::JobFound {
                part,
                attempt,
                job: seen(),
                extra: Vec::new(),
            },
            json!({"job_id": "job-1", "status": "failed"}),
        ),
        (
            Event::JobNotFound {
                part,
                attempt,
                asked_at: at,
            },
            json!({}),
        ),
        (
            Event::CallbackHeard {
                part,
                attempt,
                count: 5,
            },
            json!({"count": 5}),
        ),
        (
            Event::JobChecked {
                part,
                attempt,
                job: seen(),
                by: LearnedBy::Poll,
                asked_at: at,
            },
            json!({
                "job_id": "job-1", "status": "failed", "learned_by": "poll",
                "error_message": "words of the vendor",
            }),
        ),
        (
            Event::JobAbsent {
                part,
                attempt,
                fault: fault(),
            },
            told.clone(),
        ),
        (
            Event::SecondJobSeen {
                part,
                attempt,
                job_id: id(),
            },
            json!({"job_id": "job-1"}),
        ),
        (
            Event::JobUnwanted {
                part,
                attempt,
                job_id: id(),
            },
            json!({"job_id": "job-1"}),
        ),
        (
            Event::ArtifactFetched {
                part,
                attempt,
                artifact: Artifact {
                    bytes: 70,
                    sha256: "00".into(),
                    rows: 7,
                    path: "raw".into(),
                },
            },
            json!({"bytes": 70, "sha256": "00", "rows": 7}),
        ),
        (
            Event::FetchBroken {
                part,
                attempt,
                fault: fault(),
            },
            told.clone(),
        ),
        (
            Event::RunPublished {
                published: Box::new(published),
            },
            json!({
                "verdict": "incomplete", "reason": "one is missing", "files": 0,
                "rows": 7, "bytes": 70, "missing": 1,
            }),
        ),
        (Event::PublishBroken { fault: fault() }, told),
        (
            Event::ArtifactsLost {
                parts: (1..=30).collect(),
            },
            json!({"parts": 30, "first": (1..=20).collect::<Vec<_>>()}),
        ),
        (
            Event::CancelSettled {
                part,
                attempt,
                job_id: id(),
                outcome: "gone".into(),
            },
            json!({"job_id": "job-1", "outcome": "gone"}),
        ),
        (
            Event::CancelBroken {
                part,
                attempt,
                job_id: id(),
                fault: fault(),
            },
            json!({"job_id": "job-1", "class": "throttled", "error": "slow down"}),
        ),
        (Event::DeadlinePassed, json!({})),
        (
            Event::CancelledByOperator {
                reason: "enough".into(),
            },
            json!({"reason": "enough"}),
        ),
        (
            Event::RetriedByOperator {
                by: "ann".into(),
                what: Retrial::Parts,
            },
            json!({"by": "ann"}),
        ),
        (
            Event::RetriedByOperator {
                by: "ann".into(),
                what: Retrial::Accept,
            },
            json!({"by": "ann", "accept": true}),
        ),
        (Event::CredentialChanged, json!({})),
        (
            Event::ClockSetBack {
                by: chrono::TimeDelta::seconds(90),
            },
            json!({"seconds": 90}),
        ),
    ]
}

#[test]
fn the_journal_keeps_of_every_event_what_is_needed_to_understand_it() {
    let mut names = BTreeSet::new();
    for (event, mut kept) in events() {
        let body = event.body();
        let fields = kept.as_object_mut().expect("an object");
        fields.insert("event".into(), json!(event.name()));
        if body.get("attempt").is_some() {
            fields.extend([
                ("part".to_owned(), json!(2)),
                ("attempt".to_owned(), json!(3)),
            ]);
        }
        assert_eq!(body, kept);
        names.insert(event.name());
    }
    // Two retrials share a name; all others have one each.
    assert_eq!(names.len(), events().len() - 1);
    let about: Vec<&str> = events()
        .iter()
        .filter(|(event, _)| event.about().is_some())
        .map(|(event, _)| event.name())
        .collect();
    assert_eq!(
        about,
        [
            "submit_started",
            "submit_accepted",
            "submit_unsent",
            "submit_refused",
            "submit_unanswered",
            "job_found",
            "job_not_found",
            "callback_heard",
            "job_checked",
            "job_absent",
            "second_job_seen",
            "job_unwanted",
            "artifact_fetched",
            "fetch_broken",
            "cancel_settled",
            "cancel_broken",
        ]
    );
}
