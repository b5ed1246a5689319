//! Faults around the create call, the credential and the limits.

use std::time::{Duration, Instant};

use aptiqd::sandbox::{Options, RateLimit};
use axum::http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::checker::check;
use crate::stage::{Stage, answer, job_in, listener, options, order, violations};

async fn list_length(stage: &Stage) -> usize {
    let (status, list) = stage.read("/bulk_api/jobs").await;
    assert_eq!(status, StatusCode::OK, "{list}");
    check("job_list", &list);
    list["jobs"].as_array().unwrap().len()
}

#[tokio::test]
async fn lost_create_reply_makes_the_job_and_says_nothing() {
    let stage = Stage::set("lost-create-reply").await;
    assert!(
        stage
            .create(&order("property", "csv"))
            .send()
            .await
            .is_err()
    );
    assert_eq!(list_length(&stage).await, 1);
    stage.created(&order("property", "csv")).await;
    assert_eq!(list_length(&stage).await, 2);
}

#[tokio::test]
async fn late_create_says_nothing_and_makes_the_job_afterwards() {
    let stage = Stage::set("late-create").await;
    let before = Instant::now();
    assert!(
        stage
            .create(&order("property", "csv"))
            .send()
            .await
            .is_err()
    );
    let state = stage.until(|state| state["creates"] == 1).await;
    assert!(before.elapsed() >= options("").lag);
    assert_eq!(state["requests"]["create"], 1);
    assert_eq!(list_length(&stage).await, 1);
}

#[tokio::test]
async fn nonsense_create_names_no_job_and_yet_makes_one() {
    let stage = Stage::set("nonsense-create").await;
    let (status, job) = answer(
        stage
            .create(&order("property", "csv"))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    check("job", &job);
    assert!(job.get("job_id").is_none() && job.get("status").is_none());
    assert_eq!(list_length(&stage).await, 1);
}

#[tokio::test]
async fn forbidden_is_an_empty_403() {
    let stage = Stage::set("forbidden").await;
    for _ in 0..2 {
        let (status, body) = answer(
            stage
                .create(&order("property", "csv"))
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!((status, body), (StatusCode::FORBIDDEN, json!("")));
    }
    assert_eq!(list_length(&stage).await, 0);
}

#[tokio::test]
async fn quota_is_a_429_in_json_without_retry_after() {
    let stage = Stage::set("quota").await;
    for _ in 0..2 {
        let answered = stage
            .create(&order("property", "csv"))
            .send()
            .await
            .unwrap();
        assert!(answered.headers().get("retry-after").is_none());
        let (status, error) = answer(answered).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        check("error", &error);
        assert_eq!(
            (&error["quota_limit"], &error["quota_usage"]),
            (&json!(5000), &json!(5001))
        );
    }
    assert_eq!(list_length(&stage).await, 0);
}

#[tokio::test]
async fn list_lag_hides_a_new_job_from_the_list_only() {
    let stage = Stage::set("list-lag").await;
    let id = stage.created(&order("property", "csv")).await;
    assert_eq!(list_length(&stage).await, 0);
    assert_eq!(
        stage.read(&format!("/bulk_api/jobs/{id}")).await.0,
        StatusCode::OK
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    while list_length(&stage).await == 0 {
        assert!(Instant::now() < deadline, "the job was never listed");
    }
}

#[tokio::test]
async fn a_pasted_token_is_refused_once_and_an_issued_one_for_good() {
    let stage = Stage::set("401").await;
    let issued = issue(&stage).await;
    assert_eq!(
        list_length(&stage).await,
        0,
        "before there is a job nothing is refused"
    );
    stage.created(&order("property", "csv")).await;
    let (status, error) = stage.read("/bulk_api/jobs").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    check("error", &error);
    assert_eq!(list_length(&stage).await, 1);
    assert_eq!(read_with(&stage, &issued).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        read_with(&stage, &issue(&stage).await).await,
        StatusCode::OK
    );
}

async fn issue(stage: &Stage) -> String {
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", stage.sandbox.client_id()),
        ("client_secret", stage.sandbox.client_secret()),
    ];
    let (_, token) = answer(
        stage
            .http
            .post(stage.sandbox.token_url())
            .form(&form)
            .send()
            .await
            .unwrap(),
    )
    .await;
    check("token", &token);
    token["access_token"].as_str().unwrap().to_owned()
}

async fn read_with(stage: &Stage, token: &str) -> StatusCode {
    let url = format!("{}/bulk_api/jobs", stage.sandbox.base_url());
    stage
        .http
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .status()
}

#[tokio::test]
async fn a_429_is_text_with_its_headers_and_holds_until_retry_after() {
    let retry_after = Duration::from_secs(2);
    let stage = Stage::with(Options {
        retry_after,
        ..options("429")
    })
    .await;
    let refused = stage
        .call(Method::GET, "/bulk_api/jobs")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    for name in [
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-reset",
        "x-ratelimit-reset-after",
    ] {
        assert!(
            refused.headers()[name]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .is_ok(),
            "{name}"
        );
    }
    assert!(
        refused.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert!(refused.text().await.unwrap().parse::<Value>().is_err());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(
        stage.read("/accounts").await.0,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(violations(&stage.state().await), ["before-retry-after"]);
    tokio::time::sleep(retry_after).await;
    assert_eq!(list_length(&stage).await, 0);
}

#[tokio::test]
async fn a_limit_is_enforced_and_every_answer_names_it() {
    let rate_limit = Some(RateLimit {
        requests: 3,
        window: Duration::from_secs(60),
    });
    let stage = Stage::with(Options {
        rate_limit,
        ..options("")
    })
    .await;
    for _ in 0..3 {
        let answered = stage.call(Method::GET, "/accounts").send().await.unwrap();
        assert_eq!(
            (answered.status(), &answered.headers()["x-ratelimit-limit"]),
            (StatusCode::OK, &"3".parse().unwrap())
        );
    }
    assert_eq!(
        stage.read("/accounts").await.0,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn each_endpoint_is_down_once() {
    let stage = Stage::set("5xx").await;
    for path in [
        "/bulk_api/jobs",
        "/accounts",
        "/accounts/9901947/comp_sets",
        "/comp_sets/11848667/market_survey",
    ] {
        assert_eq!(
            stage.read(path).await.0,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
        assert_eq!(stage.read(path).await.0, StatusCode::OK, "{path}");
    }
    let down = stage
        .create(&order("property", "csv"))
        .send()
        .await
        .unwrap();
    assert_eq!(down.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(list_length(&stage).await, 0);
    let id = stage.finished(&order("property", "csv")).await;
    let path = format!("/bulk_api/jobs/{id}");
    assert_eq!(stage.read(&path).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        stage.read(&format!("{path}/results")).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let file = stage.download(&id).await;
    assert_eq!(file.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(file.text().await.unwrap().contains("<Code>SlowDown</Code>"));
    assert!(!stage.bytes(&id).await.is_empty());
}

#[tokio::test]
async fn early_callback_comes_before_the_answer() {
    let stage = Stage::set("early-callback").await;
    let (url, mut heard) = listener().await;
    let mut body = order("property", "csv");
    body["callback_url"] = json!(url);
    let id = stage.created(&body).await;
    let callback = heard
        .try_recv()
        .expect("the callback was there before the answer");
    assert_eq!(callback.json()["job_id"], json!(id));
    let state = stage.state().await;
    assert_eq!(job_in(&state, &id).unwrap()["callbacks_answered"], 1);
}
