//! Count and hash of all records of a kind: sums that do not depend on order, changed with every commit,
//! so that a record that sled lost in silence is missed.

use super::key::{self, FORMER_KINDS, KINDS, META};
use crate::store::Sequence;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub records: u64,
    pub hash: u64,
}

impl Sum {
    pub fn add(&mut self, key: &[u8], sealed: &[u8]) {
        self.records = self.records.wrapping_add(1);
        self.hash = self.hash.wrapping_add(hash(key, sealed));
    }

    pub fn remove(&mut self, key: &[u8], sealed: &[u8]) {
        self.records = self.records.wrapping_sub(1);
        self.hash = self.hash.wrapping_sub(hash(key, sealed));
    }
}

/// The seal's checksum stands for the value; whoever audits verifies it.
fn hash(key: &[u8], sealed: &[u8]) -> u64 {
    let seal = sealed.first_chunk::<{ key::SEAL }>().map_or(0, |seal| {
        u32::from_le_bytes([seal[1], seal[2], seal[3], seal[4]])
    });
    let own = crc32c::crc32c(key);
    let length = (key.len() as u64) << 32 | sealed.len() as u64;
    // The finalizer of splitmix64: sums of plain checksums would cancel out.
    let mut mixed =
        (u64::from(own) << 32 | u64::from(seal)) ^ length.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A sum for every kind of physical record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(pub [Sum; KINDS]);

impl Sums {
    pub fn of(&mut self, key: &[u8]) -> &mut Sum {
        let kind = key.first().map_or(0, |kind| usize::from(*kind));
        &mut self.0[kind.min(KINDS - 1)]
    }
}

/// The one record of the store itself, written with every batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The last event whose changes are in.
    pub sequence: Sequence,
    pub sums: Sums,
}

pub const META_KEY: [u8; 1] = [META];

impl Meta {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.sequence.to_le_bytes().to_vec();
        for sum in &self.sums.0 {
            bytes.extend_from_slice(&sum.records.to_le_bytes());
            bytes.extend_from_slice(&sum.hash.to_le_bytes());
        }
        key::seal(&META_KEY, &bytes)
    }

    /// That of format 1, which had fewer kinds, only if `former`: its records are not where reads look for them.
    pub fn decode(sealed: &[u8], former: bool) -> Result<Meta, &'static str> {
        let bytes = key::unseal(&META_KEY, sealed)?;
        let mut words = bytes.chunks_exact(8).map(|word| {
            let word: [u8; 8] = word.try_into().unwrap_or_default();
            u64::from_le_bytes(word)
        });
        let of_former = bytes.len() == 8 + 16 * FORMER_KINDS;
        if of_former && !former {
            return Err("of format 1");
        }
        if bytes.len() != 8 + 16 * KINDS && !of_former {
            return Err("of an unknown length");
        }
        let mut meta = Meta::default();
        let mut word = || words.next().unwrap_or_default();
        meta.sequence = word();
        for sum in &mut meta.sums.0 {
            sum.records = word();
            sum.hash = word();
        }
        Ok(meta)
    }
}
