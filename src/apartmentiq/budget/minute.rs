//! What was sent within the last minute: no minute, wherever it begins, holds more than its limit.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// A second longer than the vendor's, because requests take unequally long to get there.
pub(super) const MINUTE: Duration = Duration::from_secs(61);
/// Requests this close together are remembered as one instant, the latest, which bounds the memory.
const GRAIN: Duration = Duration::from_millis(10);

pub(super) struct Minute {
    limit: u32,
    /// Oldest first: until when they count, and how many they are.
    sent: VecDeque<(Instant, u32)>,
    count: u32,
}

impl Minute {
    pub(super) fn new(limit: u32) -> Minute {
        Minute {
            limit,
            sent: VecDeque::new(),
            count: 0,
        }
    }

    /// How many more may be sent at `now`.
    pub(super) fn room(&mut self, now: Instant) -> u32 {
        while let Some((until, count)) = self.sent.front().copied()
            && until <= now
        {
            self.sent.pop_front();
            self.count -= count;
        }
        self.limit.saturating_sub(self.count)
    }

    /// One is sent at `now`.
    pub(super) fn note(&mut self, now: Instant) {
        self.count += 1;
        match self.sent.back_mut() {
            Some((until, count)) if now + MINUTE <= *until => *count += 1,
            _ => self.sent.push_back((now + GRAIN + MINUTE, 1)),
        }
    }

    /// When there is next more room than now.
    pub(super) fn next_room(&self) -> Option<Instant> {
        self.sent.front().map(|(until, _)| *until)
    }

    /// When there is room for `wanted`, if nothing is sent until then; for all, if that is less.
    pub(super) fn room_at(&self, wanted: u32) -> Option<Instant> {
        let mut room = self.limit.saturating_sub(self.count);
        let enough = self.sent.iter().find(|(_, count)| {
            room += count;
            room >= wanted
        });
        enough.or(self.sent.back()).map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_whatever_the_limit() {
        let mut minute = Minute::new(100_000);
        let start = Instant::now();
        let mut now = start;
        while minute.room(now) > 0 {
            minute.note(now);
            now += Duration::from_micros(600);
        }
        assert_eq!(minute.count, 100_000);
        assert!(minute.sent.len() <= 6_101, "{}", minute.sent.len());
        // No request is forgotten before its minute is over.
        assert_eq!(minute.room(start + MINUTE - Duration::from_nanos(1)), 0);
        assert!(minute.room(start + MINUTE + GRAIN) > 0);
    }
}
