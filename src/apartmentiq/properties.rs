//! Whose data a schedule means, where it names accounts or comp sets instead of properties.

use super::catalogue::{Catalogue, Reading};
use super::http::{Call, Client};
use super::wire::integer;
use crate::run::{Fault, FaultClass};
use crate::schedule::{Accounts, Properties, Property};
use serde_json::Value;
use std::collections::BTreeMap;

const PER_PAGE: u32 = 100;
/// An endpoint with more pages is not read at all, rather than in part.
const PAGES_MAX: u32 = 200;

/// Sorted by id, each once; a name, once known, stays.
#[derive(Default)]
struct Found(BTreeMap<i64, Option<String>>);

impl Client {
    /// The properties meant, asked of the vendor where they are not listed: sorted by id, each
    /// once, never none.
    pub async fn properties(&self, of: &Properties) -> Result<Vec<Property>, Fault> {
        let mut found = Found::default();
        match of {
            Properties::Listed(listed) => return Ok(listed.clone()),
            Properties::CompSets {
                ids,
                subjects_only: false,
            } => {
                for id in ids {
                    self.members_of_comp_set(*id, &mut found).await?;
                }
            }
            Properties::CompSets {
                ids,
                subjects_only: true,
            } => {
                let accounts = self.account_ids().await?;
                let wanted = |id: i64| ids.contains(&id);
                let seen = self
                    .subjects_of_accounts(&accounts, wanted, &mut found)
                    .await?;
                if let Some(id) = ids.iter().find(|id| !seen.contains(id)) {
                    let words = format!("no account of the credential has the comp set {id}");
                    return Err(Fault::new(FaultClass::Gone, words));
                }
            }
            Properties::Accounts(which) => {
                let accounts = match which {
                    Accounts::All => self.account_ids().await?,
                    Accounts::Ids(ids) => ids.clone(),
                };
                self.subjects_of_accounts(&accounts, |_| true, &mut found)
                    .await?;
            }
        }
        found.into_properties()
    }

    async fn account_ids(&self) -> Result<Vec<i64>, Fault> {
        let accounts = self.all_of(&["accounts"]).await?;
        Ok(accounts.iter().filter_map(id).collect())
    }

    /// The own properties in the wanted comp sets; the answer is the ids of those sets.
    async fn subjects_of_accounts(
        &self,
        accounts: &[i64],
        wanted: impl Fn(i64) -> bool,
        found: &mut Found,
    ) -> Result<Vec<i64>, Fault> {
        let mut seen = Vec::new();
        for account in accounts {
            let sets = self
                .all_of(&["accounts", &account.to_string(), "comp_sets"])
                .await?;
            for set in sets.iter().filter(|set| id(set).is_some_and(&wanted)) {
                seen.extend(id(set));
                let subjects = field(set, "subject_property_ids").and_then(Value::as_array);
                for subject in subjects.into_iter().flatten().filter_map(integer) {
                    found.add(subject, None);
                }
            }
        }
        Ok(seen)
    }

    async fn members_of_comp_set(&self, set: i64, found: &mut Found) -> Result<(), Fault> {
        let set = set.to_string();
        let surveys = self.all_of(&["comp_sets", &set, "market_survey"]).await?;
        for survey in &surveys {
            let members = field(survey, "market_survey_items").and_then(Value::as_array);
            for member in members.into_iter().flatten() {
                found.add_value(member);
            }
        }
        Ok(())
    }

    /// Everything in `data`, over all pages: as many as the answers say there are, else until one is empty or
    /// brings nothing new.
    ///
    /// # Errors
    /// If there are more than `PAGES_MAX`, or fewer entries came than the vendor counts.
    pub(super) async fn all_of(&self, path: &[&str]) -> Result<Vec<Value>, Fault> {
        let place = path.join("/");
        let mut catalogue = Catalogue::default();
        for page in 1..=PAGES_MAX {
            let query = [
                ("page", page.to_string()),
                ("per_page", PER_PAGE.to_string()),
            ];
            let call = Call {
                query: &query,
                ..Call::read("properties", path)
            };
            let reply = self.read(call).await?;
            let body = reply.json()?;
            let read = catalogue.add(page, body);
            match read.ok_or_else(|| reply.nonsense("an answer without data"))? {
                Reading::Over => return catalogue.whole(&place),
                Reading::GoesOn { pages } if pages.is_some_and(|pages| pages > PAGES_MAX) => break,
                Reading::GoesOn { .. } => {}
            }
        }
        let words = format!("more than {PAGES_MAX} pages of {place}");
        Err(Fault::new(FaultClass::Nonsense, words))
    }
}

impl Found {
    fn add(&mut self, id: i64, name: Option<String>) {
        let known = self.0.entry(id).or_default();
        if known.is_none() {
            *known = name;
        }
    }

    fn add_value(&mut self, property: &Value) {
        let name = field(property, "name").or_else(|| field(property, "property_name"));
        if let Some(id) = id(property) {
            self.add(id, name.and_then(Value::as_str).map(str::to_owned));
        }
    }

    fn into_properties(self) -> Result<Vec<Property>, Fault> {
        if self.0.is_empty() {
            let words = "the vendor names no property for this schedule";
            return Err(Fault::new(FaultClass::Nonsense, words));
        }
        let properties = self.0.into_iter();
        let property = |(id, name): (i64, Option<String>)| Property {
            id,
            name: name.map(String::into_boxed_str),
        };
        Ok(properties.map(property).collect())
    }
}

pub(super) fn id(value: &Value) -> Option<i64> {
    integer(value.get("id")?)
}

/// Beside the id, or among the attributes.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value
        .get(name)
        .or_else(|| value.get("attributes")?.get(name))
}
