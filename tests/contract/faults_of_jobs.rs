//! Faults in a job's life: callbacks, statuses, ends, contents.

use axum::http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::checker::{check, faults};
use crate::stage::{Stage, job_in, listener, order, status_of};

fn called_back(url: &str) -> Value {
    let mut body = order("property", "jsonl");
    body["callback_url"] = json!(url);
    body
}

#[tokio::test]
async fn lost_callback_is_never_sent() {
    let stage = Stage::set("lost-callback").await;
    let (url, mut heard) = listener().await;
    let id = stage.finished(&called_back(&url)).await;
    // Asked for by hand it comes; what comes first would be the lost one.
    stage
        .control(Method::POST, &format!("/jobs/{id}/callback"), "")
        .await;
    assert!(heard.recv().await.is_some());
    assert!(heard.try_recv().is_err());
    assert_eq!(stage.state().await["callbacks"]["sent"], 1);
}

#[tokio::test]
async fn duplicate_callbacks_are_alike() {
    let stage = Stage::set("duplicate-callback").await;
    let (url, mut heard) = listener().await;
    let id = stage.created(&called_back(&url)).await;
    for _ in 0..3 {
        assert_eq!(
            heard.recv().await.unwrap().json(),
            json!({"job_id": id, "status": "succeeded"})
        );
    }
}

#[tokio::test]
async fn a_forged_callback_claims_what_is_not_so_while_the_job_runs() {
    let stage = Stage::set("forged-callback,hold").await;
    let (url, mut heard) = listener().await;
    let id = stage.created(&called_back(&url)).await;
    let forged = heard.recv().await.unwrap().json();
    assert_eq!(forged["status"], "succeeded");
    assert_ne!(forged["job_id"], json!(id));
    assert_eq!(status_of(&stage.state().await, &id), Some("submitted"));
    stage.control(Method::POST, "/release", "").await;
    assert_eq!(heard.recv().await.unwrap().json()["job_id"], json!(id));
}

#[tokio::test]
async fn an_odd_callback_names_nothing() {
    let stage = Stage::set("odd-callback").await;
    let (url, mut heard) = listener().await;
    stage.created(&called_back(&url)).await;
    let odd = heard.recv().await.unwrap();
    assert_eq!(
        (odd.method, odd.query.as_deref()),
        (Method::PUT, Some("event=done"))
    );
    assert!(serde_json::from_slice::<Value>(&odd.body).is_err());
}

#[tokio::test]
async fn a_callback_that_nobody_takes_or_that_leads_out_is_counted() {
    let stage = Stage::set("").await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    stage
        .finished(&called_back(&format!("http://{nobody}/cb")))
        .await;
    stage
        .finished(&called_back("https://exports.example.com/cb/v1/x"))
        .await;
    let state = stage
        .until(|state| state["callbacks"]["not_delivered"] == 2)
        .await;
    assert_eq!(state["callbacks"]["sent"], 1, "only loopback is contacted");
}

#[tokio::test]
async fn an_unknown_status_lasts_until_the_end() {
    let stage = Stage::set("unknown-status,hold").await;
    let id = stage.created(&order("property", "csv")).await;
    let (_, job) = stage.read(&format!("/bulk_api/jobs/{id}")).await;
    assert_eq!(
        faults("job", &job).len(),
        1,
        "only the status is not in the contract: {job}"
    );
    stage
        .control(Method::POST, &format!("/jobs/{id}/finish"), "")
        .await;
    let (_, job) = stage.read(&format!("/bulk_api/jobs/{id}")).await;
    check("job", &job);
    assert_eq!(job["status"], "succeeded");
}

#[tokio::test]
async fn the_first_job_fails_with_a_message_and_a_callback() {
    let stage = Stage::set("failed").await;
    let (url, mut heard) = listener().await;
    let id = stage.created(&called_back(&url)).await;
    assert_eq!(
        heard.recv().await.unwrap().json(),
        json!({"job_id": id, "status": "failed"})
    );
    let (_, job) = stage.read(&format!("/bulk_api/jobs/{id}")).await;
    check("job", &job);
    assert!(job["error_message"].as_str().unwrap().contains("failed"));
    assert_eq!(
        stage.read(&format!("/bulk_api/jobs/{id}/results")).await.0,
        StatusCode::CONFLICT
    );
    let second = stage.finished(&order("property", "csv")).await;
    assert_eq!(status_of(&stage.state().await, &second), Some("succeeded"));
}

