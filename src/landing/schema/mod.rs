//! The columns of a schedule's files, remembered from run to run in `schema.json`.

mod difference;
mod join;

use super::compose::Found;
use super::disk::Disk;
use super::manifest::Column;
use super::{PublishOrder, layout};
use crate::run::{Check, CheckStatus, Fault, RunId};
use crate::schedule::{Format, Name, SchemaChange};
use chrono::{DateTime, Utc};
use difference::Difference;
use join::{Joined, join};
pub(super) use join::{join_columns, with_field};
use parquet::schema::types::TypePtr;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The name of the check.
pub(super) const CHECK: &str = "schema_change";
/// Columns named in an event; all of them are in `schema.json`.
const NAMED: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    first_seen: DateTime<Utc>,
    last_seen: DateTime<Utc>,
    /// A value other than null was ever in it; until then its type is only a claim.
    #[serde(default = "yes")]
    filled: bool,
}

fn yes() -> bool {
    true
}

/// The last change of the columns, and the run that brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    run: RunId,
    at: DateTime<Utc>,
    difference: Difference,
    before: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KnownSchema {
    schema: String,
    schedule: Name,
    /// As last seen, in the file's order.
    columns: Vec<KnownColumn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
    /// The types of a Parquet file in full, for columns that are null throughout one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parquet: Option<String>,
}

impl KnownSchema {
    /// Types that no value ever proved count as unknown.
    fn proven(&self) -> Vec<Column> {
        let columns = self.columns.iter();
        let proven = |column: &KnownColumn| Column {
            name: column.name.clone(),
            kind: match column.filled {
                true => column.kind.clone(),
                false => "null".to_owned(),
            },
        };
        columns.map(proven).collect()
    }

    /// Columns that never had a value and have one now, with their type.
    fn proven_by(&self, joined: &Joined) -> Vec<Column> {
        let claimed = |column: &&Column| {
            let mut known = self.columns.iter();
            known.any(|known| known.name == column.name && (!known.filled || known.kind == "null"))
        };
        let columns = joined.columns.iter().filter(claimed);
        let filled =
            |column: &&Column| column.kind != "null" && joined.filled.contains(&column.name);
        columns.filter(filled).cloned().collect()
    }
}

fn load(root: &Path, schedule: &Name) -> Option<KnownSchema> {
    let path = layout::meta(root, schedule).join("schema.json");
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A run's columns, against those remembered.
pub(super) struct Comparison {
    /// Of all parts together, each with the type under which it is published.
    pub columns: Vec<Column>,
    /// What the files have become compared with before; empty at the first delivery.
    difference: Difference,
    before: Option<Vec<Column>>,
    /// Columns that hold their first value, with the type that it proves.
    proven: Vec<Column>,
    joined: Joined,
}

/// Joins the columns of all parts and compares them with those of earlier runs.
pub(super) fn compare(
    root: &Path,
    order: &PublishOrder,
    found: &[Found],
) -> Result<Comparison, Fault> {
    let known = load(root, &order.schedule);
    let joined = join(root, order.format, found, known.as_ref())?;
    let columns = joined.columns.clone();
    let proven = known.as_ref().map(|known| known.proven_by(&joined));
    let before = known.map(|known| match &known.changed {
        // A repeat of the publish that changed them.
        Some(changed) if changed.run == order.run => changed.before.clone(),
        _ => known.proven(),
    });
    let difference = match &before {
        Some(before) if !columns.is_empty() => Difference::between(before, &columns),
        _ => Difference::default(),
    };
    Ok(Comparison {
        columns,
        difference,
        before,
        proven: proven.unwrap_or_default(),
        joined,
    })
}

impl Comparison {
    /// The types that a merged Parquet file is to have.
    pub fn model(&self) -> Option<&TypePtr> {
        self.joined.model.as_ref()
    }

    /// Columns that hold their first value in this run, with the type that it proves.
    pub fn proven(&self) -> &[Column] {
        &self.proven
    }

    /// Whether this part's file must be written anew because a column that is null throughout
    /// came under another type.
    pub fn recasts(&self, part: u32) -> bool {
        self.joined.recast.contains(&part)
    }

    /// The journal's event, if columns were added, removed or retyped.
    pub fn event(&self) -> Option<Value> {
        let before = self
            .before
            .as_ref()
            .filter(|_| !self.difference.is_empty())?;
        let mut body = self.difference.named(NAMED);
        body["event"] = json!("schema_changed");
        body["columns_before"] = json!(before.len());
        body["columns_after"] = json!(self.columns.len());
        Some(body)
    }
}

/// The `schema_change` check: the columns against those remembered.
pub(super) fn check(order: &PublishOrder, compared: &Comparison) -> Option<Check> {
    let names = |columns: &[Column]| {
        let names = columns.iter().take(NAMED).map(|column| column.name.clone());
        names.collect::<Vec<_>>()
    };
    if compared.columns.is_empty() {
        return None;
    }
    let changed = &compared.difference;
    let (status, observed, expected) = match &compared.before {
        None => (
            CheckStatus::Pass,
            json!({"columns": compared.columns.len(), "names": names(&compared.columns)}),
            json!("the first delivery"),
        ),
        Some(before) => {
            let status = match order.checks.schema_change {
                _ if changed.is_empty() => CheckStatus::Pass,
                SchemaChange::Accept => CheckStatus::Pass,
                SchemaChange::Notify => CheckStatus::Warn,
                SchemaChange::Reject => CheckStatus::Fail,
            };
            let mut observed = changed.named(NAMED);
            observed["columns"] = json!(compared.columns.len());
            let expected = json!({"columns": before.len(), "names": names(before)});
            (status, observed, expected)
        }
    };
    Some(Check {
        name: CHECK.to_owned(),
        status,
        observed,
        expected,
    })
}

/// Remembers the columns of a published run.
pub(super) fn remember(
    disk: &Disk,
    order: &PublishOrder,
    compared: &Comparison,
) -> Result<(), Fault> {
    if compared.columns.is_empty() {
        return Ok(());
    }
    let before = load(disk.root(), &order.schedule);
    let earlier = |name: &str| {
        before
            .as_ref()?
            .columns
            .iter()
            .find(|known| known.name == name)
    };
    let columns = compared.columns.iter().map(|column| {
        let known = earlier(&column.name);
        let filled = compared.joined.filled.contains(&column.name);
        KnownColumn {
            name: column.name.clone(),
            kind: match known {
                Some(known) if column.kind == "null" => known.kind.clone(),
                _ => column.kind.clone(),
            },
            first_seen: known.map_or(order.at, |known| known.first_seen),
            last_seen: order.at,
            filled: filled || known.is_some_and(|known| known.filled),
        }
    });
    let changed = match &compared.before {
        Some(before) if !compared.difference.is_empty() => Some(Changed {
            run: order.run.clone(),
            at: order.at,
            difference: compared.difference.clone(),
            before: before.clone(),
        }),
        _ => before.as_ref().and_then(|known| known.changed.clone()),
    };
    let schema = KnownSchema {
        schema: "aptiqd.columns/1".to_owned(),
        schedule: order.schedule.clone(),
        columns: columns.collect(),
        changed,
        parquet: match order.format {
            Format::Parquet => compared.model().and_then(join::as_text),
            Format::Csv | Format::Jsonl => None,
        },
    };
    let path = layout::meta(disk.root(), &order.schedule).join("schema.json");
    let staging = layout::staging(disk.root(), &order.run).join("schema.json");
    let text = serde_json::to_vec_pretty(&schema).unwrap_or_default();
    disk.replace(&staging, &path, &text)
}
