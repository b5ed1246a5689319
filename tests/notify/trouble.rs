//! A receiver that hangs, refuses or sends elsewhere harms no run, and shows.

use crate::receiver::{Mood, stop, with_webhook};
use crate::stage::{DAY, Setup};
use reqwest::Method;

const ALL: (&str, &str) = ("notify", "{ all = [\"ops\"] }");

#[test]
fn a_receiver_that_hangs_holds_up_nothing() {
    let (stage, hook) = with_webhook(Setup::default(), &[ALL]);
    hook.be(Mood::Hang);
    for day in 1..=3 {
        let day = format!("2026-11-0{day}");
        stage.lands("daily", &["--from", &day, "--to", &day]);
    }
    hook.until(1, |_| true);
    assert_eq!(stage.admin(Method::GET, "/-/ready").status, 200);
    stop(&stage);
}

#[test]
fn no_redirect_is_followed_and_the_failure_shows() {
    let (stage, hook) = with_webhook(Setup::default(), &[ALL]);
    hook.be(Mood::Redirect);
    stage.lands("daily", &DAY);
    // The second try shows that the first one's failure was noted.
    hook.until(2, |_| true);
    let metrics = stage.admin(Method::GET, "/metrics").text();
    let sample = "aptiqd_notifier_failing{notifier=\"ops\"} 1";
    assert!(metrics.contains(sample), "{metrics}");
    let elsewhere = hook.all().iter().any(|got| got.path.contains("elsewhere"));
    assert!(!elsewhere);
    stop(&stage);
    assert!(stage.log().contains("it answered 302"), "{}", stage.log());
}

#[test]
fn an_address_that_is_not_https_is_not_used() {
    let (stage, hook) = with_webhook(Setup::default(), &[ALL]);
    stage.write_secret("ops.url", "http://192.0.2.1/hook-canary-1234");
    stage.lands("daily", &DAY);
    // The file is read for every try: mending it is enough.
    let failing = "aptiqd_notifier_failing{notifier=\"ops\"} 1";
    let begun = std::time::Instant::now();
    while !stage
        .admin(Method::GET, "/metrics")
        .text()
        .contains(failing)
    {
        assert!(begun.elapsed() < crate::stage::PATIENCE, "{}", stage.log());
    }
    hook.write(&stage, "ops.url");
    hook.until(1, |got| got.kind() == "landed");
    stop(&stage);
    let log = stage.log();
    assert!(log.contains("its address is not https"), "{log}");
    assert!(!log.contains("hook-canary"), "{log}");
}
