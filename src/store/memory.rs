//! A store without a disk: for tests and simulations, with faults that a disk can have.

use super::{Change, Commit, Error, Key, Sequence, Store, StoredEvent, Tree, limit};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a commit goes wrong. Either way the caller is told that it failed, and nothing is accepted after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit never became durable.
    Lost,
    /// It became durable, yet the caller could not be told: the process died in between.
    Unacknowledged,
}

#[derive(Clone, Default)]
struct Content {
    records: BTreeMap<Key, Vec<u8>>,
    events: Vec<StoredEvent>,
    commits: u64,
    faults: BTreeMap<u64, Fault>,
    stopped: Option<String>,
}

/// Clones share one content, as two handles of one store do.
#[derive(Clone, Default)]
pub struct Memory {
    content: Arc<Mutex<Content>>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    /// The `number`th commit from now (from 1) meets `fault`.
    pub fn fail_commit(&self, number: u64, fault: Fault) {
        let mut content = self.lock();
        let due = content.commits + number;
        content.faults.insert(due, fault);
    }

    /// What a process finds that starts after this one died: all that became durable, in a store that works.
    /// The old handle accepts nothing more.
    pub fn crash(&self) -> Memory {
        let mut content = self.lock();
        let survivor = Content {
            faults: BTreeMap::new(),
            stopped: None,
            ..content.clone()
        };
        content.stopped = Some("the process died".to_owned());
        Memory {
            content: Arc::new(Mutex::new(survivor)),
        }
    }

    /// Every record, for comparing two stores.
    pub fn records(&self) -> BTreeMap<Key, Vec<u8>> {
        self.lock().records.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // A panic elsewhere cannot leave a half-made commit: changes are applied after all checks.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn accept(&mut self, commit: Commit) -> Result<Sequence, Error> {
        if let Some(reason) = &self.stopped {
            let reason = reason.clone();
            return Err(Error::Stopped { reason });
        }
        limit::check(&commit)?;
        self.commits += 1;
        let fault = self.faults.remove(&self.commits);
        if fault != Some(Fault::Lost) {
            self.apply(commit);
        }
        match fault {
            None => Ok(self.events.len() as Sequence),
            Some(fault) => {
                let reason = format!("injected: {fault:?}");
                self.stopped = Some(reason.clone());
                Err(Error::Stopped { reason })
            }
        }
    }

    fn apply(&mut self, commit: Commit) {
        for entry in commit.events {
            let sequence = self.events.len() as Sequence + 1;
            let at = commit.at;
            self.events.push(StoredEvent {
                sequence,
                at,
                entry,
            });
        }
        for change in commit.changes {
            match change {
                Change::Put { key, value } => self.records.insert(key, value),
                Change::Delete { key } => self.records.remove(&key),
            };
        }
    }

    fn range(&self, tree: Tree, prefix: &[u8]) -> impl DoubleEndedIterator<Item = Record<'_>> {
        let from = Key {
            tree,
            key: prefix.to_vec(),
        };
        let to = match limit::beyond(prefix) {
            Some(key) => Bound::Excluded(Key { tree, key }),
            None => Bound::Unbounded,
        };
        self.records
            .range((Bound::Included(from), to))
            .filter(move |(key, _)| key.tree == tree)
    }
}

type Record<'a> = (&'a Key, &'a Vec<u8>);

impl Store for Memory {
    async fn commit(&self, commit: Commit) -> Result<Sequence, Error> {
        self.lock().accept(commit)
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.lock().records.get(key).cloned())
    }

    fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let content = self.lock();
        let range = content.range(tree, prefix);
        let owned = |(key, value): Record<'_>| (key.key.clone(), value.clone());
        let key = |record: &Record<'_>| record.0.key.clone();
        Ok(if backwards {
            range
                .rev()
                .filter(|record| after.is_none_or(|after| key(record).as_slice() < after))
                .take(limit)
                .map(owned)
                .collect()
        } else {
            range
                .filter(|record| after.is_none_or(|after| key(record).as_slice() > after))
                .take(limit)
                .map(owned)
                .collect()
        })
    }

    fn events(
        &self,
        run: Option<&str>,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Error> {
        let content = self.lock();
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(content
            .events
            .iter()
            .skip(skip)
            .filter(|event| run.is_none() || event.entry.run.as_deref() == run)
            .take(limit)
            .cloned()
            .collect())
    }

    fn position(&self) -> Sequence {
        self.lock().events.len() as Sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    #[tokio::test]
    async fn a_lost_commit_leaves_no_trace_and_an_unacknowledged_one_does() {
        for (fault, kept) in [(Fault::Lost, 1), (Fault::Unacknowledged, 2)] {
            let store = Memory::new();
            store.commit(sample::commit(1)).await.unwrap();
            store.fail_commit(1, fault);
            assert!(store.commit(sample::commit(2)).await.is_err());
            assert!(matches!(
                store.commit(sample::commit(3)).await,
                Err(Error::Stopped { .. })
            ));
            let survivor = store.crash();
            let expected = Memory::new();
            for number in 1..=kept {
                expected.commit(sample::commit(number)).await.unwrap();
            }
            assert_eq!(survivor.records(), expected.records());
            assert_eq!(survivor.position(), expected.position());
            survivor.commit(sample::commit(4)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn scans_go_both_ways_beyond_a_key() {
        let store = Memory::new();
        for number in 1..=19 {
            store.commit(sample::commit(number)).await.unwrap();
        }
        let all = store.scan(Tree::Run, b"", None, false, 100).unwrap();
        let mut back = store.scan(Tree::Run, b"", None, true, 100).unwrap();
        back.reverse();
        assert_eq!(all, back);
        assert!(all.len() > 3);
        let beyond = store
            .scan(Tree::Run, b"", Some(&all[1].0), false, 1)
            .unwrap();
        assert_eq!(beyond, all[2..3]);
        let before = store
            .scan(Tree::Run, b"", Some(&all[1].0), true, 9)
            .unwrap();
        assert_eq!(before, all[0..1]);
    }
}
