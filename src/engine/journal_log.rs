//! One log line a journalled event: INFO when a state changed, WARN when an attempt was lost, ERROR
//! when a person must act.

use crate::roster::Entry;
use serde_json::Value;

pub(super) fn entry(entry: &Entry) {
    // A flood of callbacks must not cost a text each that nobody reads.
    if is_quiet(entry) && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let text = |name: &str| entry.body.get(name).and_then(Value::as_str);
    let event = text("event").unwrap_or_default();
    let schedule = entry.schedule.as_deref().unwrap_or_default();
    let run = entry.run.as_deref().unwrap_or_default();
    let part = entry.body.get("part").and_then(Value::as_u64);
    let attempt = entry.body.get("attempt").and_then(Value::as_u64);
    let job = text("job_id");
    let detail = detail(&entry.body);
    match event {
        _ if is_quiet(entry) => {
            tracing::debug!(event, schedule, run, part, attempt, job, "{event}{detail}");
        }
        "submit_unsent"
        | "submit_refused"
        | "submit_unanswered"
        | "fetch_broken"
        | "publish_broken"
        | "artifacts_lost"
        | "properties_unknown"
        | "job_absent"
        | "list_broken"
        | "check_broken"
        | "cancel_broken"
        | "cancel_given_up"
        | "status_taken_back"
        | "second_job_seen"
        | "job_ambiguous"
        | "clock_stepped_back"
        | "fires_skipped"
        | "job_unwanted"
        | "contract_drift"
        | "callbacks_silent"
        | "reconciliation_overdue"
        | "schedule_restored"
        | "state_imported"
        | "part_split"
        | "clock_not_set"
        | "notice_given_up" => {
            tracing::warn!(event, schedule, run, part, attempt, job, "{event}{detail}");
        }
        "deadline_passed" | "state_rebuilt" | "state_behind" | "store_refilled"
        | "journal_damaged" | "events_lost" => {
            tracing::error!(event, schedule, run, "{event}{detail}");
        }
        "run_ended" => match text("state") {
            Some("failed") => tracing::error!(event, schedule, run, "{event}{detail}"),
            Some("incomplete") => tracing::warn!(event, schedule, run, "{event}{detail}"),
            _ => tracing::info!(event, schedule, run, "{event}{detail}"),
        },
        _ => tracing::info!(event, schedule, run, part, attempt, job, "{event}{detail}"),
    }
}

/// Events that change no state which a person follows.
fn is_quiet(entry: &Entry) -> bool {
    let quiet = [
        "callback_heard",
        "callbacks_repeated",
        "job_not_found",
        "job_checked",
        "cancel_settled",
        "notice_delivered",
    ];
    let event = entry.body.get("event").and_then(Value::as_str);
    event.is_some_and(|event| quiet.contains(&event))
}

fn detail(body: &Value) -> String {
    let known = ["event", "part", "attempt", "job_id"];
    let Some(fields) = body.as_object() else {
        return String::new();
    };
    fields
        .iter()
        .filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null())
        .fold(String::new(), |text, (name, value)| match value {
            Value::String(word) => text + &format!(" {name}=\"{word}\""),
            other => text + &format!(" {name}={other}"),
        })
}
