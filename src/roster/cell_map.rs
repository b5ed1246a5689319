//! Every cell of a schedule, as the heat map shows it.

use super::{Answer, Refusal, Roster};
use crate::coverage::{CellState, Ledger};
use crate::schedule::{Name, Properties, Window};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// The cells of a schedule within a window, a row a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellMap {
    pub window: Window,
    /// By property.
    pub rows: Vec<CellRow>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellRow {
    pub property: i64,
    pub name: Option<String>,
    /// All days of the window in order, neighbours of one state joined.
    pub spans: Vec<(Window, CellState)>,
}

impl Roster {
    pub(super) fn cell_map(
        &self,
        name: &Name,
        window: Option<Window>,
        now: DateTime<Utc>,
    ) -> Result<Answer, Refusal> {
        let schedule = self.declared(name)?;
        let question = self.question(&schedule, window, now);
        let nothing = Ledger::default();
        let ledger = self.ledgers.get(name).unwrap_or(&nothing);
        let names: BTreeMap<i64, &str> = match &schedule.properties {
            Properties::Listed(list) => {
                let named = list.iter();
                named
                    .filter_map(|property| Some((property.id, property.name.as_deref()?)))
                    .collect()
            }
            Properties::CompSets { .. } | Properties::Accounts(_) => BTreeMap::new(),
        };
        let scope = question.scope();
        let rows = scope.properties.iter().map(|&property| CellRow {
            property,
            name: names.get(&property).map(|name| (*name).to_owned()),
            spans: ledger.states(property, &scope),
        });
        Ok(Answer::CellMap(Box::new(CellMap {
            window: question.window,
            rows: rows.collect(),
        })))
    }
}
