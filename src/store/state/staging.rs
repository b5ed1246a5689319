//! The next batch: changes over what sled holds, with the packing of runs that close and unpacking of those that open.

use super::broken::Broken;
use super::key::{self, EVENT, FILE, OPEN, PACKED, PART, RECENT, RUN};
use super::pack::{self, Record};
use super::packs::{self, Placed};
use crate::store::{Change, Sequence, limit};
use std::collections::{BTreeMap, BTreeSet};

/// How a run lies in sled before the batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Hot,
    /// Packed, or not at all: it has no record of its own, so none need be looked for.
    Cold,
}

/// Changes to physical records that are not yet in sled; values are not yet sealed.
pub struct Staging<'a> {
    tree: &'a sled::Tree,
    open: &'a mut BTreeSet<Vec<u8>>,
    /// Runs that a change concerns, and how they lie in sled.
    touched: BTreeMap<Vec<u8>, Before>,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    placed: Placed,
}

impl<'a> Staging<'a> {
    /// `open` holds the ids of the runs that are open; it follows the changes.
    pub fn over(tree: &'a sled::Tree, open: &'a mut BTreeSet<Vec<u8>>) -> Staging<'a> {
        Staging {
            tree,
            open,
            touched: BTreeMap::new(),
            changes: BTreeMap::new(),
            placed: Placed::new(),
        }
    }

    pub fn change(&mut self, change: &Change) -> Result<(), Broken> {
        let (record, value) = match change {
            Change::Put { key, value } => (key, Some(value)),
            Change::Delete { key } => (key, None),
        };
        let kind = key::kind(record.tree);
        if matches!(kind, OPEN | RUN | PART | FILE) {
            self.touch(key::run_of(&record.key))?;
        }
        if kind == OPEN {
            match value {
                Some(_) => self.open.insert(record.key.clone()),
                None => self.open.remove(&record.key),
            };
        }
        let physical = key::physical(kind, &record.key);
        match kind {
            RECENT => self.placed.insert(pack::place(&physical), value.cloned()),
            _ => self.changes.insert(physical, value.cloned()),
        };
        Ok(())
    }

    /// Notes where the journal has an event of `run`.
    pub fn event(&mut self, run: &str, sequence: Sequence, offset: u64) -> Result<(), Broken> {
        self.touch(run.as_bytes())?;
        let key = key::event(run.as_bytes(), sequence);
        self.changes
            .insert(key, Some(offset.to_le_bytes().to_vec()));
        Ok(())
    }

    /// All changes, once the runs that are not open have been packed.
    pub fn finish(mut self) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Broken> {
        for (run, before) in std::mem::take(&mut self.touched) {
            if !self.open.contains(&run) {
                self.freeze(&run, before)?;
            }
        }
        self.changes.extend(packs::changes(self.tree, self.placed)?);
        Ok(self.changes)
    }

    fn touch(&mut self, run: &[u8]) -> Result<(), Broken> {
        if !self.touched.contains_key(run) {
            let before = match self.open.contains(run) {
                true => Before::Hot,
                false => Before::Cold,
            };
            self.touched.insert(run.to_vec(), before);
            if before == Before::Cold {
                self.thaw(run)?;
            }
        }
        Ok(())
    }

    fn thaw(&mut self, run: &[u8]) -> Result<(), Broken> {
        for (place, value) in packs::under(self.tree, &key::of_run(PACKED, run))? {
            let key = pack::physical(&place).ok_or_else(|| Broken::new(packs::UNREADABLE))?;
            self.changes.insert(key, Some(value));
            self.placed.insert(place, None);
        }
        Ok(())
    }

    fn freeze(&mut self, run: &[u8], before: Before) -> Result<(), Broken> {
        let mut records = Vec::new();
        for kind in [RUN, PART] {
            let own = key::physical(kind, run);
            records.extend(self.value(&own, before)?.map(|value| (own, value)));
            records.extend(self.hot(&key::of_run(kind, run), before)?);
        }
        for kind in [EVENT, FILE] {
            records.extend(self.hot(&key::of_run(kind, run), before)?);
        }
        for (key, value) in records {
            self.placed.insert(pack::place(&key), Some(value));
            match before {
                Before::Hot => self.changes.insert(key, None),
                Before::Cold => self.changes.remove(&key),
            };
        }
        Ok(())
    }

    fn value(&self, key: &[u8], before: Before) -> Result<Option<Vec<u8>>, Broken> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None if before == Before::Cold => Ok(None),
            None => match self.tree.get(key)? {
                Some(sealed) => Ok(Some(opened(key, &sealed)?)),
                None => Ok(None),
            },
        }
    }

    /// Records of a run whose keys begin with `prefix`, as they will be.
    fn hot(&self, prefix: &[u8], before: Before) -> Result<Vec<Record>, Broken> {
        let mut records = match before {
            Before::Hot => self.stored(prefix)?,
            Before::Cold => BTreeMap::new(),
        };
        let to = limit::beyond(prefix).unwrap_or_else(|| vec![0xff; 8]);
        for (key, value) in self.changes.range(prefix.to_vec()..to) {
            match value {
                Some(value) => records.insert(key.clone(), value.clone()),
                None => records.remove(key),
            };
        }
        Ok(records.into_iter().collect())
    }

    fn stored(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Broken> {
        let mut records = BTreeMap::new();
        for found in self.tree.scan_prefix(prefix) {
            let (key, sealed) = found?;
            records.insert(key.to_vec(), opened(&key, &sealed)?);
        }
        Ok(records)
    }
}

fn opened(key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Broken> {
    match key::unseal(key, sealed) {
        Ok(value) => Ok(value.to_vec()),
        Err(reason) => Err(Broken::new(format!("a record cannot be read: {reason}"))),
    }
}
