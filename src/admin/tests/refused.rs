//! What is refused before a handler sees it is refused in the form of all refusals.

use super::fake::Fake;
use super::{Served, serve};
use crate::admin::Access;

async fn post(served: &Served, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    served
        .raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        ))
        .await
}

#[track_caller]
fn is_problem(answer: &str, status: u16) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert!(
        answer.contains("content-type: application/problem+json\r\n"),
        "{answer}"
    );
    assert!(answer.contains(&format!("\"status\":{status}")), "{answer}");
}

#[tokio::test]
async fn whatever_refuses_the_answer_is_a_problem_document() {
    let served = serve(Fake::new(), Access::open()).await;
    let trigger = "/api/v1/schedules/owned/trigger";
    let json = "Content-Type: application/json\r\n";
    is_problem(&served.get("/nothing").await, 404);
    is_problem(&served.get("/api/v1/runs/%FF").await, 400);
    is_problem(&served.get("/api/v1/runs?state=%FF").await, 400);
    is_problem(
        &post(&served, trigger, "Content-Type: text/plain\r\n", "{}").await,
        415,
    );
    is_problem(&post(&served, trigger, "", "{}").await, 415);
    is_problem(
        &post(&served, trigger, json, &"x".repeat(70_000)).await,
        413,
    );
    is_problem(&post(&served, trigger, json, "{").await, 400);
    let wrong = served.get(trigger).await;
    is_problem(&wrong, 405);
    assert!(wrong.contains("allow: POST\r\n"), "{wrong}");
    assert!(served.fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_replays_its_answer_and_takes_no_other_request() {
    let served = serve(Fake::new(), Access::open()).await;
    let trigger = "/api/v1/schedules/owned/trigger";
    let headers = "Content-Type: application/json\r\nIdempotency-Key: k1\r\n";
    let first = post(&served, trigger, headers, "{}").await;
    let again = post(&served, trigger, headers, "{}").await;
    assert!(
        first.starts_with("HTTP/1.1 200") && !first.contains("idempotency-replayed"),
        "{first}"
    );
    assert!(
        again.starts_with("HTTP/1.1 200") && again.contains("idempotency-replayed: true"),
        "{again}"
    );
    let body = |answer: &str| {
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
    };
    assert_eq!(body(&first), body(&again));
    is_problem(
        &post(&served, trigger, headers, "{\"dry_run\":true}").await,
        422,
    );
    is_problem(&post(&served, "/-/reload", headers, "{}").await, 422);
    let large = "x".repeat(70_000);
    is_problem(
        &post(&served, trigger, "Idempotency-Key: k2\r\n", &large).await,
        413,
    );
    is_problem(
        &post(&served, trigger, "Idempotency-Key: \r\n", "{}").await,
        400,
    );
    assert_eq!(served.fake.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_web_page_cannot_drive_it() {
    let served = serve(Fake::new(), Access::open()).await;
    let trigger = "/api/v1/schedules/owned/trigger";
    for headers in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        is_problem(&post(&served, trigger, headers, "").await, 403);
    }
    // DNS rebinding: the page's own name, resolved to loopback.
    let rebound = served
        .raw("GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .await;
    is_problem(&rebound, 403);
    assert!(served.fake.asked.lock().unwrap().is_empty());
}
