//! The admin listener: which path answers what, in which form, to whom.

use crate::stage::{DAY, Setup, Stage, fields, list, text};
use reqwest::Method;
use serde_json::json;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

#[test]
fn each_path_answers_in_its_form() {
    let stage = Stage::running(Setup::default(), &[]);
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    let show = format!("/api/v1/runs/{run}");
    let answers = [
        ("/-/healthy", 200, JSON),
        ("/-/ready", 200, JSON),
        ("/metrics", 200, "text/plain"),
        ("/", 200, "text/html"),
        ("/api/v1/status", 200, JSON),
        ("/api/v1/schedules", 200, JSON),
        ("/api/v1/runs", 200, JSON),
        (
            "/api/v1/runs?schedule=daily&state=landed&limit=1",
            200,
            JSON,
        ),
        (show.as_str(), 200, JSON),
        ("/api/v1/runs/daily.20200101T000000Z", 404, PROBLEM),
        ("/api/v1/runs?limit=x", 400, PROBLEM),
        ("/api/v1/runs?colour=red", 400, PROBLEM),
        ("/api/v1/nothing", 404, PROBLEM),
        ("/api/v1/schedules/daily/trigger", 405, PROBLEM),
    ];
    for (path, status, kind) in answers {
        let said = stage.admin(Method::GET, path);
        assert_eq!(said.status, status, "{path}: {}", said.text());
        assert!(
            said.content_type.starts_with(kind),
            "{path}: {}",
            said.content_type
        );
        if kind == PROBLEM {
            let problem = said.json();
            for field in ["type", "title", "status", "detail"] {
                assert!(fields(&problem).contains(&field), "{path}: {problem}");
            }
            assert_eq!(problem["status"], json!(status));
        }
    }
    assert_eq!(stage.admin(Method::GET, &show).json(), stage.show(&run));
    assert_eq!(
        stage.admin(Method::GET, "/api/v1/runs").json(),
        stage.verb(&["runs"]).json()
    );
    stage.stop();
}

#[test]
fn acts_over_http_do_what_the_verbs_do() {
    let stage = Stage::running(Setup::faults("hold"), &[]);
    let post = |path: &str| stage.admin(Method::POST, path);
    let triggered = post("/api/v1/schedules/daily/trigger");
    assert_eq!(triggered.status, 200, "{}", triggered.text());
    let run = text(&triggered.json()["run"]["id"]);
    assert_eq!(post("/api/v1/schedules/daily/trigger").status, 409);
    assert_eq!(post("/api/v1/schedules/nightly/trigger").status, 404);
    stage.until("a job", |state| state["creates"] == json!(1));
    assert_eq!(post(&format!("/api/v1/runs/{run}/cancel")).status, 200);
    assert_eq!(stage.ended(&run)["run"]["state"], "cancelled");
    assert_eq!(
        post("/api/v1/schedules/daily/pause").status,
        400,
        "without a reason"
    );
    assert_eq!(
        post("/api/v1/schedules/daily/resume").status / 100,
        4,
        "it is not paused"
    );
    assert_eq!(post("/-/reload").status, 200);
    stage.stop();
}

#[test]
fn another_sites_page_may_not_ask() {
    let stage = Stage::running(Setup::default(), &[]);
    let url = format!(
        "http://127.0.0.1:{}/api/v1/schedules/daily/trigger",
        stage.admin_port
    );
    let foreign = stage
        .request(Method::POST, &url)
        .header("origin", "https://evil.example");
    assert_eq!(stage.send(foreign).status, 403);
    let rebound = stage
        .request(Method::GET, &url)
        .header("host", "evil.example");
    assert_eq!(stage.send(rebound).status, 403);
    assert_eq!(stage.state()["creates"], json!(0));
    stage.stop();
}

#[test]
fn a_token_guards_the_listener_and_not_the_socket() {
    let setup = Setup::default().with("admin.token_file", "\"admin.token\"");
    let stage = Stage::set(setup);
    stage.write_secret("admin.token", "correct-horse-battery");
    stage.schedule("daily", &[]);
    stage.start();
    let url = format!("http://127.0.0.1:{}/api/v1/status", stage.admin_port);
    let ask = |token: Option<&str>| {
        let request = stage.request(Method::GET, &url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        stage.send(request).status
    };
    assert_eq!(ask(None), 401);
    assert_eq!(ask(Some("wrong-horse-battery")), 401);
    assert_eq!(ask(Some("correct-horse-battery")), 200);
    stage.verb(&["status"]).exits(0);
    assert!(!stage.log().contains("correct-horse"));
    stage.stop();
}

#[test]
fn the_metrics_of_the_contract_are_there_and_well_formed() {
    let stage = Stage::running(
        Setup::default(),
        &[(
            "freshness",
            "{ warn_after = \"26h\", error_after = \"36h\" }",
        )],
    );
    stage.lands("daily", &DAY);
    let metrics = stage.admin(Method::GET, "/metrics").text();
    let samples = [
        "aptiqd_build_info{",
        "aptiqd_runs_total{schedule=\"daily\",outcome=\"landed\"} 1",
        "aptiqd_run_duration_seconds_count{schedule=\"daily\",phase=\"",
        "aptiqd_jobs_in_flight 0",
        "aptiqd_job_completions_total{learned_by=\"callback\"} 1",
        "aptiqd_callbacks_total{outcome=\"accepted\"} 1",
        "aptiqd_api_requests_total{endpoint=\"create\",code=\"200\"} 1",
        "aptiqd_api_throttled_seconds_total 0",
        "aptiqd_credential_expiry_timestamp_seconds 1",
        "aptiqd_schedule_next_fire_timestamp_seconds{schedule=\"daily\"} ",
        "aptiqd_schedule_last_success_timestamp_seconds{schedule=\"daily\"} ",
        "aptiqd_schedule_data_through_timestamp_seconds{schedule=\"daily\"} ",
        "aptiqd_rows_landed_total 3",
        "aptiqd_bytes_landed_total ",
        "aptiqd_duplicate_jobs_total 0",
        "aptiqd_scheduler_lag_seconds ",
        "aptiqd_config_last_reload_successful 1",
        "aptiqd_landing_free_bytes ",
    ];
    for sample in samples {
        assert!(
            metrics.lines().any(|line| line.starts_with(sample)),
            "{sample}: {metrics}"
        );
    }
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with("aptiqd_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(!name.contains("99001416"), "a property as a label: {line}");
    }
    stage.stop();
}

#[test]
fn events_are_a_stream_that_resumes() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    let url = format!("http://127.0.0.1:{}/api/v1/events", stage.admin_port);
    let (kind, first) = stage.block_on(async {
        let request = stage
            .request(Method::GET, &url)
            .header("accept", "text/event-stream")
            .header("last-event-id", "1");
        let mut answer = request.send().await.expect("a stream");
        let kind = answer.headers()["content-type"]
            .to_str()
            .expect("text")
            .to_owned();
        let chunk = answer.chunk().await.expect("a chunk").expect("an event");
        (kind, String::from_utf8_lossy(&chunk).into_owned())
    });
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    assert!(first.contains("id: 2\n"), "the stream begins with {first}");
    let events = stage.verb(&["events"]).exits(0).json();
    assert!(list(&events["events"]).len() > 2);
    stage.stop();
}
