//! Commits for the tests of this folder: a small life of many runs, the same for the same number.

use super::{Change, Commit, Entry, Key, Tree};
use chrono::DateTime;
use serde_json::json;

/// The name of the run that commit `number` is about.
pub fn run(number: u64) -> String {
    format!("owned-daily.20261122T{:06}Z", number / 4)
}

fn put(tree: Tree, key: impl Into<Vec<u8>>, value: serde_json::Value) -> Change {
    let key = key.into();
    Change::Put {
        key: Key { tree, key },
        value: value.to_string().into_bytes(),
    }
}

pub fn part_key(run: &str, number: u32) -> Vec<u8> {
    [run.as_bytes(), b"\0", &number.to_be_bytes()].concat()
}

/// Commits 4n, 4n+1, 4n+2, 4n+3 open run n, fill two parts and close it.
pub fn commit(number: u64) -> Commit {
    let run = run(number);
    let at = DateTime::from_timestamp_millis(1_790_000_000_000 + number as i64 * 60_000);
    let at = at.expect("within the calendar");
    let stage = number % 4;
    let mut changes = vec![
        put(Tree::Run, run.clone(), json!({"stage": stage, "n": number})),
        put(Tree::Schedule, "owned-daily", json!({"watermark": number})),
    ];
    let open = Key {
        tree: Tree::Open,
        key: run.clone().into_bytes(),
    };
    match stage {
        0 => {
            let recent = [&(number * 1000).to_be_bytes()[..], run.as_bytes()].concat();
            changes.push(Change::Put {
                key: open,
                value: Vec::new(),
            });
            changes.push(put(Tree::Recent, recent, json!(null)));
        }
        3 => changes.push(Change::Delete { key: open }),
        _ => {
            let key = part_key(&run, stage as u32);
            changes.push(put(Tree::Part, key, json!({"text": "ä\n\"".repeat(9)})));
            let negative = [b"owned-daily\0".as_slice(), &[0x7f, 0xff, number as u8]].concat();
            changes.push(put(Tree::Coverage, negative, json!([[number, stage]])));
        }
    }
    let events = (0..=number % 3).map(|index| Entry {
        schedule: Some("owned-daily".to_owned()),
        run: (index != 1).then(|| run.clone()),
        body: json!({"event": "sampled", "number": number, "index": index}),
    });
    Commit {
        at,
        events: events.collect(),
        changes,
    }
}
