//! What was told and what is on its way, as the store keeps it: one small record each.

use super::condition::Subject;
use super::notice::{Kind, Level, Notice};
use crate::schedule::Name;
use crate::store::Sequence;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Notices on their way at once; beyond that the oldest are given up.
pub(super) const PENDING_MAX: usize = 256;

/// That something is ill, and when it was last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub kind: Kind,
    pub level: Level,
    pub since: DateTime<Utc>,
    pub told_at: DateTime<Utc>,
    pub repeats: u32,
}

/// How a schedule's backfills have gone so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Backfilled {
    pub landed: u32,
    pub incomplete: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub rows: u64,
}

/// A notice and who has yet to get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub notice: Notice,
    pub to: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// Every event up to here was looked at; `None` before the first look.
    pub heard_through: Option<Sequence>,
    pub told: BTreeMap<Subject, Told>,
    pub backfills: BTreeMap<Name, Backfilled>,
    /// By the notice's id.
    pub pending: BTreeMap<String, Pending>,
}

/// Records by key.
pub(super) type Records = BTreeMap<String, Value>;

impl Memory {
    pub fn records(&self) -> Records {
        let mut records = Records::new();
        if let Some(sequence) = self.heard_through {
            records.insert("heard".to_owned(), json!(sequence));
        }
        for (subject, told) in &self.told {
            records.insert(format!("told/{}", subject.key()), json!(told));
        }
        for (name, so_far) in &self.backfills {
            records.insert(format!("backfill/{name}"), json!(so_far));
        }
        for (id, pending) in &self.pending {
            records.insert(format!("pending/{id}"), json!(pending));
        }
        records
    }

    /// A record of another aptiqd that cannot be read is as good as none: at worst something is told twice.
    pub fn of(records: &Records) -> Memory {
        let mut memory = Memory {
            heard_through: records.get("heard").and_then(Value::as_u64),
            ..Memory::default()
        };
        for (key, value) in records {
            memory.take(key, value);
        }
        memory
    }

    fn take(&mut self, key: &str, value: &Value) -> Option<()> {
        let (what, name) = key.split_once('/')?;
        match what {
            "told" => {
                let told = Told::deserialize(value).ok()?;
                self.told.insert(Subject::parse(name)?, told);
            }
            "backfill" => {
                let so_far = Backfilled::deserialize(value).ok()?;
                self.backfills.insert(Name::parse(name).ok()?, so_far);
            }
            "pending" => {
                let pending = Pending::deserialize(value).ok()?;
                self.pending.insert(name.to_owned(), pending);
            }
            _ => {}
        }
        Some(())
    }

    /// The oldest that are too many, taken out.
    pub fn overflow(&mut self) -> Vec<Pending> {
        let excess = self.pending.len().saturating_sub(PENDING_MAX);
        let mut oldest: Vec<(DateTime<Utc>, String)> = self
            .pending
            .values()
            .map(|pending| (pending.notice.at, pending.notice.id.clone()))
            .collect();
        oldest.sort_unstable();
        let given_up = oldest.into_iter().take(excess);
        given_up
            .filter_map(|(_, id)| self.pending.remove(&id))
            .collect()
    }

    /// Whoever got it, or never will, is struck off.
    pub fn settle(&mut self, id: &str, receiver: &str) {
        if let Some(pending) = self.pending.get_mut(id) {
            pending.to.remove(receiver);
            if pending.to.is_empty() {
                self.pending.remove(id);
            }
        }
    }
}

/// What turns `before` into `after`; `None` removes a record.
pub(super) fn changes(before: &Records, after: &Records) -> Vec<(String, Option<Value>)> {
    let put = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), Some(value.clone())));
    let gone = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| (key.clone(), None));
    put.chain(gone).collect()
}
