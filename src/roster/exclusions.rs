//! Properties that an operator left out, and the properties there are.

use super::{Answer, Entry, Mode, Refusal, Roster, Saved, Turn};
use crate::schedule::{Name, Properties};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Why new runs leave a property out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    pub reason: String,
    pub by: String,
    pub since: DateTime<Utc>,
}

/// A property as the roster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyNow {
    pub id: i64,
    /// From a declaration, for people.
    pub name: Option<String>,
    /// That export it.
    pub schedules: Vec<Name>,
    pub excluded: Option<Exclusion>,
}

impl Roster {
    pub(super) fn exclude(
        &mut self,
        property: i64,
        exclusion: Exclusion,
        mode: Mode,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        if let Some(known) = self.excluded.get(&property) {
            let message = format!("{property} is excluded already: {}", known.reason);
            return Err(Refusal::Conflict { message, run: None });
        }
        if mode == Mode::Act {
            let body = json!({
                "event": "property_excluded", "property": property,
                "reason": exclusion.reason, "by": exclusion.by,
            });
            turn.entries.push(note(body));
            turn.saved
                .push(Saved::Exclusion(property, Some(exclusion.clone())));
            self.excluded.insert(property, exclusion.clone());
        }
        let mut now = self.property(property);
        now.excluded = Some(exclusion);
        Ok(Answer::Properties(vec![now]))
    }

    pub(super) fn include(
        &mut self,
        property: i64,
        reason: Option<String>,
        by: &str,
        mode: Mode,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        if !self.excluded.contains_key(&property) {
            let message = format!("{property} is not excluded");
            return Err(Refusal::Conflict { message, run: None });
        }
        if mode == Mode::Act {
            let body = json!({
                "event": "property_included", "property": property, "reason": reason, "by": by,
            });
            turn.entries.push(note(body));
            turn.saved.push(Saved::Exclusion(property, None));
            self.excluded.remove(&property);
            self.meet_included();
        }
        let mut now = self.property(property);
        now.excluded = None;
        Ok(Answer::Properties(vec![now]))
    }

    fn property(&self, id: i64) -> PropertyNow {
        let all = self.properties();
        let known = all.into_iter().find(|property| property.id == id);
        known.unwrap_or(PropertyNow {
            id,
            ..PropertyNow::default()
        })
    }

    /// Every property that a schedule exports, or that is excluded, by id.
    pub(super) fn properties(&self) -> Vec<PropertyNow> {
        let mut all: BTreeMap<i64, PropertyNow> = BTreeMap::new();
        for (name, known) in &self.schedules {
            for &id in self.properties_now(&known.schedule).iter() {
                all.entry(id).or_default().schedules.push(name.clone());
            }
            if let Properties::Listed(list) = &known.schedule.properties {
                for property in list.iter().filter(|property| property.name.is_some()) {
                    let name = property.name.as_deref().map(str::to_owned);
                    all.entry(property.id).or_default().name = name;
                }
            }
        }
        for (id, exclusion) in &self.excluded {
            all.entry(*id).or_default().excluded = Some(exclusion.clone());
        }
        let with_id = |(id, property)| PropertyNow { id, ..property };
        all.into_iter().map(with_id).collect()
    }
}

fn note(body: serde_json::Value) -> Entry {
    Entry {
        schedule: None,
        run: None,
        body,
    }
}
