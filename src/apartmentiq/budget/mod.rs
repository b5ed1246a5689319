//! One request budget for the credential: no minute holds more than its limit, a token bucket spreads
//! what it holds, and reads pass before creates.

mod minute;

use minute::Minute;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Mutex as Turnstile;
use tokio::time::{Instant, sleep_until};

/// A create that has been the next one for this long goes before reads, so that sweeps cannot starve it.
/// Its own kind cannot have held it up: what creates have sent before counts no longer.
const CREATE_PATIENCE: Duration = Duration::from_secs(62);

/// Tokens a create leaves behind, so that a status read can follow a callback at once.
const RESERVE_FOR_READS: u32 = 2;

/// Creates leave one request in so many of each minute to reads: at the default that is two sweeps, and
/// status and result of two jobs. Every job costs a read at least, so creates do not need it for long.
const MINUTE_FOR_READS: u32 = 3;

/// How much faster than evenly the rest of a minute is spent: its last requests are spread, so that no long silence
/// follows a burst, and yet none is left over.
const HASTE: f64 = 2.0;

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
    minute: Minute,
    /// The creates' share of it.
    creates: Minute,
    tokens: f64,
    burst: f64,
    per_second: f64,
    /// Tokens a second as of `refilled`: slower while little of the minute is left.
    pace: f64,
    reserve: u32,
    /// When `tokens` was right; lies ahead while the vendor has closed the budget.
    refilled: Instant,
    throttled: Duration,
    create_overdue: bool,
}

impl Budget {
    /// Never more than `requests_per_minute` in any 60 seconds, so 90 in five minutes at the default of 18,
    /// where 100 is the limit seen in production. At most 5/9 of them go at once.
    pub(super) fn new(requests_per_minute: u32) -> Budget {
        let per_minute = requests_per_minute.max(1);
        let burst = (per_minute.saturating_mul(5) / 9).max(1);
        let per_second = f64::from(per_minute) / 60.0;
        Budget {
            bucket: Mutex::new(Bucket {
                minute: Minute::new(per_minute),
                creates: Minute::new(per_minute - per_minute / MINUTE_FOR_READS),
                tokens: f64::from(burst),
                burst: f64::from(burst),
                per_second,
                pace: per_second,
                reserve: RESERVE_FOR_READS.min(burst - 1),
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
        let _turn = match priority {
            Priority::Read => self.reads.lock().await,
            Priority::Create => self.creates.lock().await,
        };
        let since = Instant::now();
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
        let wanted = match priority {
            // One of them is the create's, even if there never are two.
            Priority::Read if self.create_overdue => 2,
            Priority::Create if !self.create_overdue => 1 + self.reserve,
            _ => 1,
        };
        let shared = priority == Priority::Create && !self.create_overdue;
        let Err(again) = self.may_send(now, wanted, shared) else {
            self.tokens -= 1.0;
            self.minute.note(now);
            if priority == Priority::Create {
                self.creates.note(now);
                self.create_overdue = false;
            }
            self.set_pace(now);
            return Ok(());
        };
        Err(match priority {
            Priority::Create if now < overdue => again.min(overdue),
            _ => again,
        })
    }

    /// Whether so many might be sent, for one that is to keep within the creates' share or not; else when to
    /// look again.
    fn may_send(&mut self, now: Instant, wanted: u32, shared: bool) -> Result<(), Instant> {
        // A hair later, so that rounding cannot make the next look come too early.
        let hair = now + Duration::from_millis(1);
        let later = |at: Option<Instant>| Err(at.map_or(hair, |at| at.max(hair)));
        if self.minute.room(now) < wanted {
            return later(self.minute.room_at(wanted));
        }
        if shared && self.creates.room(now) == 0 {
            return later(self.creates.next_room());
        }
        let missing = f64::from(wanted) - self.tokens;
        if missing <= 0.0 {
            return Ok(());
        }
        let refilled = hair + Duration::from_secs_f64(missing / self.pace);
        // A new pace begins when a part of the minute comes free.
        later(Some(
            self.minute
                .next_room()
                .map_or(refilled, |at| refilled.min(at)),
        ))
    }

    /// Up to `now`, at a new pace from each moment at which more of the minute came free.
    fn refill(&mut self, now: Instant) {
        while let Some(at) = self.minute.next_room().filter(|at| *at <= now) {
            self.refill_to(at);
        }
        self.refill_to(now);
    }

    fn refill_to(&mut self, at: Instant) {
        let passed = at.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.pace).min(self.burst);
        self.refilled = self.refilled.max(at);
        self.set_pace(at);
    }

    /// Slower, the less of the minute is left until more of it comes free.
    fn set_pace(&mut self, now: Instant) {
        // One at least is ready when there is room again.
        let room = f64::from(self.minute.room(now).max(1));
        self.pace = match self.minute.next_room() {
            Some(at) => {
                let evenly = room / (at - now).as_secs_f64();
                self.per_second.min(HASTE * evenly)
            }
            None => self.per_second,
        };
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
mod tests;
