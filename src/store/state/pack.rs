//! Records that rest, many of them packed into one physical record: those of runs that are not open, and the listing
//! of runs by age.
//!
//! sled keeps memory for every sixteen physical records or fewer, whatever their size: in a record each, a hundred
//! thousand finished runs and their entries in the listing would cost more than the rest of the daemon's state. So
//! they are the leaves of a sorted map, laid out by place: by run, not by kind. Packs stay small because sixteen share
//! a node, of which sled keeps up to 256 in memory, and because nodes over 128 KiB become files that it never syncs.

use super::broken::Broken;
use super::key::{self, LISTED, PACKED, RECENT};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io::{self, Read, Write};

/// A pack takes no further record beyond this size, before compression …
const PLAIN_BYTES: usize = 16 * 1024;
/// … or after it.
const PACK_BYTES: usize = 6 * 1024;
/// Lengths before each record.
const HEAD: usize = 6;

/// A physical key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// Where the record of a physical key lies among the packs: `[LISTED] key` or `[PACKED] run 0 kind rest`.
pub fn place(physical: &[u8]) -> Vec<u8> {
    let Some((kind, rest)) = physical.split_first() else {
        return Vec::new();
    };
    if *kind == RECENT {
        return key::physical(LISTED, rest);
    }
    let run = key::run_of(rest);
    [&[PACKED], run, &[0, *kind], &rest[run.len()..]].concat()
}

/// The physical key of what lies at `place`.
pub fn physical(place: &[u8]) -> Option<Vec<u8>> {
    let (space, rest) = place.split_first()?;
    if *space == LISTED {
        return Some(key::physical(RECENT, rest));
    }
    let run = key::run_of(rest);
    let (kind, rest) = rest.get(run.len() + 1..)?.split_first()?;
    Some([&[*kind], run, rest].concat())
}

/// Packs of records that are sorted by place; keys are places of the first. With `fill` all but the last are full, as
/// is best where the next records follow these; otherwise all are alike and have room.
pub fn pack(records: &[Record], fill: bool) -> Result<Vec<Record>, Broken> {
    let plain: usize = records.iter().map(size).sum();
    let packs = plain.div_ceil(PLAIN_BYTES).max(1);
    let room = match fill {
        true => PLAIN_BYTES,
        false => plain.div_ceil(packs),
    };
    let mut made = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, record) in records.iter().enumerate() {
        let next = bytes + size(record);
        let full = next > PLAIN_BYTES || (bytes >= room && !fill);
        if full && at > from {
            close(&records[from..at], &mut made)?;
            (from, bytes) = (at, 0);
        }
        bytes += size(record);
    }
    close(&records[from..], &mut made)?;
    Ok(made)
}

fn size((place, value): &Record) -> usize {
    HEAD + place.len() + value.len()
}

/// One pack, or halves of it if it does not shrink enough.
fn close(records: &[Record], made: &mut Vec<Record>) -> Result<(), Broken> {
    let Some((first, _)) = records.first() else {
        return Ok(());
    };
    let packed = encode(records)?;
    if packed.len() > PACK_BYTES && records.len() > 1 {
        let (left, right) = records.split_at(records.len() / 2);
        close(left, made)?;
        return close(right, made);
    }
    made.push((first.clone(), packed));
    Ok(())
}

/// `length u32 · deflated (length of the rest of the place u16 · length of the value u32 · both)…`.
fn encode(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(records.iter().map(size).sum());
    for (place, value) in records {
        let rest = place.get(1..).unwrap_or_default();
        plain.extend_from_slice(&(rest.len() as u16).to_le_bytes());
        plain.extend_from_slice(&(value.len() as u32).to_le_bytes());
        plain.extend_from_slice(rest);
        plain.extend_from_slice(value);
    }
    let length = (plain.len() as u32).to_le_bytes().to_vec();
    let mut encoder = DeflateEncoder::new(length, Compression::fast());
    encoder.write_all(&plain)?;
    encoder.finish()
}

