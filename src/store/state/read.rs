//! Reads over records that lie alone (hot) or packed with their finished run (cold).

use super::broken::{Broken, contained};
use super::key::{self, EVENT, FILE, LISTED, PACKED, PART, RECENT, RUN};
use super::pack::{self, Record};
use super::packs;
use super::sled::State;
use crate::store::{Key, Tree, limit};
use std::iter::Peekable;
use std::ops::Bound;

type Records<'a> = Box<dyn Iterator<Item = Result<Record, Broken>> + 'a>;
type Packs<'a> = Box<dyn Iterator<Item = Result<(sled::IVec, sled::IVec), Broken>> + 'a>;

/// Keys that begin with `prefix` and lie beyond `after`.
struct Wanted<'a> {
    prefix: &'a [u8],
    after: Option<&'a [u8]>,
    backwards: bool,
}

impl Wanted<'_> {
    fn admits(&self, key: &[u8]) -> bool {
        let beyond = |after: &[u8]| match self.backwards {
            true => key < after,
            false => key > after,
        };
        key.starts_with(self.prefix) && self.after.is_none_or(beyond)
    }

    fn hot(&self, kind: u8) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let prefix = key::physical(kind, self.prefix);
        let mut to = limit::beyond(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let mut from = Bound::Included(prefix.clone());
        if let Some(after) = self.after {
            let after = key::physical(kind, after);
            if self.backwards && limit::beyond(&prefix).is_none_or(|end| after < end) {
                to = Bound::Excluded(after.max(prefix));
            } else if !self.backwards && after >= prefix {
                from = Bound::Excluded(after);
            }
        }
        (from, to)
    }

    /// Places between which wanted records may lie.
    fn places(&self, kind: u8) -> (Vec<u8>, Bound<Vec<u8>>) {
        let place = |key: &[u8]| match kind {
            RECENT => key::physical(LISTED, key),
            _ if key.contains(&0) => key::of_run(PACKED, key::run_of(key)),
            _ => key::physical(PACKED, key),
        };
        let prefix = place(self.prefix);
        let mut to = limit::beyond(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let mut from = prefix.clone();
        if let Some(after) = self.after {
            let own = match kind {
                RECENT => key::physical(LISTED, after),
                _ => key::of_run(PACKED, key::run_of(after)),
            };
            if self.backwards {
                let end = limit::beyond(&own).unwrap_or_default();
                if limit::beyond(&prefix).is_none_or(|limit| end < limit) {
                    to = Bound::Excluded(end.max(prefix));
                }
            } else {
                from = from.max(own);
            }
        }
        (from, to)
    }
}

fn empty(range: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> bool {
    match range {
        (Bound::Included(from), Bound::Excluded(to)) => from >= to,
        (Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        _ => false,
    }
}

fn opened(found: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Record, Broken> {
    let (key, sealed) = found?;
    let value = key::unseal(&key, &sealed).map_err(Broken::new)?;
    Ok((key.to_vec(), value.to_vec()))
}

impl State {
    pub fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Broken> {
        contained(|| {
            let _reading = self.reading();
            let kind = key::kind(key.tree);
            let own = key::physical(kind, &key.key);
            if let Some(sealed) = self.tree().get(&own)? {
                let value = key::unseal(&own, &sealed).map_err(Broken::new)?;
                return Ok(Some(value.to_vec()));
            }
            if !matches!(kind, RUN | PART | FILE | RECENT) {
                return Ok(None);
            }
            let place = pack::place(&own);
            let Some((key, sealed)) = packs::floor(self.tree(), &place)? else {
                return Ok(None);
            };
            let records = self.last.open(&key, sealed)?;
            let found = records.binary_search_by(|(other, _)| other.cmp(&place));
            Ok(found.ok().map(|at| records[at].1.clone()))
        })
    }

    pub fn scan(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Record>, Broken> {
        contained(|| {
            let _reading = self.reading();
            let wanted = Wanted {
                prefix,
                after,
                backwards,
            };
            let without_kind = |record: Result<Record, Broken>| {
                record.map(|(mut key, value)| {
                    key.remove(0);
                    (key, value)
                })
            };
            self.records(key::kind(tree), wanted)
                .take(limit)
                .map(without_kind)
                .collect()
        })
    }

    /// Records of `kind`, hot or cold, beyond `after`.
    pub(super) fn hot_and_cold<'a>(
        &'a self,
        kind: u8,
        prefix: &'a [u8],
        after: &'a [u8],
    ) -> Records<'a> {
        self.records(
            kind,
            Wanted {
                prefix,
                after: Some(after),
                backwards: false,
            },
        )
    }

    fn records<'a>(&'a self, kind: u8, wanted: Wanted<'a>) -> Records<'a> {
        let backwards = wanted.backwards;
        let hot = self.range(wanted.hot(kind), backwards);
        if !matches!(kind, RUN | PART | EVENT | FILE | RECENT) {
            return hot;
        }
        let cold = self
            .packs(wanted.places(kind), backwards)
            .flat_map(move |pack| {
                let records = match pack.and_then(|(key, sealed)| self.last.open(&key, sealed)) {
                    Ok(records) => records,
                    Err(broken) => return vec![Err(broken)],
                };
                let mut admitted = Vec::new();
                for (place, value) in records.iter() {
                    match pack::physical(place) {
                        Some(key) if key[0] != kind || !wanted.admits(&key[1..]) => {}
                        Some(key) => admitted.push(Ok((key, value.clone()))),
                        None => admitted.push(Err(Broken::new(packs::UNREADABLE))),
                    }
                }
                if backwards {
                    admitted.reverse();
                }
                admitted
            });
        Box::new(Merged {
            left: hot.peekable(),
            right: (Box::new(cold) as Records<'a>).peekable(),
            backwards,
        })
    }

    fn range(&self, range: (Bound<Vec<u8>>, Bound<Vec<u8>>), backwards: bool) -> Records<'_> {
        if empty(&range) {
            return Box::new(std::iter::empty());
        }
        let found = self.tree().range::<Vec<u8>, _>(range);
        match backwards {
            true => Box::new(found.rev().map(opened)),
            false => Box::new(found.map(opened)),
        }
    }

    fn packs(&self, (from, to): (Vec<u8>, Bound<Vec<u8>>), backwards: bool) -> Packs<'_> {
        let from = match packs::floor(self.tree(), &from) {
            Ok(found) => found.map_or(from, |(key, _)| key.to_vec()),
            Err(broken) => return Box::new(std::iter::once(Err(broken))),
        };
        let range = (Bound::Included(from), to);
        if empty(&range) {
            return Box::new(std::iter::empty());
        }
        let found = self.tree().range::<Vec<u8>, _>(range);
        match backwards {
            true => Box::new(found.rev().map(|next| Ok(next?))),
            false => Box::new(found.map(|next| Ok(next?))),
        }
    }
}

/// Two sorted streams as one.
struct Merged<'a> {
    left: Peekable<Records<'a>>,
    right: Peekable<Records<'a>>,
    backwards: bool,
}

impl Iterator for Merged<'_> {
    type Item = Result<Record, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let left_first = match (self.left.peek(), self.right.peek()) {
            (Some(Ok((left, _))), Some(Ok((right, _)))) => (left < right) != self.backwards,
            (Some(_), Some(Ok(_)) | None) => true,
            (_, Some(Err(_))) | (None, _) => false,
        };
        match left_first {
            true => self.left.next(),
            false => self.right.next(),
        }
    }
}
