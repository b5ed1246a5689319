//! A walk over all records as they were at one sequence, while commits go on: what a commit changes ahead of the
//! walk is kept aside for it.

use super::broken::Broken;
use super::key;
use super::ledger::{META_KEY, Meta, Sums};
use super::pack::Record;
use std::collections::BTreeMap;
use std::ops::Bound;

const CHUNK: usize = 256;
/// sled evicts from a part of its cache only after 64 accesses to that part, of which there are 256: a walk that
/// touches each page once leaves sixteen thousand of them in memory, whatever the capacity.
const TOUCHES: usize = 4;

pub struct Walk {
    pub begun: Meta,
    cursor: Vec<u8>,
    /// Sealed values of records that changed since the walk began, where it has not been yet.
    kept: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    seen: Sums,
}

impl Walk {
    pub fn begin(meta: &Meta) -> Walk {
        Walk {
            begun: meta.clone(),
            cursor: META_KEY.to_vec(),
            kept: BTreeMap::new(),
            seen: Sums::default(),
        }
    }

    /// To be told of every record before it changes.
    pub fn keep(&mut self, key: &[u8], sealed: Option<&[u8]>) {
        if key > self.cursor.as_slice() && !self.kept.contains_key(key) {
            self.kept.insert(key.to_vec(), sealed.map(<[u8]>::to_vec));
        }
    }

    /// The next records with their values, none at the end; no commit may happen meanwhile.
    pub fn next(&mut self, tree: &sled::Tree) -> Result<Vec<Record>, Broken> {
        let from = Bound::Excluded(self.cursor.clone());
        let mut chunk = BTreeMap::new();
        for found in tree
            .range::<Vec<u8>, _>((from, Bound::Unbounded))
            .take(CHUNK)
        {
            let (key, sealed) = found?;
            for _ in 0..TOUCHES {
                tree.get(&key)?;
            }
            chunk.insert(key.to_vec(), sealed.to_vec());
        }
        let full = chunk.len() == CHUNK;
        let last = chunk.last_key_value().map(|(key, _)| key.clone());
        // A chunk that is not full ends the tree; then everything kept belongs to it.
        let rest = match last.filter(|_| full) {
            Some(last) => {
                let mut beyond = last.clone();
                beyond.push(0);
                self.cursor = last;
                self.kept.split_off(&beyond)
            }
            None => {
                self.cursor = vec![0xff; 8];
                BTreeMap::new()
            }
        };
        for (key, sealed) in std::mem::replace(&mut self.kept, rest) {
            match sealed {
                Some(sealed) => chunk.insert(key, sealed),
                None => chunk.remove(&key),
            };
        }
        if chunk.is_empty() && full {
            return self.next(tree);
        }
        chunk
            .into_iter()
            .map(|(key, sealed)| self.count(key, &sealed))
            .collect()
    }

    fn count(&mut self, key: Vec<u8>, sealed: &[u8]) -> Result<Record, Broken> {
        self.seen.of(&key).add(&key, sealed);
        match key::unseal(&key, sealed) {
            Ok(value) => Ok((key, value.to_vec())),
            Err(reason) => Err(Broken::new(format!("a record cannot be read: {reason}"))),
        }
    }

    /// Whether everything was there.
    pub fn finish(&self) -> Result<(), Broken> {
        missing(&self.begun.sums, &self.seen, 0)
    }
}

/// Compares what should be there with what is, up to and without kind `to` (0: all).
pub fn missing(expected: &Sums, seen: &Sums, to: u8) -> Result<(), Broken> {
    let kinds = match to {
        0 => expected.0.len(),
        to => usize::from(to),
    };
    for kind in 0..kinds {
        let (expected, seen) = (expected.0[kind], seen.0[kind]);
        if expected != seen {
            let (had, has) = (expected.records, seen.records);
            return Err(Broken::new(format!(
                "its records of kind {kind} are not those that were committed: {has} instead of {had}, or others"
            )));
        }
    }
    Ok(())
}
