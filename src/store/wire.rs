//! Commits and records as JSON: the payload of a journal frame and a line of an export.
//!
//! A value that is JSON stands in its line as it is, so that both files can be read with common tools;
//! anything else stands as text or hex. Bytes come back exactly as they went in.

use super::{Change, Commit, Entry, Key, Tree};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One record, or its removal if it has no value.
#[derive(Serialize, Deserialize)]
pub struct Line<'a> {
    pub tree: Tree,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_hex: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_text: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_hex: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    pub fn of(tree: Tree, key: &'a [u8], value: Option<&'a [u8]>) -> Line<'a> {
        let key_text = std::str::from_utf8(key).ok();
        let mut line = Line {
            tree,
            key: key_text.map(Cow::from),
            key_hex: key_text.is_none().then(|| hex(key).into()),
            value: None,
            value_text: None,
            value_hex: None,
        };
        match value.map(|value| (value, std::str::from_utf8(value))) {
            None => {}
            Some((_, Ok(text))) => match verbatim(text) {
                Some(raw) => line.value = Some(raw),
                None => line.value_text = Some(text.into()),
            },
            Some((value, Err(_))) => line.value_hex = Some(hex(value).into()),
        }
        line
    }

    pub fn change(&self) -> Option<Change> {
        let key = match (&self.key, &self.key_hex) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(digits)) => unhex(digits)?,
            _ => return None,
        };
        let key = Key {
            tree: self.tree,
            key,
        };
        let value = match (&self.value, &self.value_text, &self.value_hex) {
            (None, None, None) => return Some(Change::Delete { key }),
            (Some(raw), None, None) => raw.get().as_bytes().to_vec(),
            (None, Some(text), None) => text.as_bytes().to_vec(),
            (None, None, Some(digits)) => unhex(digits)?,
            _ => return None,
        };
        Some(Change::Put { key, value })
    }
}

/// `text` as raw JSON, if it would come back byte for byte and on one line.
fn verbatim(text: &str) -> Option<&RawValue> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let same = raw.get().len() == text.len() && text != "null" && !text.contains(['\n', '\r']);
    same.then_some(raw)
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| (digit as char).to_digit(16);
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((nibble(*high)? << 4 | nibble(*low)?) as u8),
            _ => None,
        })
        .collect()
}

#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    at: DateTime<Utc>,
    #[serde(default)]
    events: Cow<'a, [Entry]>,
    #[serde(borrow, default)]
    changes: Vec<Line<'a>>,
}

/// The payload of a journal frame without what it changed: enough for whoever lists events.
#[derive(Deserialize)]
pub struct Told {
    pub at: DateTime<Utc>,
    #[serde(default)]
    pub events: Vec<Entry>,
}

/// A commit as one line of JSON.
pub fn encode(commit: &Commit) -> serde_json::Result<Vec<u8>> {
    let changes = commit.changes.iter().map(|change| match change {
        Change::Put { key, value } => Line::of(key.tree, &key.key, Some(value)),
        Change::Delete { key } => Line::of(key.tree, &key.key, None),
    });
    serde_json::to_vec(&Payload {
        at: commit.at,
        events: Cow::Borrowed(&commit.events),
        changes: changes.collect(),
    })
}

/// The commit that was encoded; `None` if the bytes are none.
pub fn decode(payload: &[u8]) -> Option<Commit> {
    let payload: Payload = serde_json::from_slice(payload).ok()?;
    let changes: Option<Vec<Change>> = payload.changes.iter().map(Line::change).collect();
    Some(Commit {
        at: payload.at,
        events: payload.events.into_owned(),
        changes: changes?,
    })
}

pub fn decode_events(payload: &[u8]) -> Option<Told> {
    serde_json::from_slice(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            ".{0,20}".prop_map(String::into_bytes),
            Just(b"null".to_vec()),
            Just(b" {\"a\":1}".to_vec()),
            Just(b"{\"a\":1.10,\"b\":[1,\n2]}".to_vec()),
            Just(b"{\"b\":1.10,\"a\":[1, 2],\"c\":12345678901234567890123}".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn bytes_come_back_as_they_went_in(
            key in proptest::collection::vec(any::<u8>(), 0..20), value in value(), delete: bool,
        ) {
            let key = Key { tree: Tree::Coverage, key };
            let change = if delete { Change::Delete { key } } else { Change::Put { key, value } };
            let commit = Commit { changes: vec![change], ..crate::store::sample::commit(5) };
            let bytes = encode(&commit).unwrap();
            prop_assert!(!bytes.contains(&b'\n'));
            prop_assert_eq!(decode(&bytes), Some(commit));
        }
    }
}
