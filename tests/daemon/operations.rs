//! What an operator asks when something is wrong: `doctor`, `callback test`, `token check`, plugins.

use crate::proxy::{Conduct, Proxy};
use crate::stage::{Credential, DAY, Setup, Stage, fields, list, text};
use aptiqd::apartmentiq::CallbackKeys;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;

/// In the order in which things are to be mended.
const CHECKS: [&str; 13] = [
    "clock",
    "zones",
    "disk_state",
    "disk_landing",
    "permissions",
    "configuration",
    "daemon",
    "credential",
    "rate_limits",
    "store",
    "orphan_jobs",
    "unfetched_jobs",
    "callback",
];

#[track_caller]
fn check<'d>(doctor: &'d Value, name: &str) -> &'d Value {
    let found = list(&doctor["checks"])
        .iter()
        .find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {doctor:#}"))
}

#[test]
fn a_doctor_finds_nothing_where_all_is_well() {
    // A fire at midnight would warn that its day is not finished yet.
    let stage = Stage::running(Setup::default(), &[("cron", "\"0 13 29 2 *\"")]);
    stage.lands("daily", &DAY);
    let doctor = stage.verb(&["doctor"]).exits(0).json();
    assert_eq!(fields(&doctor), ["checks", "ok", "schema"]);
    assert_eq!(
        (&doctor["schema"], &doctor["ok"]),
        (&json!("aptiqd.doctor/1"), &json!(true))
    );
    let names: Vec<String> = list(&doctor["checks"])
        .iter()
        .map(|one| text(&one["name"]))
        .collect();
    assert_eq!(names, CHECKS);
    for one in list(&doctor["checks"]) {
        assert_eq!(
            fields(one),
            ["expected", "help", "name", "observed", "status"]
        );
        // The machine's disk and zones are whatever they are.
        let machines =
            ["zones", "disk_state", "disk_landing"].contains(&text(&one["name"]).as_str());
        assert!(machines || one["status"] == "pass", "{one}");
        assert_eq!(one["help"] == "", one["status"] == "pass", "{one}");
    }
    assert!(text(&check(&doctor, "credential")["observed"]).contains("account"));
    assert!(text(&check(&doctor, "clock")["observed"]).contains("ApartmentIQ"));
    let said = stage.plain(&["doctor"]).exits(0).stdout;
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("pass "))
            .count(),
        13 - warned(&doctor)
    );
    stage.stop();
}

fn warned(doctor: &Value) -> usize {
    let all = list(&doctor["checks"]).iter();
    all.filter(|one| one["status"] != "pass").count()
}

#[test]
fn a_broken_schedule_is_the_doctors_78() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.write("schedules/broken.toml", "report = 1\n");
    let answer = stage.verb(&["doctor"]).exits(78);
    let doctor = answer.json();
    assert_eq!(doctor["ok"], json!(false));
    let line = check(&doctor, "configuration");
    assert_eq!(line["status"], "fail");
    assert!(text(&line["observed"]).contains("broken.toml:1:"), "{line}");
    assert!(
        text(&line["help"]).starts_with("aptiqd check --config "),
        "{line}"
    );
    assert_eq!(answer.error()["code"], "config");
    stage.stop();
}

#[test]
fn a_token_is_accepted_then_refused() {
    let setup = Setup {
        credential: Credential::Token,
        ..Setup::default()
    };
    let stage = Stage::running(setup, &[]);
    let token = stage.verb(&["token", "check"]).exits(0).json();
    assert_eq!(token["schema"], "aptiqd.token/1");
    assert_eq!(
        (&token["ok"], &token["kind"]),
        (&json!(true), &json!("token"))
    );
    let days = token["expires_in_seconds"].as_i64().expect("a number") / 86_400;
    assert!((29..=30).contains(&days), "{token}");
    assert!(!list(&token["accounts"]).is_empty(), "{token}");
    let plugin = stage.plain(&["token", "check", "--nagios"]).exits(0).stdout;
    assert!(plugin.starts_with("APTIQD TOKEN OK - "), "{plugin}");
    assert!(plugin.contains("| expires_in="), "{plugin}");

    stage.write_secret("token", "not-a-token");
    let refused = stage.verb(&["token", "check"]).exits(77);
    assert_eq!(refused.json()["standing"], "refused");
    assert_eq!(refused.error()["code"], "credential_refused");
    let plugin = stage.plain(&["token", "check", "--nagios"]).exits(2).stdout;
    assert!(
        plugin.starts_with("APTIQD TOKEN CRITICAL - refused"),
        "{plugin}"
    );
    let plugin = stage.plain(&["status", "--nagios"]).exits(2).stdout;
    assert!(
        plugin.starts_with("APTIQD CRITICAL - credential: "),
        "{plugin}"
    );
    let doctor = stage.verb(&["doctor"]).exits(77).json();
    assert_eq!(check(&doctor, "credential")["status"], "fail");
    assert_eq!(check(&doctor, "orphan_jobs")["status"], "warn");

    stage.write_secret("token", &stage.sandbox().access_token());
    stage.verb(&["token", "check"]).exits(0);
    stage.stop();
}

