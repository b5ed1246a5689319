//! By callback or by the sweep: how the end of a job is learned, and what it costs the vendor.

use crate::stage::{Callbacks, DAY, Setup, Stage, list, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// How the attempts of a run were learned of.
fn learned_by(shown: &Value) -> Vec<String> {
    let parts = list(&shown["parts"]).iter();
    parts
        .flat_map(|part| list(&part["attempts"]))
        .map(|attempt| text(&attempt["learned_by"]))
        .collect()
}

fn requests(state: &Value, endpoint: &str) -> u64 {
    state["requests"][endpoint].as_u64().unwrap_or(0)
}

#[test]
fn without_a_public_url_the_sweep_alone_drives_sixty_jobs() {
    let setup = Setup::default()
        .without_callbacks()
        .with("api.open_jobs_max", "60")
        .job_time(Duration::from_secs(3));
    let ids: Vec<String> = (1..=60).map(|n| n.to_string()).collect();
    let ids: &'static str = format!("{{ ids = [{}] }}", ids.join(", ")).leak();
    let stage = Stage::running(
        setup,
        &[
            ("properties", ids),
            ("chunk", "{ properties = 1, days = 31 }"),
        ],
    );
    let shown = stage.lands("daily", &DAY);
    assert_eq!(shown["run"]["parts"]["total"], json!(60));
    assert_eq!(learned_by(&shown), vec!["poll"; 60]);
    let state = stage.state();
    assert_eq!(requests(&state, "create"), 60);
    for seen in list(&state["requests_log"]) {
        assert!(seen["body"].get("callback_url").is_none(), "{seen}");
    }
    // A job takes at most 4.5 s; the sweep comes every second and reads all of them at once.
    assert_eq!(requests(&state, "job"), 0, "no job is read by itself");
    let lists = requests(&state, "list");
    assert!((1..=30).contains(&lists), "{lists} lists");
    let log = list(&state["requests_log"]);
    for sweep in log.iter().filter(|seen| seen["endpoint"] == "list") {
        assert!(text(&sweep["query"]).contains("per_page=100"), "{sweep}");
    }
    let status = stage.verb(&["status"]).exits(0).json();
    assert_eq!(status["callbacks"]["public_url"], Value::Null);
    stage.stop();
}

#[test]
fn a_callback_is_followed_by_a_status_read_long_before_a_poll() {
    let setup = Setup::faults("hold").with("api.poll_interval", "\"10m\"");
    let stage = Stage::running(
        setup,
        &[
            ("properties", "{ ids = [1, 2, 3, 4] }"),
            ("chunk", "{ properties = 1, days = 31 }"),
        ],
    );
    let run = stage.begin("daily", &DAY);
    stage.recorded(&run, "submit_accepted", 4);
    stage.control(Method::POST, "/release", "");
    let shown = stage.ended(&run);
    assert_eq!(shown["run"]["state"], "landed", "{shown:#}");
    assert_eq!(learned_by(&shown), vec!["callback"; 4]);
    let state = stage.state();
    assert_eq!(state["callbacks"]["answered"], json!(4));
    // At most the sweep that a start begins with, and one for callbacks that came together.
    assert!(requests(&state, "list") <= 2, "{}", state["requests"]);
    for job in list(&state["jobs"]) {
        assert!(job["status_reads"].as_u64() <= Some(1), "{job}");
    }
    // The journal has both instants in the daemon's own time.
    let events = list(&shown["events"]);
    for part in 1..=4 {
        let at = |name: &str| {
            let event = events
                .iter()
                .find(|event| event["event"] == name && event["detail"]["part"] == json!(part))
                .unwrap_or_else(|| panic!("no {name} of part {part}: {events:#?}"));
            chrono::DateTime::parse_from_rfc3339(&text(&event["at"])).expect("an instant")
        };
        let took = at("job_checked") - at("callback_heard");
        assert!(took < chrono::TimeDelta::minutes(2), "part {part}: {took}");
    }
    stage.stop();
}

#[test]
fn a_lost_callback_only_costs_time() {
    let stage = Stage::running(Setup::faults("lost-callback"), &[]);
    let shown = stage.lands("daily", &DAY);
    assert_eq!(learned_by(&shown), ["poll"]);
    assert_eq!(stage.state()["callbacks"]["sent"], json!(0));
    stage.stop();
}

#[test]
fn the_address_is_the_public_url_and_a_token_of_unreserved_characters() {
    let setup = Setup::default();
    assert_eq!(setup.callbacks, Callbacks::On);
    let stage = Stage::running(setup, &[]);
    stage.lands("daily", &DAY);
    let state = stage.state();
    let url = text(&state["jobs"][0]["callback_url"]);
    let origin = format!("http://127.0.0.1:{}/cb/v1/", stage.callback_port);
    let token = url.strip_prefix(&origin).expect("public_url + /cb/v1/");
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    assert!(
        !token.is_empty() && token.chars().all(unreserved),
        "a reserved character"
    );
    stage.stop();
}
