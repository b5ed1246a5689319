//! The columns of a schedule's files, remembered from run to run in `schema.json`.

use super::disk::Disk;
use super::inspect::{Facts, content};
use super::manifest::Column;
use super::{Landing, PublishOrder, layout};
use crate::run::{Check, CheckStatus, Fault};
use crate::schedule::{Format, Name, SchemaChange};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs;
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    first_seen: DateTime<Utc>,
    last_seen: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownSchema {
    schema: String,
    schedule: Name,
    /// As last seen, in the file's order.
    columns: Vec<KnownColumn>,
}

impl Landing {
    /// The columns that the schedule's files last had; `None` before its first file.
    pub fn known_columns(&self, schedule: &Name) -> Option<Vec<Column>> {
        let known = load(&self.inner.settings.root, schedule)?;
        let columns = known.columns.into_iter().map(|column| Column {
            name: column.name,
            kind: column.kind,
        });
        Some(columns.collect())
    }
}

fn load(root: &Path, schedule: &Name) -> Option<KnownSchema> {
    let path = layout::meta(root, schedule).join("schema.json");
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The columns of all parts together, in the order they are first seen. Parquet files must agree in
/// the types of those they share to become one file.
pub(super) fn joined(format: Format, parts: &[&Facts]) -> Result<Vec<Column>, Fault> {
    let mut joined: Vec<Column> = Vec::new();
    // A part without rows has nothing to merge, whatever its header says.
    for facts in parts.iter().filter(|facts| facts.rows > 0) {
        if joined.is_empty() {
            joined.clone_from(&facts.columns);
        } else if joined != facts.columns {
            let changed = Difference::between(&joined, &facts.columns);
            if format == Format::Parquet && !changed.retyped.is_empty() {
                return Err(content(format!(
                    "parts of one run differ in columns: {changed}"
                )));
            }
            join_columns(&mut joined, &facts.columns);
        }
    }
    Ok(joined)
}

/// A column that was null throughout takes the type that another part gives it.
fn join_kind(a: &str, b: &str) -> String {
    match (a, b) {
        (a, b) if a == b => a.to_owned(),
        ("null", kind) | (kind, "null") => kind.to_owned(),
        ("int", "float") | ("float", "int") => "float".to_owned(),
        _ => "mixed".to_owned(),
    }
}

/// Adds columns that are new, and gives one that was null throughout its type.
pub(super) fn join_columns(joined: &mut Vec<Column>, more: &[Column]) {
    for column in more {
        match joined.iter_mut().find(|known| known.name == column.name) {
            Some(known) => known.kind = join_kind(&known.kind, &column.kind),
            None => joined.push(column.clone()),
        }
    }
}

/// What changed between two lists of columns.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    added: Vec<String>,
    removed: Vec<String>,
    retyped: Vec<String>,
    moved: bool,
}

impl Difference {
    fn between(before: &[Column], after: &[Column]) -> Difference {
        let find = |columns: &[Column], name: &str| {
            columns
                .iter()
                .find(|column| column.name == name)
                .map(|column| column.kind.clone())
        };
        let absent = |columns: &[Column], others: &[Column]| {
            let names = columns.iter().map(|column| column.name.clone());
            names.filter(|name| find(others, name).is_none()).collect()
        };
        let retyped = after.iter().filter_map(|column| {
            let was = find(before, &column.name)?;
            // All null on one day is no type of its own.
            let same = was == column.kind || was == "null" || column.kind == "null";
            (!same).then(|| format!("{}: {was} → {}", column.name, column.kind))
        });
        Difference {
            added: absent(after, before),
            removed: absent(before, after),
            retyped: retyped.collect(),
            moved: before
                .iter()
                .map(|c| &c.name)
                .ne(after.iter().map(|c| &c.name)),
        }
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.retyped.is_empty()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() && self.moved {
            return f.write_str("their order");
        }
        let lists = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("retyped", &self.retyped),
        ];
        let words: Vec<String> = lists
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(word, names)| {
                let shown: Vec<&str> = names.iter().take(10).map(String::as_str).collect();
                format!("{word} {}", shown.join(", "))
            })
            .collect();
        f.write_str(&words.join("; "))
    }
}

/// The `schema` check: the columns against those remembered.
pub(super) fn check(root: &Path, order: &PublishOrder, columns: &[Column]) -> Check {
    let names = |columns: &[Column]| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let known = load(root, &order.schedule).map(|known| {
        let columns = known.columns.into_iter();
        columns
            .map(|c| Column {
                name: c.name,
                kind: c.kind,
            })
            .collect::<Vec<_>>()
    });
    let (status, observed, expected) = match known {
        _ if columns.is_empty() => (
            CheckStatus::Pass,
            json!("no columns delivered"),
            json!(null),
        ),
        None => (
            CheckStatus::Pass,
            json!({"columns": names(columns)}),
            json!("the first delivery"),
        ),
        Some(known) => {
            let changed = Difference::between(&known, columns);
            let observed = json!({
                "added": changed.added, "removed": changed.removed, "retyped": changed.retyped,
            });
            let status = match order.checks.schema_change {
                _ if changed.is_empty() => CheckStatus::Pass,
                SchemaChange::Accept => CheckStatus::Pass,
                SchemaChange::Notify => CheckStatus::Warn,
                SchemaChange::Reject => CheckStatus::Fail,
            };
            (status, observed, json!({"columns": names(&known)}))
        }
    };
    Check {
        name: "schema".to_owned(),
        status,
        observed,
        expected,
    }
}

/// Remembers the columns of a published run.
pub(super) fn remember(disk: &Disk, order: &PublishOrder, columns: &[Column]) -> Result<(), Fault> {
    if columns.is_empty() {
        return Ok(());
    }
    let before = load(disk.root(), &order.schedule);
    let earlier = |name: &str| {
        let known = before
            .as_ref()?
            .columns
            .iter()
            .find(|known| known.name == name)?;
        Some(known.clone())
    };
    let columns = columns.iter().map(|column| {
        let known = earlier(&column.name);
        KnownColumn {
            name: column.name.clone(),
            kind: match &known {
                Some(known) if column.kind == "null" => known.kind.clone(),
                _ => column.kind.clone(),
            },
            first_seen: known.map_or(order.at, |known| known.first_seen),
            last_seen: order.at,
        }
    });
    let schema = KnownSchema {
        schema: "aptiqd.columns/1".to_owned(),
        schedule: order.schedule.clone(),
        columns: columns.collect(),
    };
    let path = layout::meta(disk.root(), &order.schedule).join("schema.json");
    let staging = layout::staging(disk.root(), &order.run).join("schema.json");
    let text = serde_json::to_vec_pretty(&schema).unwrap_or_default();
    disk.replace(&staging, &path, &text)
}
