//! What the notices remember: settings of their own, which only they understand.

use super::record::{decode, each, text};
use super::{Error, Store, Tree};
use serde_json::Value;
use std::collections::BTreeMap;

/// What their keys begin with; the roster writes them so (`Turn::remember`).
const NOTICE: &str = "notice.";

/// All of them, by the rest of the key.
pub fn remembered(store: &impl Store) -> Result<BTreeMap<String, Value>, Error> {
    let mut records = BTreeMap::new();
    each(store, Tree::Setting, NOTICE.as_bytes(), |key, value| {
        let key = text(Tree::Setting, key.get(NOTICE.len()..).unwrap_or_default())?;
        records.insert(key, decode::<Value>(Tree::Setting, value)?);
        Ok(())
    })?;
    Ok(records)
}
