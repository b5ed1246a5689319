//! When a fire really starts: spread over `jitter`, the same for the same fire on every machine and after every
//! restart.

use super::Schedule;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

impl Schedule {
    /// When the fire of `nominal` starts: at most `jitter` later, and before the next nominal fire. Drawn from the
    /// schedule's name and the nominal time, so it needs no state.
    pub fn fires_at(&self, nominal: DateTime<Utc>) -> DateTime<Utc> {
        if self.jitter.is_zero() {
            return nominal;
        }
        let wanted = TimeDelta::from_std(self.jitter).unwrap_or(TimeDelta::MAX);
        let room = match self.cadence.next(nominal) {
            Some(next) => wanted.min(next - nominal - TimeDelta::milliseconds(1)),
            None => wanted,
        };
        let steps = room.num_milliseconds().max(0).cast_unsigned() + 1;
        nominal + TimeDelta::milliseconds((draw(self.name.as_str(), nominal) % steps).cast_signed())
    }
}

fn draw(name: &str, nominal: DateTime<Utc>) -> u64 {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update(nominal.timestamp_millis().to_be_bytes());
    let digest = hash.finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::super::tests::schedule;
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn without_jitter_a_fire_is_on_time() {
        let schedule = schedule("a", "@hourly");
        let nominal = schedule.cadence.next(DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(schedule.fires_at(nominal), nominal);
    }

    #[test]
    fn the_draw_is_frozen() {
        let mut schedule = schedule("owned-daily", "30 12 * * *");
        schedule.jitter = Duration::from_secs(300);
        let nominal: DateTime<Utc> = "2026-11-22T18:30:00Z".parse().unwrap();
        // A new version of aptiqd must not fire anew what an older one has fired.
        assert_eq!(
            schedule.fires_at(nominal).to_rfc3339(),
            "2026-11-22T18:32:03.623+00:00"
        );
    }

    proptest! {
        #[test]
        fn within_the_jitter_and_before_the_next_fire(
            name in "[a-z]{1,8}",
            jitter in 0..200_000u64,
            hour in 0..400_000i64,
        ) {
            let mut schedule = schedule(&name, "*/30 * * * *");
            schedule.jitter = Duration::from_secs(jitter);
            let after = DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
            let nominal = schedule.cadence.next(after).unwrap();
            let at = schedule.fires_at(nominal);
            prop_assert_eq!(at, schedule.fires_at(nominal));
            prop_assert!(nominal <= at && at <= nominal + TimeDelta::seconds(jitter.cast_signed()));
            prop_assert!(at < schedule.cadence.next(nominal).unwrap());
        }
    }

    /// A jitter that is longer than the cadence's pace is cut to it, and used up.
    #[test]
    fn fires_that_follow_closely_stay_in_order() {
        let mut second = 0;
        for number in 0..4_000 {
            let mut schedule = schedule(&format!("s{number}"), "* * * * * *");
            schedule.jitter = Duration::from_secs(60);
            let nominal: DateTime<Utc> = "2026-11-22T18:30:00Z".parse().unwrap();
            let late = (schedule.fires_at(nominal) - nominal).num_milliseconds();
            assert!(late < 1_000, "{late} ms");
            second = second.max(late);
        }
        assert!(second > 900, "{second} ms");
    }

    #[test]
    fn schedules_of_one_second_spread_over_the_whole_jitter() {
        let nominal: DateTime<Utc> = "2026-11-22T18:30:00Z".parse().unwrap();
        let mut quarters = [0; 4];
        for number in 0..400 {
            let mut schedule = schedule(&format!("s{number}"), "30 18 * * *");
            schedule.jitter = Duration::from_secs(60);
            let late = (schedule.fires_at(nominal) - nominal).num_seconds();
            quarters[usize::try_from(late / 15).unwrap().min(3)] += 1;
        }
        assert!(quarters.iter().all(|&count| count > 60), "{quarters:?}");
    }
}
