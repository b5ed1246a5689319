//! One request budget for the credential: a token bucket that reads pass before creates.

use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Mutex as Turnstile;
use tokio::time::{Instant, sleep_until};

/// A create that has waited this long goes before reads, so that sweeps cannot starve it.
const CREATE_PATIENCE: Duration = Duration::from_secs(60);

/// Tokens a create leaves behind, so that a status read can follow a callback at once.
const RESERVE_FOR_READS: f64 = 2.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Status, list, results, cancel, properties.
    Read,
    Create,
}

pub(super) struct Budget {
    bucket: Mutex<Bucket>,
    // Fair queues: only the head of each looks at the bucket.
    reads: Turnstile<()>,
    creates: Turnstile<()>,
}

struct Bucket {
    tokens: f64,
    burst: f64,
    per_second: f64,
    reserve: f64,
    /// When `tokens` was right; lies ahead while the vendor has closed the budget.
    refilled: Instant,
    throttled: Duration,
    create_overdue: bool,
}

impl Budget {
    /// Never more than `burst + 5 × requests_per_minute` in five minutes, `burst` being 5/9 of a
    /// minute's requests: 100 at the default of 18, which is the limit seen in production.
    pub(super) fn new(requests_per_minute: u32) -> Budget {
        let per_minute = requests_per_minute.max(1);
        let burst = f64::from((per_minute.saturating_mul(5) / 9).max(1));
        Budget {
            bucket: Mutex::new(Bucket {
                tokens: burst,
                burst,
                per_second: f64::from(per_minute) / 60.0,
                reserve: RESERVE_FOR_READS.min(burst - 1.0),
                refilled: Instant::now(),
                throttled: Duration::ZERO,
                create_overdue: false,
            }),
            reads: Turnstile::new(()),
            creates: Turnstile::new(()),
        }
    }

    /// Returns when one request may be sent; first come, first served within a priority.
    pub(super) async fn acquire(&self, priority: Priority) {
        let since = Instant::now();
        let _turn = match priority {
            Priority::Read => self.reads.lock().await,
            Priority::Create => self.creates.lock().await,
        };
        let _patience = (priority == Priority::Create).then_some(Patience(self));
        loop {
            let now = Instant::now();
            let Err(again) = self.bucket().take(priority, now, since) else {
                return;
            };
            sleep_until(again).await;
        }
    }

    /// The vendor asked for a pause: nothing is sent until it is over, and no burst follows it.
    pub(super) fn close(&self, pause: Duration) {
        let now = Instant::now();
        self.bucket().close(now, pause);
    }

    /// How long the vendor has kept the budget closed, in total.
    pub(super) fn throttled(&self) -> Duration {
        self.bucket().throttled
    }

    /// How long the budget stays closed from now on, if it is.
    pub(super) fn closed_for(&self) -> Option<Duration> {
        let rest = self
            .bucket()
            .refilled
            .saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(rest)
    }

    fn bucket(&self) -> std::sync::MutexGuard<'_, Bucket> {
        self.bucket
            .lock()
            .expect("no panic while the bucket is held")
    }
}

/// A create that gives up waiting must not hold reads back any longer.
struct Patience<'a>(&'a Budget);

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.0.bucket().create_overdue = false;
    }
}

impl Bucket {
    /// Takes a token, or says when to look again.
    fn take(&mut self, priority: Priority, now: Instant, since: Instant) -> Result<(), Instant> {
        if now < self.refilled {
            return Err(self.refilled);
        }
        self.refill(now);
        let overdue = since + CREATE_PATIENCE;
        if priority == Priority::Create && now >= overdue {
            self.create_overdue = true;
        }
        let needed = match priority {
            // One of them is the create's, even if the bucket never holds two.
            Priority::Read if self.create_overdue => 2.0,
            Priority::Create if !self.create_overdue => 1.0 + self.reserve,
            _ => 1.0,
        };
        if self.tokens >= needed {
            self.tokens -= 1.0;
            if priority == Priority::Create {
                self.create_overdue = false;
            }
            return Ok(());
        }
        let wait = Duration::from_secs_f64((needed - self.tokens) / self.per_second);
        // A hair later, so that rounding cannot make the next look come too early.
        let again = now + wait + Duration::from_millis(1);
        Err(match priority {
            Priority::Create if now < overdue => again.min(overdue),
            _ => again,
        })
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.refilled = now;
    }

