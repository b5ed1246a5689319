//! The events of the journal that notices come from.

use crate::run::{Run, RunId};
use crate::schedule::Name;
use crate::store::{Sequence, StoredEvent};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// An event that may be worth a notice.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub sequence: Sequence,
    pub at: DateTime<Utc>,
    pub fact: Fact,
}

#[derive(Clone, Debug)]
pub(super) enum Fact {
    Started {
        schedule: Name,
        run: RunId,
    },
    /// The run as it is stored now; a retry may have opened it again meanwhile.
    Ended {
        run: Box<Run>,
    },
}

/// What an event says; a run that ended is yet to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Started(Name, RunId),
    Ended(RunId),
    /// Callbacks have fallen silent, or are back.
    Callbacks,
}

pub(super) fn said(event: &StoredEvent) -> Option<Said> {
    let body = &event.entry.body;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let run = || event.entry.run.as_deref()?.parse::<RunId>().ok();
    match text("event")? {
        "run_started" => {
            let run = run()?;
            Some(Said::Started(Name::parse(run.schedule()).ok()?, run))
        }
        "run_ended" => run().map(Said::Ended),
        "callbacks_silent" | "callbacks_back" => Some(Said::Callbacks),
        _ => None,
    }
}