/// The records of a pack with their places; `None` if it is not one.
pub fn unpack(pack_key: &[u8], packed: &[u8]) -> Option<Vec<Record>> {
    let space = pack_key.first()?;
    let (length, deflated) = packed.split_first_chunk::<4>()?;
    let mut plain = Vec::with_capacity(u32::from_le_bytes(*length) as usize);
    DeflateDecoder::new(deflated)
        .read_to_end(&mut plain)
        .ok()
        .filter(|read| *read == u32::from_le_bytes(*length) as usize)?;
    let mut records = Vec::new();
    let mut left = plain.as_slice();
    while !left.is_empty() {
        let (head, rest) = left.split_first_chunk::<HEAD>()?;
        let place_length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let value_length = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let place = rest.get(..place_length)?;
        let value = rest.get(place_length..place_length.checked_add(value_length)?)?;
        records.push(([&[*space], place].concat(), value.to_vec()));
        left = &rest[place_length + value_length..];
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u32, value: Vec<u8>) -> Record {
        (
            place(&key::physical(
                key::RUN,
                format!("daily.{number:05}").as_bytes(),
            )),
            value,
        )
    }

    /// Bytes that do not shrink.
    fn noise(seed: u32, length: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let next = |state: &mut u32| {
            *state ^= *state << 13;
            *state ^= *state >> 17;
            *state ^= *state << 5;
            *state as u8
        };
        (0..length).map(|_| next(&mut state)).collect()
    }

    fn opened(packs: &[Record]) -> Vec<Record> {
        let all = packs
            .iter()
            .flat_map(|(key, packed)| unpack(key, packed).unwrap());
        all.collect()
    }

    #[test]
    fn places_keep_the_order_of_keys_and_lead_back_to_them() {
        let keys: Vec<Vec<u8>> = ["a", "a.1", "a.10", "b"]
            .iter()
            .flat_map(|run| {
                [
                    key::physical(key::RUN, run.as_bytes()),
                    [&key::of_run(key::PART, run.as_bytes())[..], &[0, 0, 0, 1]].concat(),
                    key::event(run.as_bytes(), 7),
                ]
            })
            .chain([key::physical(RECENT, b"\0\0\0\0\0\0\0\x01a")])
            .collect();
        let places: Vec<Vec<u8>> = keys.iter().map(|key| place(key)).collect();
        assert!(places.is_sorted(), "{places:?}");
        let back: Vec<Vec<u8>> = places
            .iter()
            .map(|place| physical(place).unwrap())
            .collect();
        assert_eq!(back, keys);
    }

    #[test]
    fn packs_hold_everything_once_and_are_small() {
        for (value, fill) in [(300, true), (300, false), (9_000, true), (9_000, false)] {
            let records: Vec<Record> = (0..200)
                .map(|number| record(number, noise(number, value)))
                .collect();
            let packs = pack(&records, fill).unwrap();
            assert_eq!(opened(&packs), records);
            for (key, packed) in &packs {
                let held = unpack(key, packed).unwrap();
                assert!(held.len() == 1 || packed.len() <= PACK_BYTES);
                assert_eq!(held[0].0, *key);
            }
        }
    }

    #[test]
    fn what_is_appended_leaves_full_packs_and_what_is_put_between_leaves_room() {
        let records: Vec<Record> = (0..58).map(|number| record(number, vec![7; 300])).collect();
        let sizes = |fill| -> Vec<usize> {
            let packs = pack(&records, fill).unwrap();
            packs
                .iter()
                .map(|(key, packed)| unpack(key, packed).unwrap().len())
                .collect()
        };
        assert_eq!(sizes(true), [51, 7]);
        assert_eq!(sizes(false), [29, 29]);
    }

    #[test]
    fn a_pack_that_was_cut_or_lengthened_is_none() {
        let packs = pack(
            &[record(1, b"value".to_vec()), record(2, vec![1; 90])],
            true,
        )
        .unwrap();
        let (key, packed) = &packs[0];
        assert!((0..packed.len()).all(|cut| unpack(key, &packed[..cut]).is_none()));
        let mut longer = packed.clone();
        longer[0] += 1;
        assert!(unpack(key, &longer).is_none());
    }
}
