//! Catalogues and lists by pages, however the vendor counts them and however small it makes them.

use super::*;
use serde_json::{Value, json};

/// How a server tells where a page stands.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// In the object of this name, pages and entries.
    In(&'static str),
    /// Only how many entries there are.
    Count,
    Nothing,
    /// Nothing, and it answers every page with all there is.
    Unpaged,
}

/// Entries `field` of one page of at most `most`.
fn page_of(request: &str, field: &str, all: &[Value], most: usize, told: Told) -> Act {
    let query = request.split(' ').nth(1).unwrap().split('?').nth(1);
    let number = |name: &str| -> usize {
        let pairs = query.unwrap().split('&');
        let mut named = pairs.filter_map(|pair| pair.split_once('='));
        let (_, number) = named.find(|(known, _)| *known == name).unwrap();
        number.parse().unwrap()
    };
    let size = most.min(number("per_page"));
    let entries: Vec<&Value> = match told {
        Told::Unpaged => all.iter().collect(),
        _ => {
            let from = (number("page") - 1) * size;
            all.iter().skip(from).take(size).collect()
        }
    };
    let mut body = json!({field: entries});
    match told {
        Told::In(place) => {
            body[place] = json!({
                "current_page": number("page"), "total_pages": all.len().div_ceil(size),
                "total_count": all.len(), "per_page": size,
            });
        }
        Told::Count => body["pagination"] = json!({"total_count": all.len()}),
        Told::Nothing | Told::Unpaged => {}
    }
    ok(&body.to_string())
}

fn path(request: &str) -> &str {
    let path = request.split(' ').nth(1).unwrap().split('?').next();
    path.unwrap().strip_prefix("/apartmentiq/api/v1").unwrap()
}

async fn portfolio(most: usize, told: Told) -> Server {
    let accounts: Vec<Value> = (1..=5).map(|n| json!({"id": n.to_string()})).collect();
    server(move |_, request| match path(request) {
        "/accounts" => page_of(request, "data", &accounts, most, told),
        sets => {
            let account: i64 = sets.split('/').nth(2).unwrap().parse().unwrap();
            let set = |n: i64| {
                let id = account * 10 + n;
                json!({"id": id, "attributes": {"subject_property_ids": [id * 10]}})
            };
            let sets: Vec<Value> = (1..=3).map(set).collect();
            page_of(request, "data", &sets, most, told)
        }
    })
    .await
}

#[tokio::test]
async fn small_pages_lose_no_property() {
    let all: Vec<i64> = (1..=5)
        .flat_map(|account| (1..=3).map(move |set| (account * 10 + set) * 10))
        .collect();
    // Requests: pages of accounts, and for each account those of its sets.
    for (most, told, requests) in [
        (2, Told::In("pagination"), 3 + 5 * 2),
        (2, Told::In("meta"), 3 + 5 * 2),
        (2, Told::Count, 3 + 5 * 2),
        (2, Told::Nothing, 4 + 5 * 3),
        (2, Told::Unpaged, 2 + 5 * 2),
        (100, Told::In("pagination"), 1 + 5),
        (100, Told::In("meta"), 1 + 5),
        (100, Told::Count, 1 + 5),
        (100, Told::Nothing, 2 + 5 * 2),
    ] {
        let server = portfolio(most, told).await;
        let of = Properties::Accounts(Accounts::All);
        let found = server.client().properties(&of).await.unwrap();
        let ids: Vec<i64> = found.iter().map(|property| property.id).collect();
        assert_eq!(ids, all, "{told:?} by {most}");
        assert_eq!(server.requests().len(), requests, "{told:?} by {most}");
    }
}

#[tokio::test]
async fn fewer_entries_than_are_counted_are_an_error() {
    let server = server(|_, _| {
        let place = json!({"current_page": 1, "total_pages": 1, "total_count": 9});
        ok(&json!({"data": [{"id": 1}], "pagination": place}).to_string())
    })
    .await;
    let fault = server.client().accounts().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Nonsense);
    assert!(fault.message.contains('9'), "{}", fault.message);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn pages_without_end_are_an_error_at_a_limit() {
    let endless = server(|number, _| ok(&json!({"data": [{"id": number}]}).to_string())).await;
    let fault = endless.client().accounts().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Nonsense);
    assert_eq!(endless.requests().len(), 200);
    let announced = server(|_, _| {
        ok(&json!({"data": [{"id": 1}], "meta": {"total_pages": u64::MAX}}).to_string())
    })
    .await;
    let fault = announced.client().accounts().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Nonsense);
    assert_eq!(
        announced.requests().len(),
        1,
        "what is too much is not begun"
    );
}

#[tokio::test]
async fn a_survey_may_come_whole_or_in_slices() {
    let slices = server(|_, request| {
        let page: i64 = request.split("page=").nth(1).unwrap()[..1].parse().unwrap();
        let items: Vec<Value> = match page {
            1..=3 => vec![json!({"id": page * 2}), json!({"id": page * 2 + 1})],
            _ => Vec::new(),
        };
        let survey = json!({"id": "7", "attributes": {"market_survey_items": items}});
        ok(&json!({"data": [survey]}).to_string())
    })
    .await;
    let of = Properties::CompSets {
        ids: vec![7],
        subjects_only: false,
    };
    let found = slices.client().properties(&of).await.unwrap();
    let ids: Vec<i64> = found.iter().map(|property| property.id).collect();
    assert_eq!(ids, [2, 3, 4, 5, 6, 7]);
    assert_eq!(slices.requests().len(), 4);
    let items = json!([{"id": 3}, {"id": 9}]);
    for body in [
        json!({"data": {"id": "7", "attributes": {"market_survey_items": items}}}),
        json!({"market_survey_items": items}),
        // What is counted here are properties.
        json!({"data": [{"market_survey_items": items}], "pagination": {"total_pages": 1, "total_count": 2}}),
    ] {
        let text = body.to_string();
        let whole = server(move |_, _| ok(&text)).await;
        let found = whole.client().properties(&of).await.unwrap();
        assert_eq!(found.len(), 2, "{body}");
        assert_eq!(whole.requests().len(), 1, "{body}");
    }
}

#[tokio::test]
async fn the_job_list_is_read_to_its_end_in_small_pages_too() {
    let jobs: Vec<Value> = (0..5)
        .map(|n| json!({"job_id": format!("j{n}"), "status": "submitted"}))
        .collect();
    // Without a count nothing proves that all was seen: then it is read twice.
    for (told, requests, complete) in [
        (Told::In("pagination"), 3, true),
        (Told::Count, 3, true),
        (Told::Nothing, 4 * 2, false),
        (Told::Unpaged, 2 * 2, false),
    ] {
        let jobs = jobs.clone();
        let server = server(move |_, request| page_of(request, "jobs", &jobs, 2, told)).await;
        let listing = server.client().list(|_| false).await.unwrap();
        assert_eq!(listing.jobs.len(), 5, "{told:?}");
        assert_eq!(listing.complete, complete, "{told:?}");
        assert_eq!(server.requests().len(), requests, "{told:?}");
    }
}
