//! What format 1 did with a run that is not open: all its records in pages of its own. Read once, to be migrated.

use super::key;
use super::pack::Record;

/// The records of a page; `None` if it is not one.
pub fn unpack(page_key: &[u8], mut page: &[u8]) -> Option<Vec<Record>> {
    let run = key::run_of(page_key.get(1..)?);
    let mut records = Vec::new();
    while !page.is_empty() {
        // `kind u8 · length of the rest of the key u16 · length of the value u32 · both`
        let (head, rest) = page.split_first_chunk::<7>()?;
        let key_length = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let value_length = u32::from_le_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let key = rest.get(..key_length)?;
        let value = rest.get(key_length..key_length.checked_add(value_length)?)?;
        records.push(([&[head[0]], run, key].concat(), value.to_vec()));
        page = &rest[key_length + value_length..];
    }
    Some(records)
}
