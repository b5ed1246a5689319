//! Virtual time throughout.

use super::minute::MINUTE;
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
    for (per_minute, most) in [(18, 90), (1, 5), (100, 500), (100_000, 500_000)] {
        let mut budget = Simulation::new(per_minute);
        let taken = budget.taken_within(Priority::Read, Duration::from_secs(300));
        assert!(taken <= most, "{taken} at {per_minute} a minute");
        assert!(
            taken >= per_minute * 9 / 2,
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
        assert!(budget.acquire(priority) <= MINUTE + Duration::from_secs(1));
    }
}

#[test]
fn reads_without_end_cannot_starve_a_create() {
    for per_minute in [1, 2, 18] {
        let mut budget = Simulation::new(per_minute);
        let since = budget.now;
        let limit = since + CREATE_PATIENCE + MINUTE + Duration::from_secs(1);
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

/// The most that any 60 seconds hold.
fn most_in_a_minute(sent: &[Instant]) -> usize {
    let within = |from: &Instant| {
        let end = *from + Duration::from_secs(60);
        sent.iter().filter(|at| (*from..=end).contains(at)).count()
    };
    sent.iter().map(within).max().unwrap_or(0)
}

/// A mixed crowd asks in bursts, with quiet between; the answer is when each was let through.
async fn crowd(budget: &Arc<Budget>, seed: u64, bursts: &[(u32, u64)]) -> Vec<Instant> {
    let mut asking = tokio::task::JoinSet::new();
    let mut draw = seed;
    for (many, quiet) in bursts {
        for _ in 0..*many {
            draw = draw
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let priority = match draw >> 62 {
                0 => Priority::Create,
                _ => Priority::Read,
            };
            let late = Duration::from_millis(draw >> 50 & 0xfff);
            let budget = Arc::clone(budget);
            asking.spawn(async move {
                tokio::time::sleep(late).await;
                budget.acquire(priority).await;
                Instant::now()
            });
        }
        tokio::time::sleep(Duration::from_secs(*quiet)).await;
    }
    let mut sent = asking.join_all().await;
    sent.sort_unstable();
    sent
}

#[tokio::test(start_paused = true)]
async fn no_minute_wherever_it_begins_holds_more_than_the_limit() {
    for per_minute in [1, 2, 5, 12, 18, 60, 600] {
        for seed in 0..4 {
            let budget = Arc::new(Budget::new(per_minute));
            let much = per_minute * 2;
            let bursts = [(1, 75), (much, 3), (3, 50), (per_minute, 200), (much, 0)];
            let sent = crowd(&budget, seed, &bursts).await;
            let most = most_in_a_minute(&sent);
            let many = bursts.iter().map(|(many, _)| *many as usize).sum::<usize>();
            assert_eq!(sent.len(), many);
            assert!(
                most <= per_minute as usize,
                "{most} of {per_minute}, {seed}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_asked_for_holds_and_the_minute_after_it_too() {
    let budget = Arc::new(Budget::new(12));
    let before = crowd(&budget, 1, &[(20, 5)]);
    let pausing = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        budget.close(Duration::from_secs(50));
        Instant::now()
    };
    let (sent, closed) = tokio::join!(before, pausing);
    let open = closed + Duration::from_secs(50);
    assert!(sent.iter().all(|at| *at <= closed || *at >= open));
    assert!(most_in_a_minute(&sent) <= 12);
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_answered_at_once_while_creates_queue_at_the_default() {
    let budget = Arc::new(Budget::new(18));
    let mut creating = tokio::task::JoinSet::new();
    for _ in 0..28 {
        let budget = Arc::clone(&budget);
        creating.spawn(async move { budget.acquire(Priority::Create).await });
    }
    // Two sweeps a minute, and once a minute a callback: its status, then its result.
    for second in 0_u32..240 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let reads = match second % 60 {
            0 | 30 => 1,
            47 => 2,
            _ => 0,
        };
        for _ in 0..reads {
            let since = Instant::now();
            budget.acquire(Priority::Read).await;
            let waited = since.elapsed();
            assert!(waited < Duration::from_secs(1), "{waited:?} at {second} s");
        }
    }
    let created = std::iter::from_fn(|| creating.try_join_next()).count();
    assert_eq!(created, 28);
}

#[tokio::test(start_paused = true)]
async fn after_quiet_a_burst_goes_out_at_once_and_no_long_silence_follows_it() {
    let budget = Arc::new(Budget::new(18));
    for _ in 0..2 {
        let since = Instant::now();
        for _ in 0..10 {
            budget.acquire(Priority::Read).await;
        }
        assert_eq!(since.elapsed(), Duration::ZERO);
        for _ in 0..40 {
            let since = Instant::now();
            budget.acquire(Priority::Read).await;
            assert!(since.elapsed() < Duration::from_secs(20), "a silence");
        }
        tokio::time::sleep(Duration::from_secs(120)).await;
        let since = Instant::now();
        budget.acquire(Priority::Create).await;
        assert_eq!(since.elapsed(), Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(120)).await;
    }
}

/// Jobs without end, each with a callback at once, so two reads: the whole budget is used.
#[tokio::test(start_paused = true)]
async fn creates_and_their_reads_use_the_budget_up() {
    for per_minute in [6, 12, 18, 60] {
        let budget = Arc::new(Budget::new(per_minute));
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..per_minute * 4 {
            let budget = Arc::clone(&budget);
            asking.spawn(async move {
                budget.acquire(Priority::Create).await;
                tokio::time::sleep(Duration::from_millis(400)).await;
                budget.acquire(Priority::Read).await;
                budget.acquire(Priority::Read).await;
            });
        }
        let since = Instant::now();
        asking.join_all().await;
        // Twelve minutes' worth, of which a part goes at once.
        let minutes = since.elapsed().as_secs_f64() / 60.0;
        assert!(minutes < 14.0, "{minutes} at {per_minute} a minute");
    }
}
