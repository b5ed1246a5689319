//! What the world's store keeps of every turn.

use crate::coverage::Ledger;
use crate::roster::*;
use crate::run::*;
use crate::schedule::Name;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Default)]
pub struct Kept {
    pub runs: BTreeMap<RunId, Run>,
    pub parts: BTreeMap<(RunId, u32), Part>,
    pub open: BTreeSet<RunId>,
    pub marks: BTreeMap<Name, Mark>,
    pub rosters: BTreeMap<String, std::sync::Arc<Vec<i64>>>,
    pub ledgers: BTreeMap<Name, Ledger>,
    pub excluded: BTreeMap<i64, Exclusion>,
    pub settings: BTreeMap<String, serde_json::Value>,
}

impl Kept {
    pub fn keep(&mut self, saved: Saved) {
        match saved {
            Saved::Run { run, .. } => {
                let mut run = *run;
                run.parts.clear();
                run.properties = std::sync::Arc::default();
                self.runs.insert(run.id.clone(), run);
            }
            Saved::Part { run, part } => {
                self.parts.insert((run, part.number), *part);
            }
            Saved::Files { .. } => {}
            Saved::Opened(run) => drop(self.open.insert(run)),
            Saved::Closed(run) => drop(self.open.remove(&run)),
            Saved::Mark(name, mark) => drop(self.marks.insert(name, *mark)),
            Saved::Roster { hash, ids } => drop(self.rosters.insert(hash, ids)),
            Saved::Coverage {
                schedule,
                property,
                line,
            } => self
                .ledgers
                .entry(schedule)
                .or_default()
                .insert(property, line),
            Saved::Exclusion(property, Some(decision)) => {
                self.excluded.insert(property, decision);
            }
            Saved::Setting { key, value } => match value {
                Some(value) => drop(self.settings.insert(key, value)),
                None => drop(self.settings.remove(&key)),
            },
            Saved::Exclusion(property, None) => drop(self.excluded.remove(&property)),
        }
    }

    /// From now on it may not know all there is.
    pub fn put_in_doubt(&mut self, cause: Cause, since: chrono::DateTime<chrono::Utc>) {
        let doubt = Doubt {
            cause,
            since,
            manifests_read: true,
        };
        self.keep(Saved::Setting {
            key: Doubt::KEY.to_owned(),
            value: serde_json::to_value(doubt).ok(),
        });
    }

    pub fn doubt(&self) -> Option<Doubt> {
        let stored = self.settings.get(Doubt::KEY)?;
        Some(serde_json::from_value(stored.clone()).expect("a doubt"))
    }

    pub fn silent_since(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let stored = self.settings.get(SILENT_SINCE)?;
        Some(serde_json::from_value(stored.clone()).expect("an instant"))
    }

    /// The lists of properties that marks name.
    pub fn lists(
        &self,
        list: impl Fn(&Mark) -> Option<ListName>,
    ) -> BTreeMap<Name, std::sync::Arc<Vec<i64>>> {
        let named = self.marks.iter();
        let named = named.filter_map(|(name, mark)| {
            let ids = self.rosters.get(&list(mark)?.to_string())?;
            Some((name.clone(), ids.clone()))
        });
        named.collect()
    }

    pub fn whole(&self, id: &RunId) -> Run {
        let mut run = self.runs.get(id).cloned().expect("a kept run");
        let parts = self.parts.range((id.clone(), 0)..=(id.clone(), u32::MAX));
        run.parts = parts
            .map(|((_, number), part)| (*number, part.clone()))
            .collect();
        run.properties = self.rosters.get(&run.roster).cloned().unwrap_or_default();
        run
    }
}
