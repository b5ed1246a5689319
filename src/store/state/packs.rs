//! The packs as they lie in sled: which one a place belongs to, and what changes in them.

use super::broken::Broken;
use super::key;
use super::pack::{self, Record};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

pub const UNREADABLE: &str = "a pack of records cannot be read";

/// Values by place; `None`: removed.
pub type Placed = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn opened(key: &[u8], sealed: &[u8]) -> Result<Vec<Record>, Broken> {
    let packed = key::unseal(key, sealed).map_err(Broken::new)?;
    pack::unpack(key, packed).ok_or_else(|| Broken::new(UNREADABLE))
}

/// The pack that was opened last: whoever reads a run reads its parts and its neighbours next.
#[derive(Default)]
pub struct Last(Mutex<Option<(sled::IVec, Arc<Vec<Record>>)>>);

impl Last {
    /// The records of a pack, by place.
    pub fn open(&self, key: &[u8], sealed: sled::IVec) -> Result<Arc<Vec<Record>>, Broken> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, records)) = &*last
            && *known == sealed
        {
            return Ok(Arc::clone(records));
        }
        let records = Arc::new(opened(key, &sealed)?);
        *last = Some((sealed, Arc::clone(&records)));
        Ok(records)
    }
}

/// The last pack that begins at `place` or before, in its space.
pub fn floor(tree: &sled::Tree, place: &[u8]) -> Result<Option<(sled::IVec, sled::IVec)>, Broken> {
    let space = place.get(..1).unwrap_or_default();
    Ok(tree.range(space..=place).next_back().transpose()?)
}

/// What is packed under a prefix of places, sorted.
pub fn under(tree: &sled::Tree, prefix: &[u8]) -> Result<Vec<Record>, Broken> {
    let mut found = Vec::new();
    let first = floor(tree, prefix)?.map_or_else(|| prefix.to_vec(), |(key, _)| key.to_vec());
    for next in tree.range(first..) {
        let (key, sealed) = next?;
        if key.as_ref() > prefix && !key.starts_with(prefix) {
            break;
        }
        let records = opened(&key, &sealed)?;
        found.extend(
            records
                .into_iter()
                .filter(|(place, _)| place.starts_with(prefix)),
        );
    }
    Ok(found)
}

/// The physical changes by which `placed` comes in: `None` removes a pack.
pub fn changes(
    tree: &sled::Tree,
    placed: Placed,
) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Broken> {
    let mut changes = BTreeMap::new();
    let mut placed = placed.into_iter().peekable();
    while let Some((place, value)) = placed.next() {
        let space = place.first().copied();
        let home = Home::of(tree, &place)?;
        let belongs = |next: &[u8]| {
            next.first().copied() == space
                && home.end.as_ref().is_none_or(|end| next < end.as_slice())
        };
        let last = home.records.last_key_value().map(|(last, _)| last.clone());
        let follows = last.is_none_or(|last| last < place);
        let mut records = home.records.clone();
        put(&mut records, place, value);
        while let Some((place, value)) = placed.next_if(|(next, _)| belongs(next)) {
            put(&mut records, place, value);
        }
        if records == home.records {
            continue;
        }
        changes.extend(home.key.map(|key| (key, None)));
        let records: Vec<Record> = records.into_iter().collect();
        for (key, packed) in pack::pack(&records, follows)? {
            changes.insert(key, Some(packed));
        }
    }
    Ok(changes)
}

fn put(records: &mut BTreeMap<Vec<u8>, Vec<u8>>, place: Vec<u8>, value: Option<Vec<u8>>) {
    match value {
        Some(value) => records.insert(place, value),
        None => records.remove(&place),
    };
}

/// The pack that a place belongs to, if its space has any.
struct Home {
    key: Option<Vec<u8>>,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where the next pack of the space begins.
    end: Option<Vec<u8>>,
}

impl Home {
    fn of(tree: &sled::Tree, place: &[u8]) -> Result<Home, Broken> {
        let after = |key: &[u8]| {
            let next = tree
                .range::<&[u8], _>((Bound::Excluded(key), Bound::Unbounded))
                .next();
            let next = next.transpose()?;
            Ok::<_, Broken>(next.filter(|(next, _)| next.first() == place.first()))
        };
        let found = match floor(tree, place)? {
            Some(found) => Some(found),
            None => after(place)?,
        };
        let Some((key, sealed)) = found else {
            return Ok(Home {
                key: None,
                records: BTreeMap::new(),
                end: None,
            });
        };
        Ok(Home {
            records: opened(&key, &sealed)?.into_iter().collect(),
            end: after(&key)?.map(|(next, _)| next.to_vec()),
            key: Some(key.to_vec()),
        })
    }
}