#[test]
fn a_vendor_out_of_reach_is_no_refusal() {
    // Port 9 is discard's: nobody listens there.
    let setup = Setup::default()
        .with("api.base_url", "\"http://127.0.0.1:9/apartmentiq/api/v1\"")
        .with("api.token_url", "\"http://127.0.0.1:9/oauth/token\"");
    let stage = Stage::running(setup, &[]);
    let answer = stage.verb(&["token", "check"]).exits(75);
    assert_eq!(answer.json()["standing"], "unknown");
    assert_eq!(answer.error()["retryable"], json!(true));
    let plugin = stage.plain(&["token", "check", "--nagios"]).exits(3).stdout;
    assert!(plugin.starts_with("APTIQD TOKEN UNKNOWN - "), "{plugin}");
    let doctor = stage.verb(&["doctor"]).exits(1).json();
    assert_eq!(check(&doctor, "credential")["status"], "fail");
    assert_eq!(check(&doctor, "callback")["status"], "pass");
    stage.stop();
}

#[test]
fn a_callback_to_ourselves_is_heard_and_recorded() {
    let stage = Stage::running(Setup::default(), &[]);
    let test = stage.verb(&["callback", "test"]).exits(0).json();
    assert_eq!(test["schema"], "aptiqd.callback_test/1");
    assert_eq!((&test["ok"], &test["heard"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&test["status"], &test["problem"]),
        (&json!(202), &Value::Null)
    );
    assert_eq!(test["oddities"], json!([]));
    let events = stage
        .verb(&["events", "--schedule", "callback-test"])
        .exits(0)
        .json();
    let heard = list(&events["events"])
        .iter()
        .filter(|one| one["event"] == "callback_heard");
    assert_eq!(heard.count(), 1, "it is on disk: {events:#}");
    assert!(
        stage
            .plain(&["callback", "test"])
            .exits(0)
            .stdout
            .contains("heard by the daemon")
    );
    stage.stop();
}

#[test]
fn whatever_stands_in_the_way_of_callbacks_is_named() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    let proxy = Proxy::before(stage.callback_port);
    let path = stage.path("aptiqd.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    let ours = format!("public_url = \"http://127.0.0.1:{}\"", stage.callback_port);
    let theirs = format!("public_url = \"http://127.0.0.1:{}\"", proxy.port);
    assert!(config.contains(&ours), "{config}");
    stage.write("aptiqd.toml", &config.replace(&ours, &theirs));
    stage.start();
    stage.verb(&["callback", "test"]).exits(0);
    for (conduct, words, help) in [
        (
            Conduct::Redirects,
            "a redirect to https://elsewhere.example",
            "public_url",
        ),
        (Conduct::ShowsPage, "a page answers", "bot protection"),
        (Conduct::StripsPath, "under another path", "stripped"),
        (
            Conduct::SwallowsAll,
            "something else answered 202",
            "callback.listen",
        ),
        (Conduct::AnswersOtherwise, "told 200", "unchanged"),
        (Conduct::HangsUp, "nothing answers", "proxy"),
    ] {
        proxy.behave(conduct);
        let answer = stage.verb(&["callback", "test"]).exits(1);
        let test = answer.json();
        assert_eq!(test["ok"], json!(false), "{conduct:?}");
        assert!(
            text(&test["problem"]).contains(words),
            "{conduct:?}: {test}"
        );
        assert!(text(&test["help"]).contains(help), "{conduct:?}: {test}");
        assert_eq!(answer.error()["code"], "failed", "{conduct:?}");
    }
    let doctor = stage.verb(&["doctor"]).exits(1).json();
    assert_eq!(check(&doctor, "callback")["status"], "fail");
    // Nothing in a body is believed, so a changed one is odd and no more.
    proxy.behave(Conduct::ChangesBody);
    let test = stage.verb(&["callback", "test"]).exits(0).json();
    assert!(
        text(&test["oddities"][0]).contains("body was changed"),
        "{test}"
    );
    let doctor = stage.verb(&["doctor"]).exits(0).json();
    assert_eq!(check(&doctor, "callback")["status"], "warn");
    stage.stop();
}

#[test]
fn without_a_public_url_there_is_nothing_to_test() {
    let stage = Stage::running(Setup::default().without_callbacks(), &[]);
    let answer = stage.verb(&["callback", "test"]).exits(78);
    assert!(text(&answer.error()["message"]).contains("public_url"));
    let doctor = stage.verb(&["doctor"]).exits(0).json();
    assert_eq!(check(&doctor, "callback")["status"], "warn");
    stage.stop();
}