#[tokio::test]
async fn a_held_job_stays_submitted_until_it_is_released() {
    let stage = Stage::set("hold=1").await;
    let held = stage.created(&order("property", "csv")).await;
    let free = stage.finished(&order("property", "csv")).await;
    let state = stage.state().await;
    assert_eq!(
        (status_of(&state, &held), status_of(&state, &free)),
        (Some("submitted"), Some("succeeded"))
    );
    let (_, released) = stage.control(Method::POST, "/release", "").await;
    assert_eq!(released["released"], 1);
    stage
        .until(|state| status_of(state, &held) == Some("succeeded"))
        .await;
}

#[tokio::test]
async fn a_job_can_be_made_to_fail_by_hand() {
    let stage = Stage::set("hold").await;
    let id = stage.created(&order("property", "csv")).await;
    let (status, job) = stage
        .control(Method::POST, &format!("/jobs/{id}/fail"), "")
        .await;
    assert_eq!((status, &job["status"]), (StatusCode::OK, &json!("failed")));
    assert_eq!(
        stage.control(Method::POST, "/jobs/none/fail", "").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_vanished_job_is_neither_read_nor_listed_nor_called_back() {
    let stage = Stage::set("vanished-job").await;
    let (url, mut heard) = listener().await;
    let id = stage.created(&called_back(&url)).await;
    stage
        .until(|state| job_in(state, &id).is_some_and(|job| job["vanished"] == json!(true)))
        .await;
    assert_eq!(
        stage.read(&format!("/bulk_api/jobs/{id}")).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(stage.read("/bulk_api/jobs").await.1["jobs"], json!([]));
    let second = stage.finished(&called_back(&url)).await;
    assert_eq!(heard.recv().await.unwrap().json()["job_id"], json!(second));
}

#[tokio::test]
async fn contents_can_lack_rows_or_a_property_or_be_in_another_format() {
    let empty = Stage::set("zero-rows").await;
    let header = empty
        .bytes(&empty.finished(&order("property", "csv")).await)
        .await;
    assert_eq!(memchr::memchr_iter(b'\n', &header).count(), 1);
    assert!(
        empty
            .bytes(&empty.finished(&order("property", "jsonl")).await)
            .await
            .is_empty()
    );

    let lacking = Stage::set("missing-properties").await;
    let lines = lacking
        .bytes(&lacking.finished(&order("property", "jsonl")).await)
        .await;
    assert_eq!(
        memchr::memchr_iter(b'\n', &lines).count(),
        3,
        "one property, three days"
    );

    let wrong = Stage::set("wrong-format").await;
    let csv = wrong
        .bytes(&wrong.finished(&order("property", "parquet")).await)
        .await;
    assert!(!csv.starts_with(b"PAR1"));
    let right = wrong
        .bytes(&wrong.finished(&order("property", "parquet")).await)
        .await;
    assert!(right.starts_with(b"PAR1"));
}

#[tokio::test]
async fn faults_change_while_the_world_runs() {
    let stage = Stage::set("zero-rows").await;
    let (status, error) = stage.control(Method::POST, "/faults", "truncatd").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        error["message"].as_str().unwrap().contains("truncated"),
        "{error}"
    );
    assert_eq!(
        stage.control(Method::POST, "/faults", "").await.0,
        StatusCode::OK
    );
    assert!(
        !stage
            .bytes(&stage.finished(&order("property", "jsonl")).await)
            .await
            .is_empty()
    );
    let (_, table) = stage.control(Method::GET, "/faults", "").await;
    assert_eq!(
        table["known"].as_array().unwrap().len(),
        aptiqd::sandbox::TABLE.len()
    );
}
