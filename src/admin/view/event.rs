//! What happened, as the journal holds it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// Its number in the journal: from 1, without gaps; what `Last-Event-ID` carries.
    pub sequence: u64,
    pub at: DateTime<Utc>,
    pub event: String,
    pub schedule: Option<String>,
    pub run: Option<String>,
    /// What else is known of it; its fields depend on `event`.
    pub detail: serde_json::Value,
}

/// `events`: oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Events {
    pub schema: String,
    pub events: Vec<Event>,
}

impl Events {
    pub fn new(events: Vec<Event>) -> Events {
        let schema = "aptiqd.events/1".to_owned();
        Events { schema, events }
    }
}

impl From<crate::store::StoredEvent> for Event {
    fn from(stored: crate::store::StoredEvent) -> Event {
        let mut detail = stored.entry.body;
        let name = detail
            .as_object_mut()
            .and_then(|fields| fields.remove("event"));
        Event {
            sequence: stored.sequence,
            at: stored.at,
            event: match name {
                Some(serde_json::Value::String(name)) => name,
                _ => "unknown".to_owned(),
            },
            schedule: stored.entry.schedule,
            run: stored.entry.run,
            detail,
        }
    }
}
