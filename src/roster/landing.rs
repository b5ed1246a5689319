//! The landing folder as a whole: while it cannot be written, downloads and publishes wait together,
//! and one goes first. Jobs go on.

use super::dispatch::Hold;
use super::{Entry, Roster, Turn};
use crate::run::{Fault, FaultClass, RunId};
use crate::schedule::Name;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// How long landing pauses before it is tried again.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

impl Roster {
    /// Whether a download or a publish may begin.
    pub(super) fn may_land(&self, now: DateTime<Utc>) -> bool {
        self.landing_hold.as_ref().is_none_or(|hold| {
            let nobody = self.inflight.fetches.is_empty() && self.inflight.publishes.is_empty();
            now >= hold.until && nobody
        })
    }

    /// When landing is to be tried again, if something waits for it.
    pub(super) fn landing_deadline(&self) -> Option<DateTime<Utc>> {
        let waits = !self.queues.fetch.is_empty() || !self.queues.publish.is_empty();
        let nobody = self.inflight.fetches.is_empty() && self.inflight.publishes.is_empty();
        let hold = self.landing_hold.as_ref();
        hold.filter(|_| waits && nobody).map(|hold| hold.until)
    }

    /// Remembers whether files name the days of their rows: parts of more than one day rest on it.
    pub(super) fn note_named_days(&mut self, id: &RunId, names_days: Option<bool>) {
        let Some(names_days) = names_days else { return };
        let Ok(name) = Name::parse(id.schedule()) else {
            return;
        };
        if let Some(mark) = self.marks.get_mut(&name)
            && mark.one_day_parts == names_days
        {
            mark.one_day_parts = !names_days;
            self.touch_mark(&name);
        }
    }

    /// What came of a download or a publish, as far as it tells of the folder.
    pub(super) fn heard_of_landing(
        &mut self,
        fault: Option<&Fault>,
        now: DateTime<Utc>,
        turn: &mut Turn,
    ) {
        match fault {
            Some(fault) if fault.class == FaultClass::Disk => {
                if self.landing_hold.is_none() {
                    let body = json!({"event": "landing_paused", "reason": fault.message});
                    tell(body, turn);
                }
                self.landing_hold = Some(Hold {
                    until: now + PAUSE,
                    fault: fault.clone(),
                });
            }
            // Another failure says nothing about the folder.
            Some(_) => {}
            None => {
                if self.landing_hold.take().is_some() {
                    tell(json!({"event": "landing_resumed"}), turn);
                }
            }
        }
    }
}

fn tell(body: Value, turn: &mut Turn) {
    turn.entries.push(Entry {
        schedule: None,
        run: None,
        body,
    });
}
