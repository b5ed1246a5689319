//! What the sandbox notices of a client's conduct.

use reqwest::Method;
use serde_json::json;

use crate::stage::{Stage, listener, order, violations};

#[tokio::test]
async fn a_second_create_for_a_live_address_is_noticed_and_one_after_the_end_is_not() {
    let stage = Stage::set("hold").await;
    let mut body = order("property", "csv");
    body["callback_url"] = json!("http://127.0.0.1:9/cb/v1/a");
    let first = stage.created(&body).await;
    stage.created(&body).await;
    assert_eq!(violations(&stage.state().await), ["second-live-create"]);
    let mut other = body.clone();
    other["callback_url"] = json!("http://127.0.0.1:9/cb/v1/b");
    let ended = stage.created(&other).await;
    stage
        .call(Method::DELETE, &format!("/bulk_api/jobs/{ended}"))
        .send()
        .await
        .unwrap();
    stage.created(&other).await;
    assert_eq!(violations(&stage.state().await).len(), 1);
    assert_ne!(first, ended);
}

#[tokio::test]
async fn polling_job_by_job_is_noticed_and_reading_after_a_callback_is_not() {
    let stage = Stage::set("").await;
    let (url, mut heard) = listener().await;
    let mut body = order("property", "csv");
    for _ in 0..5 {
        body["callback_url"] = json!(url);
        let id = stage.created(&body).await;
        heard.recv().await.unwrap();
        stage.read(&format!("/bulk_api/jobs/{id}")).await;
    }
    assert!(violations(&stage.state().await).is_empty());
    let id = stage.finished(&order("property", "csv")).await;
    for _ in 0..6 {
        stage.read(&format!("/bulk_api/jobs/{id}")).await;
    }
    assert!(violations(&stage.state().await).contains(&"job-by-job-polling"));
}

#[tokio::test]
async fn fields_that_the_api_does_not_know_are_noticed() {
    let stage = Stage::set("").await;
    stage
        .read("/bulk_api/jobs?per_page=10&status=succeeded")
        .await;
    let mut body = order("property", "csv");
    body["label"] = json!("nightly");
    stage.created(&body).await;
    let state = stage.state().await;
    assert_eq!(
        violations(&state),
        ["unknown-query-field", "unknown-body-field"]
    );
    assert_eq!(state["requests"]["list"], 1);
    let create = state["requests_log"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["endpoint"] == "create")
        .unwrap();
    assert_eq!(
        (&create["body"], &create["authorization"]),
        (&body, &json!(true))
    );
}

#[tokio::test]
async fn a_sandbox_describes_itself_and_closes_the_door_when_it_stops() {
    let stage = Stage::set("").await;
    stage.finished(&order("property", "csv")).await;
    let described = stage.sandbox.describe();
    assert_eq!(described["schema"], "aptiqd.sandbox/1");
    for field in [
        "base_url",
        "token_url",
        "client_id",
        "client_secret",
        "access_token",
        "files_host",
        "faults",
        "seed",
    ] {
        assert!(!described[field].is_null(), "{field}");
    }
    let url = format!("{}/accounts", stage.sandbox.base_url());
    stage.sandbox.stop().await;
    assert!(
        stage
            .http
            .get(url)
            .bearer_auth(&stage.token)
            .send()
            .await
            .is_err()
    );
}
