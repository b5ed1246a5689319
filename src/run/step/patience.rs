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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn patience(first: u64, max: u64, salt: u64) -> Patience {
        Patience {
            retry: Retry {
                attempts: 9,
                first: Duration::from_secs(first),
                max: Duration::from_secs(max),
            },
            salt,
        }
    }

    proptest! {
        #[test]
        fn a_rest_is_near_the_doubled_one_and_within_the_bounds(
            first in 1..100_u64, times in 1..50_u64, made in 1..40_u32, salt: u64,
        ) {
            let rest = patience(first, first * times, salt).rest(made);
            let (first, max) = (Duration::from_secs(first), Duration::from_secs(first * times));
            prop_assert!(first <= rest && rest <= max);
            let doubled = first.saturating_mul(2_u32.saturating_pow(made - 1)).min(max);
            prop_assert!(rest >= doubled * 4 / 5 && rest <= doubled * 6 / 5);
        }
    }

    #[test]
    fn parts_that_failed_together_do_not_come_again_together() {
        let rests: BTreeSet<Duration> = (0..100)
            .map(|salt| patience(60, 6_000, salt * 7_919).rest(3))
            .collect();
        assert!(rests.len() > 50, "{}", rests.len());
    }
}
