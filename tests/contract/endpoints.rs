//! Every endpoint without faults: shapes, statuses, messages, pages.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::checker::{check, check_recorded_creates, faults};
use crate::stage::{Stage, answer, listener, options, order, status_of};

#[tokio::test]
async fn a_job_is_created_listed_read_called_back_and_fetched() {
    let stage = Stage::set("").await;
    let (url, mut heard) = listener().await;
    let mut body = order("property", "csv");
    body["callback_url"] = json!(url);
    let (status, job) = answer(stage.create(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    check("job", &job);
    assert_eq!(
        (&job["status"], &job["callback_url"]),
        (&json!("submitted"), &json!(url))
    );
    for (sent, echoed) in body.as_object().unwrap() {
        assert_eq!(&job[sent], echoed);
    }

    let callback = heard.recv().await.unwrap();
    assert_eq!(callback.method, Method::POST);
    assert_eq!(
        callback.json(),
        json!({"job_id": job["job_id"], "status": "succeeded"})
    );

    let id = job["job_id"].as_str().unwrap();
    let (_, read) = stage.read(&format!("/bulk_api/jobs/{id}")).await;
    check("job", &read);
    assert_eq!(read["status"], "succeeded");
    let (_, list) = stage.read("/bulk_api/jobs").await;
    check("job_list", &list);
    assert_eq!(list["jobs"][0], read);
    assert!(!stage.bytes(id).await.is_empty());
    assert_eq!(check_recorded_creates(&stage.state().await), 1);
}

#[tokio::test]
async fn the_list_is_newest_first_and_its_pages_hold_each_job_once() {
    let stage = Stage::set("hold").await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.insert(0, stage.created(&order("property", "jsonl")).await);
    }
    let mut listed = Vec::new();
    for page in 1..=3 {
        let (_, list) = stage
            .read(&format!("/bulk_api/jobs?page={page}&per_page=3"))
            .await;
        check("job_list", &list);
        assert_eq!(list["pagination"]["current_page"], page);
        assert_eq!(list["pagination"]["total_pages"], 3);
        assert_eq!(list["pagination"]["total_count"], 7);
        listed.extend(
            list["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|job| job["job_id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(listed, ids);
    assert_eq!(
        stage.read("/bulk_api/jobs").await.1["pagination"]["per_page"],
        50
    );
    for bad in ["per_page=0", "per_page=101", "page=0", "page=x"] {
        let (status, error) = stage.read(&format!("/bulk_api/jobs?{bad}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        check("error", &error);
    }
}

#[tokio::test]
async fn a_bad_create_is_told_what_is_wrong_and_makes_no_job() {
    let stage = Stage::set("").await;
    let cases = [
        (
            "start_date",
            json!("12/01/2025"),
            "start_date must be in YYYY-MM-DD format",
        ),
        (
            "end_date",
            json!("2026-10-01"),
            "end_date must not be before start_date",
        ),
        ("property_ids", json!([]), "property_ids must not be empty"),
        ("report_type", json!("rents"), "report_type must be one of"),
        (
            "output_format",
            json!("xlsx"),
            "output_format must be one of",
        ),
        (
            "callback_url",
            json!("not a url"),
            "callback_url must be a valid URL",
        ),
    ];
    for (field, value, message) in cases {
        let mut body = order("property", "csv");
        body[field] = value;
        let (status, error) = answer(stage.create(&body).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}");
        check("error", &error);
        assert_eq!(error["error"], "Invalid parameter");
        assert!(
            error["message"].as_str().unwrap().contains(message),
            "{error}"
        );
    }
    let mut body = order("property", "csv");
    body["property_ids"] = json!(["99001416"]);
    let (status, error) = answer(stage.create(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    check("error", &error);
    assert!(error["errors"].is_array(), "{error}");
    assert_eq!(stage.state().await["creates"], 0);
}

#[tokio::test]
async fn a_running_job_is_cancelled_once_and_never_called_back() {
    let stage = Stage::set("hold").await;
    let (url, mut heard) = listener().await;
    let mut body = order("units", "csv");
    body["callback_url"] = json!(url);
    let id = stage.created(&body).await;
    let path = format!("/bulk_api/jobs/{id}");
    let (status, error) = stage.read(&format!("{path}/results")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    check("error", &error);

    let (status, job) = answer(stage.call(Method::DELETE, &path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    check("job", &job);
    assert_eq!(job["status"], "cancelled");
    let (status, error) = answer(stage.call(Method::DELETE, &path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::CONFLICT);
    check("error", &error);
    let (status, ended) = stage
        .control(Method::POST, &format!("/jobs/{id}/finish"), "")
        .await;
    assert_eq!(
        (status, &ended["status"]),
        (StatusCode::OK, &json!("cancelled"))
    );
    assert!(heard.try_recv().is_err());
    assert_eq!(stage.state().await["cancels"], 1);
}

#[tokio::test]
async fn an_unknown_job_is_404_everywhere() {
    let stage = Stage::set("").await;
    let path = "/bulk_api/jobs/6c1e4f2a-0000-4000-8000-000000000000";
    for (method, path) in [
        (Method::GET, path.to_owned()),
        (Method::DELETE, path.to_owned()),
        (Method::GET, format!("{path}/results")),
    ] {
        let (status, error) = answer(stage.call(method, &path).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        check("error", &error);
    }
}

#[tokio::test]
async fn accounts_lead_to_comp_sets_and_these_to_properties() {
    let stage = Stage::set("").await;
    let (_, accounts) = stage.read("/accounts").await;
    check("accounts", &accounts);
    let mut subjects = BTreeSet::new();
    for account in accounts["data"].as_array().unwrap() {
        let mut page = 1;
        loop {
            let path = format!(
                "/accounts/{}/comp_sets?page={page}&per_page=50",
                account["id"]
            );
            let (_, sets) = stage.read(&path).await;
            check("comp_sets", &sets);
            let sets = sets["data"].as_array().unwrap().clone();
            subjects.extend(
                sets.iter()
                    .flat_map(|set| integers(&set["attributes"]["subject_property_ids"])),
            );
            if sets.len() < 50 {
                break;
            }
            page += 1;
        }
    }
    assert_eq!(subjects.len(), 120);
    assert!(subjects.contains(&99_001_416) && subjects.contains(&99_001_470));

    let (_, survey) = stage.read("/comp_sets/11848667/market_survey").await;
    check("market_survey", &survey);
    let properties = survey["data"][0]["attributes"]["market_survey_items"]
        .as_array()
        .unwrap();
    assert_eq!(properties.len(), 6);
    assert_eq!(
        properties
            .iter()
            .filter(|one| one["subject_property"] == json!(true))
            .count(),
        1
    );
    for path in [
        "/accounts/1/comp_sets",
        "/comp_sets/1/market_survey",
        "/markets",
    ] {
        let (status, error) = stage.read(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        check("error", &error);
    }
}

fn integers(list: &Value) -> Vec<i64> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_same_seed_and_order_give_the_same_bytes_in_another_world() {
    let (one, two) = (Stage::set("").await, Stage::set("list-lag").await);
    let other = Stage::with(aptiqd::sandbox::Options {
        seed: 2,
        ..options("")
    })
    .await;
    for report in ["property", "units", "floorplans"] {
        for format in ["csv", "jsonl", "parquet"] {
            let body = order(report, format);
            let (first, again) = (one.finished(&body).await, one.finished(&body).await);
            let bytes = one.bytes(&first).await;
            assert_eq!(bytes, one.bytes(&again).await, "{report} {format}");
            assert_eq!(
                bytes,
                two.bytes(&two.finished(&body).await).await,
                "{report} {format}"
            );
            assert_ne!(
                bytes,
                other.bytes(&other.finished(&body).await).await,
                "{report} {format}"
            );
            assert_eq!(status_of(&one.state().await, &first), Some("succeeded"));
        }
    }
}

#[test]
fn the_schemas_refuse_what_they_should() {
    let good = order("property", "csv");
    assert!(faults("create_request", &good).is_empty());
    for (field, value) in [
        ("report_type", json!("rents")),
        ("start_date", json!("2026-1-1")),
        ("property_ids", json!([])),
        ("property_ids", json!(["1"])),
        ("callback_url", json!("exports")),
        ("label", json!("x")),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(faults("create_request", &bad).len(), 1, "{bad}");
    }
    let mut job = good.clone();
    assert!(
        faults("job", &job).is_empty(),
        "job_id and status may be absent"
    );
    job["status"] = json!("queued_for_warehouse");
    assert!(!faults("job", &job).is_empty());
    assert!(!faults("job_list", &json!({"jobs": [job], "pagination": {}})).is_empty());
    assert!(!faults("error", &json!({"message": "alone"})).is_empty());
}