/// One that its schedule wants is taken up; one whose schedule is gone stays for people to judge.
#[test]
fn jobs_with_our_address_that_we_do_not_know_are_orphans_and_left_alone() {
    let setup = Setup::default().with("callback.key_file", "\"callback.key\"");
    let stage = Stage::set(setup);
    stage.schedule("daily", &[]);
    stage.write_secret("callback.key", &"5e".repeat(32));
    let keys = CallbackKeys::parse(&"5e".repeat(32)).expect("keys");
    let public_url = format!("http://127.0.0.1:{}", stage.callback_port);
    let create_for = |attempt: &str| {
        let attempt = attempt.parse().expect("an id");
        create(&stage, Some(keys.address(&public_url, &attempt)))
    };
    let orphan = create_for("gone.20251101T000000Z.p1.a1");
    let wanted = create_for("daily.20251101T000000Z.p1.a1");
    let theirs = create(&stage, None);
    let all_succeeded = |state: &Value| {
        list(&state["jobs"])
            .iter()
            .all(|job| job["status"] == "succeeded")
    };
    stage.until("all have ended", all_succeeded);
    stage.start();
    stage.recorded("daily.20251101T000000Z", "run_regained", 1);
    let shown = stage.ended("daily.20251101T000000Z");
    assert_eq!(shown["run"]["state"], "landed", "{shown:#}");

    let doctor = stage.verb(&["doctor"]).exits(0).json();
    let orphans = check(&doctor, "orphan_jobs");
    assert_eq!(orphans["status"], "warn", "{orphans}");
    let observed = text(&orphans["observed"]);
    assert!(observed.contains(&orphan), "{orphans}");
    assert!(!observed.contains(&wanted), "{orphans}");
    assert!(!observed.contains(&theirs), "{orphans}");
    assert!(observed.contains("1 of others"), "{orphans}");
    let unfetched = check(&doctor, "unfetched_jobs");
    assert_eq!(unfetched["status"], "warn", "{unfetched}");
    let observed = text(&unfetched["observed"]);
    assert!(observed.contains("1 succeeded"), "{unfetched}");
    assert!(observed.contains(&orphan), "{unfetched}");
    assert!(observed.contains("167 h left"), "{unfetched}");
    let state = stage.state();
    assert!(all_succeeded(&state), "{state:#}");
    assert_eq!(state["creates"], json!(3), "{state:#}");
    stage.stop();
}

/// A job as somebody else creates it; its id.
fn create(stage: &Stage, callback_url: Option<String>) -> String {
    let sandbox = stage.sandbox();
    let url = format!("{}/bulk_api/jobs", sandbox.base_url());
    let mut body = json!({
        "report_type": "property", "output_format": "csv", "start_date": "2025-11-01",
        "end_date": "2025-11-01", "property_ids": [99_001_416],
    });
    if let Some(address) = callback_url {
        body["callback_url"] = json!(address);
    }
    let request = stage.request(Method::POST, &url).json(&body);
    let said = stage.send(request.bearer_auth(sandbox.access_token()));
    assert_eq!(said.status, 200, "{}", said.text());
    text(&said.json()["job_id"])
}

#[test]
fn a_result_that_an_ended_run_left_behind_is_named_with_its_retry() {
    // Wrong bytes twice are given up, unlike a broken download; and a second job is not allowed.
    let stage = Stage::running(
        Setup::faults("wrong-format=always"),
        &[("retry", "{ attempts = 1, first = \"1s\", max = \"1s\" }")],
    );
    let run = text(&stage.trigger("daily", &DAY).exits(1).json()["run"]["id"]);
    let doctor = stage.verb(&["doctor"]).exits(0).json();
    let unfetched = check(&doctor, "unfetched_jobs");
    assert_eq!(unfetched["status"], "warn", "{unfetched}");
    assert_eq!(text(&unfetched["help"]), format!("aptiqd retry {run}"));
    assert_eq!(check(&doctor, "orphan_jobs")["status"], "pass");
    stage.stop();
}

#[test]
fn freshness_as_a_plugin_counts_seconds() {
    let fresh = "[freshness]\nwarn_after = \"1s\"\nerror_after = \"30d\"\n";
    let stage = Stage::set(Setup::default());
    let schedule = crate::stage::schedule(&[]);
    stage.write("schedules/daily.toml", &format!("{schedule}{fresh}"));
    stage.start();
    stage.lands("daily", &DAY);
    // Older than a second it is as soon as the next one has begun.
    let landed = std::time::Instant::now();
    let late = loop {
        let answer = stage.plain(&["freshness", "--nagios"]);
        if answer.code != 0 || landed.elapsed() > crate::stage::PATIENCE {
            break answer.exits(1).stdout;
        }
    };
    assert!(late.starts_with("APTIQD FRESHNESS WARNING - "), "{late}");
    assert!(late.contains("| 'daily'="), "{late}");
    assert!(late.trim_end().ends_with(";1;2592000"), "{late}");
    stage.stop();
}
