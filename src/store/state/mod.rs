//! The state in sled: what everything is read from, refilled from the journal whenever it is not to be trusted.

mod broken;
mod cold;
mod key;
mod ledger;
mod read;
mod slack;
mod sled;
mod staging;
mod walk;

pub use self::sled::{Applied, State};
pub use broken::{Broken, CONTAINED, contained};
pub use cold::{Record, unpack};
pub use key::{COLD, EVENT, run_of, tree};
