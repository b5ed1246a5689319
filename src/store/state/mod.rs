//! The state in sled: what everything is read from, refilled from the journal whenever it is not to be trusted.

mod broken;
mod cold;
mod key;
mod ledger;
mod pack;
mod packs;
mod read;
mod slack;
mod sled;
mod staging;
mod walk;

pub use self::sled::{Applied, State};
pub use broken::{Broken, CONTAINED, contained};
pub use key::{EVENT, run_of, tree};
pub use pack::Record;

/// The physical records that are packed in this one, of either format; `None` if it is not a pack.
pub fn unpack(key: &[u8], value: &[u8]) -> Option<Result<Vec<Record>, Broken>> {
    let unpacked = match *key.first()? {
        key::COLD => cold::unpack(key, value),
        key::PACKED | key::LISTED => pack::unpack(key, value).and_then(|records| {
            let placed = |(place, value): Record| Some((pack::physical(&place)?, value));
            records.into_iter().map(placed).collect()
        }),
        _ => return None,
    };
    Some(unpacked.ok_or_else(|| Broken::new(packs::UNREADABLE)))
}
