//! How records lie in sled: one tree, a leading byte for the kind, values sealed with version and checksum.
//!
//! One tree, because a batch over one tree is atomic without sled's transactions and every tree costs memory.

use crate::store::Tree;

/// The kinds of physical record, in the order in which they lie.
pub const META: u8 = 0;
pub const OPEN: u8 = 1;
pub const RUN: u8 = 6;
pub const PART: u8 = 7;
/// Run id, 0, sequence → offset of the frame in its journal segment.
pub const EVENT: u8 = 8;
/// Format 1: run id, 0, page (big-endian u16) → all records of a run that is not open.
pub const COLD: u8 = 9;
pub const RECENT: u8 = 10;
pub const FILE: u8 = 11;
/// The first record's place → a pack of records of runs that are not open.
pub const PACKED: u8 = 12;
/// The first record's place → a pack of the listing by age.
pub const LISTED: u8 = 13;
pub const KINDS: usize = 14;
/// Those of format 1.
pub const FORMER_KINDS: usize = 12;

pub fn kind(tree: Tree) -> u8 {
    match tree {
        Tree::Open => OPEN,
        Tree::Schedule => 2,
        Tree::Setting => 3,
        Tree::Roster => 4,
        Tree::Coverage => 5,
        Tree::Run => RUN,
        Tree::Part => PART,
        Tree::Recent => RECENT,
        Tree::File => FILE,
    }
}

/// The tree whose records are of `kind`; `None` for the store's own.
pub fn tree(kind: u8) -> Option<Tree> {
    Tree::ALL.into_iter().find(|tree| self::kind(*tree) == kind)
}

pub fn physical(kind: u8, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(kind);
    bytes.extend_from_slice(key);
    bytes
}

/// Of a run's or part's key: the run's id.
pub fn run_of(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// `[kind] run 0`: what the keys of a run's parts and events begin with, and the places of its packed records.
pub fn of_run(kind: u8, run: &[u8]) -> Vec<u8> {
    [&[kind], run, &[0]].concat()
}

pub fn event(run: &[u8], sequence: u64) -> Vec<u8> {
    [&of_run(EVENT, run)[..], &sequence.to_be_bytes()].concat()
}

const VERSION: u8 = 1;
pub const SEAL: usize = 5;

/// `version u8 · CRC32C u32 over key and value · value`.
pub fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(key), value);
    let mut sealed = Vec::with_capacity(SEAL + value.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&checksum.to_le_bytes());
    sealed.extend_from_slice(value);
    sealed
}

/// The value, if the seal is whole.
pub fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], &'static str> {
    let (head, value) = sealed
        .split_first_chunk::<SEAL>()
        .ok_or("shorter than its seal")?;
    if head[0] != VERSION {
        return Err("of an unknown version");
    }
    let checksum = crc32c::crc32c_append(crc32c::crc32c(key), value);
    if head[1..] != checksum.to_le_bytes() {
        return Err("its checksum does not match");
    }
    Ok(value)
}
