//! How long to rest before the next try.

use super::super::{PartNumber, Run};
use crate::schedule::Retry;
use std::time::Duration;

/// A schedule's terms of retry, for one part of one run.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub retry: Retry,
    /// Tells parts apart, so that what failed together does not come again together.
    salt: u64,
}

impl Patience {
    /// For the part `number`; 0 is the run itself.
    pub fn of(run: &Run, number: PartNumber) -> Patience {
        let bytes = run.id.as_str().bytes().chain(number.to_be_bytes());
        // FNV-1a: spread is all that is asked of it.
        let salt = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Patience {
            retry: run.terms.retry,
            salt,
        }
    }

    /// The rest after `made` tries: `first`, doubled each time, a fifth of it more or less by part and try, and never
    /// under `first` or over `max`.
    pub fn rest(self, made: u32) -> Duration {
        let Retry { first, max, .. } = self.retry;
        let doubled = first
            .saturating_mul(2_u32.saturating_pow(made.saturating_sub(1)))
            .min(max.max(first));
        let mut mixed = self
            .salt
            .wrapping_add(u64::from(made))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^= mixed >> 32;
        let share = u32::try_from(mixed % 401).unwrap_or(200);
        (doubled / 1_000)
            .saturating_mul(800 + share)
            .clamp(first, max.max(first))
    }
}
