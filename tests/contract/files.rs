//! The file host: signatures, ranges, heads, refusals.

use axum::http::StatusCode;
use reqwest::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};

use crate::stage::{Stage, order, violations};

#[tokio::test]
async fn each_results_call_signs_afresh_for_another_host() {
    let stage = Stage::set("").await;
    let id = stage.finished(&order("units", "parquet")).await;
    let (one, two) = (stage.location(&id).await, stage.location(&id).await);
    assert_ne!(one, two);
    assert!(one.starts_with(&format!("http://{}/", stage.sandbox.files_host())));
    assert!(
        !stage
            .sandbox
            .base_url()
            .contains(&stage.sandbox.files_host())
    );
    for field in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires=604800",
        "X-Amz-Signature",
    ] {
        assert!(one.contains(field), "{field}");
    }
    for url in [one, two] {
        assert_eq!(
            stage.http.get(url).send().await.unwrap().status(),
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn a_changed_or_missing_signature_is_refused_in_xml() {
    let stage = Stage::set("").await;
    let id = stage.finished(&order("property", "csv")).await;
    let other = stage.finished(&order("property", "csv")).await;
    let good = stage.location(&id).await;
    let refusals = [
        (good.replace(&id, &other), "SignatureDoesNotMatch"),
        (good.replace("604800", "999999"), "SignatureDoesNotMatch"),
        (good.split('?').next().unwrap().to_owned(), "AccessDenied"),
    ];
    for (url, code) in refusals {
        let refused = stage.http.get(&url).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{url}");
        assert_eq!(refused.headers()["content-type"], "application/xml");
        assert!(refused.text().await.unwrap().contains(code), "{url}");
    }
}

#[tokio::test]
async fn ranges_if_range_and_heads() {
    let stage = Stage::set("").await;
    let id = stage.finished(&order("property", "jsonl")).await;
    let whole = stage.bytes(&id).await;
    let url = stage.location(&id).await;
    let head = stage.http.head(&url).send().await.unwrap();
    assert_eq!(
        head.headers()["content-length"],
        whole.len().to_string().as_str()
    );
    assert_eq!(head.headers()[ACCEPT_RANGES], "bytes");
    let etag = head.headers()[ETAG].clone();

    let part = stage
        .http
        .get(&url)
        .header(RANGE, "bytes=10-19")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        part.headers()[CONTENT_RANGE],
        format!("bytes 10-19/{}", whole.len()).as_str()
    );
    assert_eq!(part.headers()[ETAG], etag);
    assert_eq!(part.bytes().await.unwrap(), whole[10..20]);

    for (condition, status) in [
        (etag, StatusCode::PARTIAL_CONTENT),
        ("\"other\"".parse().unwrap(), StatusCode::OK),
    ] {
        let answered = stage
            .http
            .get(&url)
            .header(RANGE, "bytes=5-")
            .header(IF_RANGE, condition)
            .send()
            .await
            .unwrap();
        assert_eq!(answered.status(), status);
        let from = if status == StatusCode::OK { 0 } else { 5 };
        assert_eq!(answered.bytes().await.unwrap(), whole[from..]);
    }

    let outside = stage
        .http
        .get(&url)
        .header(RANGE, format!("bytes={}-", whole.len()))
        .send()
        .await
        .unwrap();
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        outside.headers()[CONTENT_RANGE],
        format!("bytes */{}", whole.len()).as_str()
    );
    assert!(
        outside
            .text()
            .await
            .unwrap()
            .contains("<Code>InvalidRange</Code>")
    );
}

#[tokio::test]
async fn a_bearer_token_or_a_referer_at_the_file_host_is_noticed() {
    let stage = Stage::set("").await;
    let id = stage.finished(&order("property", "csv")).await;
    let url = stage.location(&id).await;
    let refused = stage
        .http
        .get(&url)
        .bearer_auth(&stage.token)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("<Code>InvalidArgument</Code>")
    );
    stage
        .http
        .get(&url)
        .header("referer", "http://127.0.0.1/")
        .send()
        .await
        .unwrap();
    let state = stage.state().await;
    assert_eq!(
        violations(&state),
        ["authorization-to-files", "referer-to-files"]
    );
    assert!(
        !state.to_string().contains("X-Amz-Signature"),
        "no signature is kept in the log"
    );
    assert!(!state.to_string().contains(&stage.token), "nor a token");
}
