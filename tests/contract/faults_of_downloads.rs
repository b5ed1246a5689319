//! Faults between the results call and the last byte.

use axum::http::StatusCode;
use futures_util::StreamExt;
use reqwest::header::{IF_RANGE, RANGE};

use crate::stage::{Stage, order};

/// A finished job, and what its file really holds.
async fn ready(faults: &str) -> (Stage, String, bytes::Bytes) {
    let plain = Stage::set("").await;
    let real = plain
        .bytes(&plain.finished(&order("property", "csv")).await)
        .await;
    let stage = Stage::set(faults).await;
    let id = stage.finished(&order("property", "csv")).await;
    (stage, id, real)
}

/// What arrives of a body, and whether it ends well.
async fn arrives(response: reqwest::Response) -> (Vec<u8>, bool) {
    let mut body = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(_) => return (bytes, false),
        }
    }
    (bytes, true)
}

#[tokio::test]
async fn truncated_cuts_the_first_download_and_the_rest_can_be_had_by_range() {
    let (stage, id, real) = ready("truncated").await;
    let response = stage.download(&id).await;
    assert_eq!(response.content_length(), Some(real.len() as u64));
    let etag = response.headers()["etag"].clone();
    let (begun, whole) = arrives(response).await;
    assert!(!whole && !begun.is_empty() && begun.len() < real.len());
    let rest = stage
        .http
        .get(stage.location(&id).await)
        .header(RANGE, format!("bytes={}-", begun.len()))
        .header(IF_RANGE, etag)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!([begun, rest.bytes().await.unwrap().to_vec()].concat(), real);
}

#[tokio::test]
async fn a_number_truncates_so_many_downloads() {
    let (stage, id, real) = ready("truncated=2").await;
    for _ in 0..2 {
        assert!(!arrives(stage.download(&id).await).await.1);
    }
    assert_eq!(stage.bytes(&id).await, real);
}

#[tokio::test]
async fn changed_etag_makes_a_resumed_download_start_again() {
    let (stage, id, real) = ready("changed-etag").await;
    let first = stage.download(&id).await;
    let etag = first.headers()["etag"].clone();
    let (begun, whole) = arrives(first).await;
    assert!(!whole);
    assert!(
        real.starts_with(&begun),
        "what was under way is the old file"
    );
    let rest = stage
        .http
        .get(stage.location(&id).await)
        .header(RANGE, format!("bytes={}-", begun.len()))
        .header(IF_RANGE, etag.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), StatusCode::OK);
    assert_ne!(rest.headers()["etag"], etag);
    let again = rest.bytes().await.unwrap();
    assert_ne!(again, real, "the figures were restated");
    assert_eq!(again, stage.bytes(&id).await);
}

#[tokio::test]
async fn an_expired_url_is_refused_and_a_fresh_one_is_good() {
    let (stage, id, real) = ready("expired-url").await;
    let refused = stage.download(&id).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let document = refused.text().await.unwrap();
    assert!(
        document.contains("<Code>AccessDenied</Code>") && document.contains("expired"),
        "{document}"
    );
    assert_eq!(stage.bytes(&id).await, real);
}

#[tokio::test]
async fn cut_silently_ends_well_with_too_little() {
    let (stage, id, real) = ready("cut-silently").await;
    let (short, whole) = arrives(stage.download(&id).await).await;
    assert!(whole && short.len() < real.len() && real.starts_with(&short));
    assert_eq!(stage.bytes(&id).await, real);
}

#[tokio::test]
async fn slow_trickles_and_yet_delivers() {
    let (stage, id, real) = ready("slow").await;
    let mut body = stage.download(&id).await.bytes_stream();
    let (mut pieces, mut bytes) = (0, Vec::new());
    while let Some(piece) = body.next().await {
        pieces += 1;
        bytes.extend_from_slice(&piece.unwrap());
    }
    assert!(pieces > 5, "{pieces} pieces");
    assert_eq!(bytes, real);
}

#[tokio::test]
async fn oversized_announces_a_terabyte() {
    let (stage, id, _) = ready("oversized").await;
    let response = stage.download(&id).await;
    assert_eq!(response.content_length(), Some(1 << 40));
    assert!(!arrives(response).await.1);
}

#[tokio::test]
async fn endless_announces_nothing_and_goes_on() {
    let (stage, id, real) = ready("endless").await;
    let response = stage.download(&id).await;
    assert!(response.headers().get("content-length").is_none());
    let mut body = response.bytes_stream();
    let mut bytes = 0;
    while bytes < real.len() + (8 << 20) {
        bytes += body
            .next()
            .await
            .expect("there is always more")
            .unwrap()
            .len();
    }
}

#[tokio::test]
async fn error_document_is_xml_under_200() {
    let (stage, id, real) = ready("error-document").await;
    let response = stage.download(&id).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("<Code>InternalError</Code>")
    );
    assert_eq!(stage.bytes(&id).await, real);
}

#[tokio::test]
async fn redirect_elsewhere_leads_off_the_file_host_once() {
    let (stage, id, real) = ready("redirect-elsewhere").await;
    assert!(
        !stage
            .location(&id)
            .await
            .contains(&stage.sandbox.files_host())
    );
    assert_eq!(stage.bytes(&id).await, real);
}
