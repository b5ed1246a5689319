//! The admin API by its own description: every document as `/openapi.json` says, every error a problem,
//! pages that join, and a POST sent twice carried out once.

use crate::stage::{DAY, Setup, Stage, list, text};
use reqwest::Method;
use serde_json::{Value, json};

/// Checks answers against the served description.
struct Description(Value);

impl Description {
    fn of(stage: &Stage) -> Description {
        let document = stage.admin(Method::GET, "/openapi.json").json();
        assert_eq!(document["openapi"], "3.1.0");
        Description(document)
    }

    /// What the description says about an answer of this operation.
    #[track_caller]
    fn allows(&self, method: &str, template: &str, status: u16, kind: &str, body: &Value) {
        let operation = &self.0["paths"][template][method];
        let mut response = &operation["responses"][status.to_string()];
        assert!(
            response.is_object(),
            "{method} {template} may not answer {status}"
        );
        if let Some(reference) = response["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("local");
            response = self.0.pointer(pointer).expect("it leads somewhere");
        }
        let kind = kind.split(';').next().unwrap_or_default();
        let mut schema = response["content"][kind]["schema"].clone();
        assert!(
            schema.is_object(),
            "{method} {template}: {status} as {kind}"
        );
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let faults: Vec<String> = validator
            .iter_errors(body)
            .map(|fault| fault.to_string())
            .collect();
        assert!(
            faults.is_empty(),
            "{method} {template}: {faults:?} in {body:#}"
        );
    }
}

fn post(stage: &Stage, path: &str, body: &Value) -> crate::stage::Said {
    let url = format!("http://127.0.0.1:{}{path}", stage.admin_port);
    let request = stage.request(Method::POST, &url);
    stage.send(
        request
            .header("content-type", "application/json")
            .body(body.to_string()),
    )
}

#[test]
fn every_document_is_as_described() {
    let stage = Stage::running(
        Setup::default(),
        &[(
            "freshness",
            "{ warn_after = \"26h\", error_after = \"36h\" }",
        )],
    );
    let described = Description::of(&stage);
    let run = text(&stage.lands("daily", &DAY)["run"]["id"]);
    let file = "data%2Fdaily%2Fdate%3D2026-11-01%2Fdaily.parquet";
    let reads = [
        ("/-/healthy", "/-/healthy"),
        ("/-/ready", "/-/ready"),
        ("/openapi.json", "/openapi.json"),
        ("/api/v1/status", "/api/v1/status"),
        ("/api/v1/schedules", "/api/v1/schedules"),
        ("/api/v1/runs", "/api/v1/runs"),
        ("/api/v1/runs/{run}", &format!("/api/v1/runs/{run}")),
        ("/api/v1/runs/{run}", "/api/v1/runs/nobody"),
        ("/api/v1/coverage/{schedule}", "/api/v1/coverage/daily"),
        ("/api/v1/coverage/{schedule}", "/api/v1/coverage/nightly"),
        (
            "/api/v1/coverage/{schedule}/cells",
            "/api/v1/coverage/daily/cells",
        ),
        ("/api/v1/freshness", "/api/v1/freshness"),
        ("/api/v1/properties", "/api/v1/properties"),
        ("/api/v1/why", &format!("/api/v1/why?path={file}")),
        (
            "/api/v1/why",
            "/api/v1/why?schedule=daily&property=99001416&date=2026-11-01",
        ),
        ("/api/v1/why", "/api/v1/why"),
    ];
    for (template, path) in reads {
        let said = stage.admin(Method::GET, path);
        described.allows(
            "get",
            template,
            said.status,
            &said.content_type,
            &said.json(),
        );
    }
    let events = stage.request(
        Method::GET,
        &format!("http://127.0.0.1:{}/api/v1/events", stage.admin_port),
    );
    let said = stage.send(events.header("accept", "application/json"));
    described.allows(
        "get",
        "/api/v1/events",
        said.status,
        &said.content_type,
        &said.json(),
    );
    let days = json!({"from": "2026-11-01", "to": "2026-11-03"});
    let acts = [
        ("/-/reload", "/-/reload", json!({})),
        (
            "/api/v1/schedules/{schedule}/backfill",
            "/api/v1/schedules/daily/backfill",
            days,
        ),
        (
            "/api/v1/schedules/{schedule}/pause",
            "/api/v1/schedules/daily/pause",
            json!({"reason": "audit"}),
        ),
        (
            "/api/v1/schedules/{schedule}/trigger",
            "/api/v1/schedules/daily/trigger",
            json!({}),
        ),
        (
            "/api/v1/schedules/{schedule}/resume",
            "/api/v1/schedules/daily/resume",
            json!({}),
        ),
        (
            "/api/v1/schedules/{schedule}/trigger",
            "/api/v1/schedules/daily/trigger",
            json!({"dry_run": true}),
        ),
        (
            "/api/v1/runs/{run}/cancel",
            &format!("/api/v1/runs/{run}/cancel"),
            json!({}),
        ),
        (
            "/api/v1/runs/{run}/retry",
            &format!("/api/v1/runs/{run}/retry"),
            json!({}),
        ),
        (
            "/api/v1/properties/{property}/exclude",
            "/api/v1/properties/7/exclude",
            json!({"reason": "sold"}),
        ),
        (
            "/api/v1/properties/{property}/include",
            "/api/v1/properties/7/include",
            json!({}),
        ),
    ];
    for (template, path, body) in acts {
        let said = post(&stage, path, &body);
        described.allows(
            "post",
            template,
            said.status,
            &said.content_type,
            &said.json(),
        );
    }
    stage.stop();
}

