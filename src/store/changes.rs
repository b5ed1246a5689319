//! What a turn wants remembered, as the changes of one commit.

use super::record::{EXCLUDED, recent_key_of};
use super::{Change, Commit, Entry, Key, Tree};
use crate::roster::{Saved, Turn};
use crate::run::{Run, RunId};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// Property ids in one record; eight digits and a comma each keep it well under the limit.
const IDS_A_CHUNK: usize = 2_000;
/// Published files in one record, some 250 bytes each.
const FILES_A_CHUNK: usize = 100;

/// Everything a turn wants remembered, as one commit.
pub fn commit_of(turn: &Turn, at: DateTime<Utc>) -> Commit {
    Commit {
        at,
        events: turn
            .entries
            .iter()
            .map(|entry| Entry {
                schedule: entry.schedule.clone(),
                run: entry.run.clone(),
                body: entry.body.clone(),
            })
            .collect(),
        changes: turn.saved.iter().flat_map(changes_of).collect(),
    }
}

fn changes_of(saved: &Saved) -> Vec<Change> {
    match saved {
        Saved::Run { run, new } => {
            let mut changes = vec![put(Tree::Run, run.id.as_str().into(), run)];
            // How it ended stands in the listing as well, so that runs are found by it without being read.
            let ended = Some(run.state).filter(|state| state.is_terminal());
            if *new || ended.is_some() {
                changes.push(put(Tree::Recent, recent_key(run), &ended));
            }
            changes
        }
        Saved::Part { run, part } => vec![put(Tree::Part, part_key(run, part.number), part)],
        Saved::Files { run, files } => files
            .chunks(FILES_A_CHUNK)
            .zip(0_u32..)
            .map(|(chunk, number)| put(Tree::File, numbered(run.as_str(), number), &chunk))
            .collect(),
        Saved::Opened(run) => vec![put(Tree::Open, run.as_str().into(), &())],
        Saved::Closed(run) => {
            vec![Change::Delete {
                key: Key {
                    tree: Tree::Open,
                    key: run.as_str().into(),
                },
            }]
        }
        Saved::Mark(name, mark) => vec![put(Tree::Schedule, name.as_str().into(), mark)],
        Saved::Coverage {
            schedule,
            property,
            line,
        } => vec![put(
            Tree::Coverage,
            by_property(schedule.as_str(), *property),
            line,
        )],
        Saved::Exclusion(property, decision) => {
            let key = by_property(EXCLUDED, *property);
            vec![match decision {
                Some(exclusion) => put(Tree::Setting, key, exclusion),
                None => Change::Delete {
                    key: Key {
                        tree: Tree::Setting,
                        key,
                    },
                },
            }]
        }
        Saved::Setting { key, value } => {
            let key = key.as_bytes().to_vec();
            vec![match value {
                Some(value) => put(Tree::Setting, key, value),
                None => Change::Delete {
                    key: Key {
                        tree: Tree::Setting,
                        key,
                    },
                },
            }]
        }
        Saved::Roster { hash, ids } => ids
            .chunks(IDS_A_CHUNK)
            .zip(0_u32..)
            .map(|(chunk, number)| put(Tree::Roster, numbered(hash, number), &chunk))
            .collect(),
    }
}

fn put(tree: Tree, key: Vec<u8>, value: &impl Serialize) -> Change {
    // Every stored form is made of strings, numbers and maps with string keys.
    let value = serde_json::to_vec(value).unwrap_or_default();
    Change::Put {
        key: Key { tree, key },
        value,
    }
}

fn numbered(prefix: &str, number: u32) -> Vec<u8> {
    let mut key = prefix.as_bytes().to_vec();
    key.push(0);
    key.extend(number.to_be_bytes());
    key
}

/// Properties sort as numbers do: big-endian, with the sign flipped.
fn by_property(prefix: &str, property: i64) -> Vec<u8> {
    let mut key = prefix.as_bytes().to_vec();
    key.push(0);
    key.extend((property ^ i64::MIN).to_be_bytes());
    key
}

fn part_key(run: &RunId, number: u32) -> Vec<u8> {
    numbered(run.as_str(), number)
}

fn recent_key(run: &Run) -> Vec<u8> {
    let millis = u64::try_from(run.created_at.timestamp_millis()).unwrap_or(0);
    recent_key_of(millis, &run.id)
}
