//! sled's pool of seven threads wakes once a second each, for ever (`perform_work` in its threadpool.rs, an unconditional
//! `recv_timeout` of a second), and nothing in its configuration changes that. A new thread takes over the timer slack
//! of the one that made it, by which the kernel may delay the end of a timed wait, not of one that is notified: so the
//! pool sleeps a minute longer, and works as fast as before.

use rustix::thread::set_current_timer_slack;
use std::num::NonZeroU64;

/// How much later a timed wait of sled's threads may end: 59 seconds.
const SLACK_NS: Option<NonZeroU64> = NonZeroU64::new(59_000_000_000);

/// Runs `make` under a slack that the threads made in it inherit.
pub fn with_slack<T>(make: impl FnOnce() -> T) -> T {
    // Where the kernel refuses, sled wakes as often as it wants to: that costs power, not data.
    let _ = set_current_timer_slack(SLACK_NS);
    let made = make();
    let _ = set_current_timer_slack(None);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// prctl answers an `int`, which this does not fit into.
    fn slack() -> String {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        std::fs::read_to_string(format!("/proc/{thread}/timerslack_ns")).unwrap()
    }

    #[test]
    fn threads_made_under_it_inherit_the_slack_and_ours_is_as_before() {
        let before = slack();
        let made = with_slack(|| std::thread::spawn(slack)).join().unwrap();
        assert_eq!(made.trim(), "59000000000");
        assert_eq!(slack(), before);
    }
}
