//! What a commit may hold, checked before anything is written.

use super::{Change, Commit, Error};

/// The largest value; sled keeps larger nodes in files of their own that it never syncs.
pub const VALUE_BYTES: usize = 60 * 1024;
/// The largest key.
pub const KEY_BYTES: usize = 1024;
/// The largest commit, as JSON.
pub const COMMIT_BYTES: usize = 48 * 1024 * 1024;
/// The most events of one commit.
pub const COMMIT_EVENTS: usize = 1 << 20;

/// Refuses a commit with a key or value over its limit.
pub fn check(commit: &Commit) -> Result<(), Error> {
    within(commit.events.len(), COMMIT_EVENTS)?;
    for change in &commit.changes {
        match change {
            Change::Put { key, value } => {
                within(key.key.len(), KEY_BYTES)?;
                within(value.len(), VALUE_BYTES)?;
            }
            Change::Delete { key } => within(key.key.len(), KEY_BYTES)?,
        }
    }
    Ok(())
}

pub fn within(bytes: usize, limit: usize) -> Result<(), Error> {
    if bytes > limit {
        return Err(Error::TooLarge { bytes, limit });
    }
    Ok(())
}

/// The smallest key greater than every key that begins with `prefix`; `None` if there is none.
pub fn beyond(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut key = prefix[..=last].to_vec();
    key[last] += 1;
    Some(key)
}
