//! What a running daemon adds to a plan: exclusions, pauses, and how many properties were listed last where they are
//! asked at fire time.

use super::Context;
use super::console::Console;
use crate::admin::view::{Fire, Properties, Status};
use crate::config;
use crate::schedule::{self, Schedule};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// A plan does not wait longer for what it can do without.
const PATIENCE: Duration = Duration::from_secs(2);

/// Empty without a daemon.
#[derive(Debug, Default)]
pub struct Known {
    /// By schedule, those that an operator excluded left out.
    counts: BTreeMap<String, u64>,
    excluded: BTreeSet<i64>,
    paused: BTreeMap<String, String>,
}

impl Known {
    /// Asks the daemon that runs on the same configuration, if one does.
    pub async fn ask(context: &Context) -> Known {
        let asked = tokio::time::timeout(PATIENCE, read(context)).await;
        asked.ok().flatten().unwrap_or_default()
    }

    /// How many properties a fire asks for; unknown where nobody has asked yet.
    pub fn properties(&self, schedule: &Schedule) -> Option<u64> {
        match &schedule.properties {
            schedule::Properties::Listed(list) => {
                let wanted = list
                    .iter()
                    .filter(|property| !self.excluded.contains(&property.id));
                Some(wanted.count() as u64)
            }
            schedule::Properties::CompSets { .. } | schedule::Properties::Accounts(_) => {
                self.counts.get(schedule.name.as_str()).copied()
            }
        }
    }

    /// Says which of the fires will be skipped.
    pub fn note_paused(&self, fires: &[Fire], console: &Console) {
        for (schedule, reason) in &self.paused {
            if fires.iter().any(|fire| fire.schedule == *schedule) {
                console.note(&format!(
                    "note: {schedule} is paused ({reason}): its fires are skipped\n"
                ));
            }
        }
    }
}

async fn read(context: &Context) -> Option<Known> {
    let client = context.client().await.ok()?;
    let status: Status = client.read("/api/v1/status").await.ok()?;
    let ours = config::locate(context.config.as_deref()).ok()?;
    if !is_same(Path::new(status.config.path.as_deref()?), &ours) {
        return None;
    }
    let properties: Properties = client.read("/api/v1/properties").await.ok()?;
    let mut known = Known::default();
    for property in properties.properties {
        if property.excluded.is_some() {
            known.excluded.insert(property.id);
            continue;
        }
        for schedule in property.schedules {
            *known.counts.entry(schedule).or_default() += 1;
        }
    }
    let paused = status.schedules.into_iter();
    known.paused = paused
        .filter_map(|schedule| Some((schedule.name, schedule.paused?.reason)))
        .collect();
    Some(known)
}

/// The daemon's path may be relative to its own folder; then the same relative path is taken for the same file.
fn is_same(theirs: &Path, ours: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok();
    theirs == ours || whole(theirs).is_some_and(|theirs| whole(ours) == Some(theirs))
}
