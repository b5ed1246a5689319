//! What changed between two lists of columns.

use crate::landing::manifest::Column;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;

/// A column whose type is another one now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retyped {
    pub name: String,
    pub before: String,
    pub after: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub added: Vec<Column>,
    pub removed: Vec<Column>,
    pub retyped: Vec<Retyped>,
    /// The same columns in another order.
    #[serde(default)]
    pub moved: bool,
}

impl Difference {
    pub fn between(before: &[Column], after: &[Column]) -> Difference {
        let by_name = |columns: &[Column]| -> HashMap<String, String> {
            let pairs = columns.iter();
            pairs
                .map(|column| (column.name.clone(), column.kind.clone()))
                .collect()
        };
        let (old, new) = (by_name(before), by_name(after));
        let absent = |columns: &[Column], others: &HashMap<String, String>| {
            let lacking = columns.iter();
            let lacking = lacking.filter(|column| !others.contains_key(&column.name));
            lacking.cloned().collect::<Vec<_>>()
        };
        let retyped = after.iter().filter_map(|column| {
            let was = old.get(&column.name)?;
            // All null on one day is no type of its own.
            let same = *was == column.kind || was == "null" || column.kind == "null";
            (!same).then(|| Retyped {
                name: column.name.clone(),
                before: was.clone(),
                after: column.kind.clone(),
            })
        });
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        Difference {
            added: absent(after, &old),
            removed: absent(before, &new),
            retyped: retyped.collect(),
            moved: names(before) != names(after),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.retyped.is_empty()
    }

    /// At most so many columns of each kind, each with its type before and after.
    pub fn named(&self, most: usize) -> Value {
        let columns = |columns: &[Column]| columns[..columns.len().min(most)].to_vec();
        let retyped = &self.retyped[..self.retyped.len().min(most)];
        json!({
            "added": columns(&self.added), "removed": columns(&self.removed), "retyped": retyped,
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() && self.moved {
            return f.write_str("their order");
        }
        let names = |columns: &[Column]| -> Vec<String> {
            let shown = columns.iter().take(10);
            shown.map(|column| column.name.clone()).collect()
        };
        let retyped = self.retyped.iter().take(10);
        let retyped = retyped.map(|column| {
            let Retyped {
                name,
                before,
                after,
            } = column;
            format!("{name}: {before} → {after}")
        });
        let lists = [
            ("added", names(&self.added)),
            ("removed", names(&self.removed)),
            ("retyped", retyped.collect()),
        ];
        let words = lists.iter().filter(|(_, names)| !names.is_empty());
        let words: Vec<String> = words
            .map(|(word, names)| format!("{word} {}", names.join(", ")))
            .collect();
        f.write_str(&words.join("; "))
    }
}
