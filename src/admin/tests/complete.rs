//! The routes about completeness.

use super::fake::Fake;
use super::serve;
use crate::admin::Access;
use crate::admin::view::{
    Backfill, BackfillRequest, Code, Coverage, ExcludeRequest, Properties, Why,
};

fn request(from: &str, to: &str) -> BackfillRequest {
    BackfillRequest {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        only: None,
        max_active: None,
        oldest_first: false,
        dry_run: true,
    }
}

#[tokio::test]
async fn questions_are_parsed_and_passed_on() {
    let served = serve(Fake::new(), Access::open()).await;
    let client = served.client();
    let path = "/api/v1/coverage/owned?from=2026-11-01&to=2026-11-02";
    client.read::<Coverage>(path).await.unwrap();
    let path = "/api/v1/schedules/owned/backfill";
    let done: Backfill = client
        .act(path, &request("2026-11-01", "2026-11-02"))
        .await
        .unwrap();
    assert_eq!(done.runs[0].id, "owned.b1-1");
    let reason = "sold".to_owned();
    let exclude = ExcludeRequest {
        reason,
        dry_run: false,
    };
    let path = "/api/v1/properties/-7/exclude";
    client.act::<Properties>(path, &exclude).await.unwrap();
    let path = "/api/v1/why?path=data%2Fowned%2Fdate%3D2026-11-01%2Fowned.csv";
    client.read::<Why>(path).await.unwrap();
    let path = "/api/v1/why?schedule=owned&property=7&date=2026-11-01";
    client.read::<Why>(path).await.unwrap();
    let asked = served.fake.asked.lock().unwrap().clone();
    for (line, words) in asked.iter().zip([
        "coverage owned",
        "only: Missing, max_active: 2, order: Newest } DryRun",
        "exclude -7 sold Perform",
        "Path(\"data/owned/date=2026-11-01/owned.csv\")",
        "property: 7",
    ]) {
        assert!(line.contains(words), "{line} has no {words}");
    }
    assert_eq!(asked.len(), 5);
}

#[tokio::test]
async fn nonsense_is_refused_before_it_is_asked() {
    let served = serve(Fake::new(), Access::open()).await;
    let client = served.client();
    for path in [
        "/api/v1/coverage/owned?from=2026-11-01",
        "/api/v1/coverage/owned?from=2026-11-02&to=2026-11-01",
        "/api/v1/coverage/owned?from=2026-11-31&to=2026-12-01",
        "/api/v1/why",
        "/api/v1/why?path=a&schedule=owned",
        "/api/v1/why?schedule=owned&property=7",
        "/api/v1/why?schedule=owned&property=seven&date=2026-11-01",
    ] {
        let refused = client.read::<serde_json::Value>(path).await;
        assert_eq!(refused.unwrap_err().code, Code::Usage, "{path}");
    }
    let path = "/api/v1/schedules/owned/backfill";
    let good = request("2026-11-01", "2026-11-02");
    for bad in [
        request("2026-11-02", "2026-11-01"),
        BackfillRequest {
            only: Some("some".into()),
            ..good.clone()
        },
        BackfillRequest {
            max_active: Some(0),
            oldest_first: false,
            ..good
        },
    ] {
        let refused = client.act::<Backfill>(path, &bad).await;
        assert_eq!(refused.unwrap_err().code, Code::Usage, "{bad:?}");
    }
    let path = "/api/v1/properties/x/exclude";
    let exclude = ExcludeRequest {
        reason: "sold".into(),
        dry_run: false,
    };
    let refused = client.act::<Properties>(path, &exclude).await;
    assert_eq!(refused.unwrap_err().code, Code::Usage);
    assert!(served.fake.asked.lock().unwrap().is_empty());
}