#[test]
fn pages_of_runs_join_without_gap_or_repeat() {
    let stage = Stage::running(Setup::default(), &[("overlap", "\"allow\"")]);
    for day in [
        "2026-11-01",
        "2026-11-02",
        "2026-11-03",
        "2026-11-04",
        "2026-11-05",
    ] {
        stage.lands("daily", &["--from", day, "--to", day]);
    }
    let ids = |document: &Value| -> Vec<String> {
        list(&document["runs"])
            .iter()
            .map(|run| text(&run["id"]))
            .collect()
    };
    let all = stage.admin(Method::GET, "/api/v1/runs").json();
    assert_eq!(all.get("next"), None, "the last page has no next");
    let mut seen = Vec::new();
    let mut path = "/api/v1/runs?limit=2".to_owned();
    loop {
        let page = stage.admin(Method::GET, &path).json();
        assert!(ids(&page).len() <= 2);
        seen.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/runs?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids(&all));
    assert_eq!(seen.len(), 5);
    for bad in ["limit=0", "after=yesterday", "after=12"] {
        assert_eq!(
            stage
                .admin(Method::GET, &format!("/api/v1/runs?{bad}"))
                .status,
            400,
            "{bad}"
        );
    }
    stage.stop();
}

#[test]
fn a_post_sent_twice_under_one_key_is_carried_out_once() {
    let stage = Stage::running(Setup::default(), &[("overlap", "\"allow\"")]);
    let send = |key: &str, body: Value| {
        let url = format!(
            "http://127.0.0.1:{}/api/v1/schedules/daily/trigger",
            stage.admin_port
        );
        let request = stage
            .request(Method::POST, &url)
            .header("idempotency-key", key);
        stage.send(
            request
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
    };
    let day = |day: &str| json!({"from": day, "to": day});
    let first = send("a", day("2026-11-01"));
    let again = send("a", day("2026-11-01"));
    assert_eq!((first.status, again.status), (200, 200), "{}", first.text());
    assert_eq!(first.body, again.body);
    let other = send("a", day("2026-11-02"));
    assert_eq!(other.status, 422, "{}", other.text());
    assert_eq!(other.content_type, "application/problem+json");
    assert_eq!(send("b", day("2026-11-02")).status, 200);
    let runs = stage.verb(&["runs"]).exits(0).json();
    assert_eq!(list(&runs["runs"]).len(), 2, "{runs:#}");
    stage.stop();
}

#[test]
fn who_acted_over_the_socket_is_in_the_trail() {
    let stage = Stage::running(Setup::default(), &[]);
    stage.lands("daily", &DAY);
    post(
        &stage,
        "/api/v1/schedules/daily/pause",
        &json!({"reason": "audit"}),
    );
    let events = stage.verb(&["events"]).exits(0).json();
    let by = |name: &str| {
        let found = list(&events["events"])
            .iter()
            .find(|event| event["event"] == name);
        found.map(|event| text(&event["detail"]["by"]))
    };
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(by("triggered"), Some(format!("uid {uid}")));
    assert_eq!(by("paused"), Some("tcp".to_owned()));
    stage.stop();
}