    fn close(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        if until > self.refilled {
            self.throttled += until - self.refilled.max(now);
            self.refilled = until;
        }
        self.tokens = self.tokens.min(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Virtual time: the bucket is given every `now`.
    struct Simulation {
        bucket: Bucket,
        now: Instant,
    }

    impl Simulation {
        fn new(requests_per_minute: u32) -> Simulation {
            Simulation {
                bucket: Budget::new(requests_per_minute)
                    .bucket
                    .into_inner()
                    .unwrap(),
                now: Instant::now() + Duration::from_millis(1),
            }
        }

        /// Waits as `acquire` does; the answer is for how long.
        fn acquire(&mut self, priority: Priority) -> Duration {
            let since = self.now;
            while let Err(again) = self.bucket.take(priority, self.now, since) {
                assert!(again > self.now, "a look that is not later would spin");
                self.now = again;
            }
            self.now - since
        }

        fn taken_within(&mut self, priority: Priority, time: Duration) -> u32 {
            let end = self.now + time;
            let mut taken = 0;
            loop {
                self.acquire(priority);
                if self.now > end {
                    return taken;
                }
                taken += 1;
            }
        }
    }

    #[test]
    fn five_minutes_hold_no_more_than_the_vendor_allows() {
        for (per_minute, most) in [(18, 100), (1, 6), (100, 555), (100_000, 555_555)] {
            let mut budget = Simulation::new(per_minute);
            let taken = budget.taken_within(Priority::Read, Duration::from_secs(300));
            assert!(taken <= most, "{taken} at {per_minute} a minute");
            assert!(
                taken >= per_minute * 5 / 2,
                "{taken} at {per_minute} a minute"
            );
        }
    }

    #[test]
    fn creates_leave_room_for_reads_at_once() {
        let mut budget = Simulation::new(18);
        let start = budget.now;
        for _ in 0..8 {
            assert_eq!(budget.acquire(Priority::Create), Duration::ZERO);
        }
        let since = budget.now;
        assert!(budget.bucket.take(Priority::Create, start, since).is_err());
        assert_eq!(budget.acquire(Priority::Read), Duration::ZERO);
        assert_eq!(budget.acquire(Priority::Read), Duration::ZERO);
    }

    #[test]
    fn the_smallest_budget_still_lets_both_through() {
        let mut budget = Simulation::new(1);
        for priority in [Priority::Create, Priority::Read, Priority::Create] {
            assert!(budget.acquire(priority) <= Duration::from_secs(61));
        }
    }

    #[test]
    fn reads_without_end_cannot_starve_a_create() {
        for per_minute in [1, 2, 18] {
            let mut budget = Simulation::new(per_minute);
            let since = budget.now;
            let limit = since + CREATE_PATIENCE + Duration::from_secs(61);
            // Reads look first, at every moment.
            loop {
                while budget
                    .bucket
                    .take(Priority::Read, budget.now, budget.now)
                    .is_ok()
                {}
                match budget.bucket.take(Priority::Create, budget.now, since) {
                    Ok(()) => break,
                    Err(again) => budget.now = again.min(budget.now + Duration::from_secs(1)),
                }
                assert!(budget.now < limit, "starved at {per_minute} a minute");
            }
        }
    }

    #[test]
    fn a_pause_asked_for_wins_and_no_burst_follows_it() {
        let mut budget = Simulation::new(18);
        budget.bucket.close(budget.now, Duration::from_secs(120));
        assert_eq!(budget.acquire(Priority::Read), Duration::from_secs(120));
        assert!(budget.acquire(Priority::Read) > Duration::from_secs(3));
        // A shorter pause does not shorten a longer one, and time is counted once.
        budget.bucket.close(budget.now, Duration::from_secs(60));
        budget.bucket.close(budget.now, Duration::from_secs(10));
        assert_eq!(budget.bucket.throttled, Duration::from_secs(180));
        let wait = budget.acquire(Priority::Create).as_secs();
        assert!((60..=64).contains(&wait), "{wait}");
    }

    #[tokio::test]
    async fn one_who_gives_up_waiting_blocks_nobody() {
        let budget = Arc::new(Budget::new(1200));
        budget.close(Duration::from_millis(100));
        let impatient = Duration::from_millis(1);
        let head = tokio::time::timeout(impatient, budget.acquire(Priority::Read));
        assert!(head.await.is_err());
        budget.acquire(Priority::Read).await;
        assert_eq!(budget.closed_for(), None);
    }
}
