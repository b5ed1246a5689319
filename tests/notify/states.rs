//! What is told: changes and recoveries, each once, also over restarts.

use crate::receiver::{Got, Mood, Receiver, stop, with_webhook};
use crate::stage::{DAY, Setup, Stage, text};
use reqwest::Method;
use serde_json::json;

const ALL: (&str, &str) = ("notify", "{ all = [\"ops\"] }");

fn kinds(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::kind).collect()
}

/// A run that must fail: nobody may create jobs.
fn fails(stage: &Stage) -> String {
    let run = stage.begin("daily", &DAY);
    assert_eq!(stage.ended(&run)["run"]["state"], "failed");
    run
}

#[test]
fn a_restart_tells_nothing_twice() {
    let notify = "{ failed = [\"ops\"], recovered = [\"ops\"] }";
    let (stage, hook) = with_webhook(Setup::faults("forbidden"), &[("notify", notify)]);
    let run = fails(&stage);
    hook.until(1, |_| true);
    stage.recorded(&run, "notice_delivered", 1);
    stage.kill();
    stage.start();
    fails(&stage);
    stage.stop();
    stage.start();
    stage.control(Method::POST, "/faults", "");
    stage.lands("daily", &DAY);
    hook.until(1, |got| got.kind() == "recovered");
    stop(&stage);
    assert_eq!(kinds(&hook.all()), ["failed", "recovered"]);
}

#[test]
fn what_a_crash_held_up_goes_out_later_under_the_same_id() {
    let (stage, hook) = with_webhook(Setup::default(), &[ALL]);
    hook.be(Mood::Hang);
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    let held = hook.until(1, |_| true);
    stage.kill();
    hook.be(Mood::Answer(200));
    stage.start();
    let all = hook.until(2, |_| true);
    assert_eq!(all[1].headers["webhook-id"], held[0].headers["webhook-id"]);
    assert_eq!(all[1].body, held[0].body);
    stage.recorded(&run, "notice_delivered", 1);
    stop(&stage);
    assert_eq!(kinds(&hook.all()), ["landed", "landed"]);
}

#[test]
fn late_data_is_told_and_its_coming_too() {
    let freshness = "{ warn_after = \"4s\", error_after = \"1h\" }";
    let notify = "{ late = [\"ops\"], recovered = [\"ops\"] }";
    let keys = [("freshness", freshness), ("notify", notify)];
    let (stage, hook) = with_webhook(Setup::default(), &keys);
    let late = &hook.until(1, |_| true)[0];
    assert_eq!(late.kind(), "late");
    assert_eq!(late.json()["level"], "warning");
    assert_eq!(late.json()["data"]["limit_seconds"], json!(4));
    stage.lands("daily", &DAY);
    let both = hook.until(2, |_| true);
    assert_eq!(kinds(&both[..2]), ["late", "fresh_again"]);
    stop(&stage);
}

#[test]
fn a_refused_reload_is_told_and_the_next_good_one() {
    let (stage, hook) = with_webhook(Setup::default(), &[ALL]);
    stage.write("schedules/other.toml", "report = \"rents\"\n");
    stage.verb(&["reload"]).exits(78);
    let rejected = &hook.until(1, |_| true)[0];
    assert_eq!(rejected.kind(), "reload_rejected");
    assert!(text(&rejected.json()["text"]).contains("other.toml"));
    std::fs::remove_file(stage.path("schedules/other.toml")).expect("it is there");
    stage.verb(&["reload"]).exits(0);
    hook.until(1, |got| got.kind() == "reload_taken");
    stop(&stage);
    assert_eq!(kinds(&hook.all()), ["reload_rejected", "reload_taken"]);
}

#[test]
fn a_spent_quota_is_told_until_a_job_is_taken_again() {
    let (stage, hook) = with_webhook(Setup::faults("quota"), &[ALL]);
    fails(&stage);
    hook.until(1, |got| got.kind() == "quota_spent");
    hook.until(1, |got| got.kind() == "failed");
    stage.control(Method::POST, "/faults", "");
    stage.lands("daily", &DAY);
    for kind in ["quota_free", "recovered", "landed"] {
        hook.until(1, |got| got.kind() == kind);
    }
    stop(&stage);
    assert_eq!(hook.all().len(), 5, "{:?}", kinds(&hook.all()));
}

#[test]
fn silent_callbacks_are_told_and_their_return() {
    let (stage, hook) = with_webhook(Setup::faults("lost-callback"), &[ALL]);
    for day in 1..=5 {
        let day = format!("2026-11-0{day}");
        stage.lands("daily", &["--from", &day, "--to", &day]);
    }
    hook.until(1, |got| got.kind() == "callbacks_silent");
    stage.control(Method::POST, "/faults", "");
    stage.lands("daily", &DAY);
    hook.until(1, |got| got.kind() == "callbacks_back");
    stop(&stage);
}

#[test]
fn a_backfill_is_told_of_at_its_end() {
    let (stage, hook) = with_webhook(Setup::default(), &[ALL]);
    let days = ["--from", "2026-11-01", "--to", "2026-11-03", "--wait"];
    let words: Vec<&str> = ["backfill", "daily"].into_iter().chain(days).collect();
    stage.verb(&words).exits(0);
    let finished = &hook.until(1, |got| got.kind() == "backfill_finished")[0];
    assert_eq!(finished.json()["data"]["failed"], json!(0));
    assert!(finished.json()["data"]["landed"].as_u64() >= Some(1));
    stop(&stage);
}

#[test]
fn nobody_is_told_what_happened_before_anybody_was_to_be_told() {
    let stage = Stage::running(Setup::faults("forbidden"), &[]);
    fails(&stage);
    stage.control(Method::POST, "/faults", "");
    stage.lands("daily", &DAY);
    stage.stop();
    let hook = Receiver::new(Mood::Answer(200));
    hook.write(&stage, "ops.url");
    let file = stage.path("aptiqd.toml");
    let text = std::fs::read_to_string(&file).expect("text");
    let more = "[notify.ops]\nkind = \"slack\"\nurl_file = \"ops.url\"\n";
    stage.write("aptiqd.toml", &format!("{text}{more}"));
    stage.schedule("daily", &[ALL]);
    stage.start();
    stage.lands("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    let said = hook.until(1, |_| true);
    assert!(said[0].body.contains("2026-11-02"), "{}", said[0].body);
    stop(&stage);
    assert_eq!(hook.all().len(), 1, "{:?}", hook.all());
}
