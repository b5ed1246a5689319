//! The records of a run that is not open, packed into few physical ones.
//!
//! sled keeps memory for every sixteen records or fewer, whatever their size: a hundred thousand finished runs in
//! a record each for run, part and event would cost more than everything else together. Pages stay small because
//! sixteen of them share a node, and nodes over 128 KiB become files that sled never syncs.

use super::key::{self, COLD};

/// A page takes no further record beyond this size.
const PAGE_BYTES: usize = 6 * 1024;

/// A physical key of the hot kind and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// The cold pages of `run`; the records must be sorted by key.
pub fn pack(run: &[u8], records: &[Record]) -> Vec<Record> {
    let mut pages: Vec<Vec<u8>> = Vec::new();
    for (key, value) in records {
        let bytes = record(run, key, value);
        match pages.last_mut() {
            Some(page) if page.len() + bytes.len() <= PAGE_BYTES => page.extend(bytes),
            _ => pages.push(bytes),
        }
    }
    let keyed = |(number, page): (usize, Vec<u8>)| (page_key(run, number as u16), page);
    pages.into_iter().enumerate().map(keyed).collect()
}

pub fn page_key(run: &[u8], number: u16) -> Vec<u8> {
    [&key::of_run(COLD, run)[..], &number.to_be_bytes()].concat()
}

/// `kind u8 · length of the rest of the key u16 · length of the value u32 · both`.
fn record(run: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = &key[1 + run.len()..];
    let mut bytes = Vec::with_capacity(7 + rest.len() + value.len());
    bytes.push(key[0]);
    bytes.extend_from_slice(&(rest.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(rest);
    bytes.extend_from_slice(value);
    bytes
}

/// The records of a page; `None` if it is not one.
pub fn unpack(page_key: &[u8], mut page: &[u8]) -> Option<Vec<Record>> {
    let run = key::run_of(page_key.get(1..)?);
    let mut records = Vec::new();
    while !page.is_empty() {
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
