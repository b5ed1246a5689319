//! Calls that change nothing, and the settings.

use super::*;

#[tokio::test]
async fn reads_tell_what_is_gone_odd_or_unreachable() {
    let server = server(|_, request| {
        let path = request.split(' ').nth(1).unwrap();
        match path.rsplit('/').next().unwrap() {
            "gone" => answer("404 Not Found", "", "<html>"),
            "odd" => ok(r#"{"job_id":"odd","status":"paused","colour":"red"}"#),
            "html" => ok("<html>"),
            "moved" => answer("301 Moved", "location: http://evil.example/\r\n", ""),
            _ => Act::Reset,
        }
    })
    .await;
    let client = server.client();
    let class = async |id| client.job(id).await.unwrap_err().class;
    assert_eq!(class("gone").await, FaultClass::Gone);
    assert_eq!(class("html").await, FaultClass::Nonsense);
    assert_eq!(class("moved").await, FaultClass::Nonsense);
    assert_eq!(class("reset").await, FaultClass::Unanswered);
    assert_eq!(class("../../accounts").await, FaultClass::Invalid);
    let odd = client.job("odd").await.unwrap();
    assert_eq!(odd.status, JobStatus::Unknown("paused".into()));
    let limits = client.limits();
    assert_eq!(limits.drift, ["job field `colour`", "job status `paused`"]);
    let codes: Vec<(&str, u64)> = limits
        .requests
        .iter()
        .map(|r| (r.code.as_str(), r.count))
        .collect();
    assert_eq!(
        codes,
        [("200", 2), ("301", 1), ("404", 1), ("unanswered", 1)]
    );
}

#[tokio::test]
async fn a_result_is_an_address_and_is_not_followed() {
    let server = server(|_, request| {
        if request.contains("/bare/") {
            return answer("302 Found", "", "");
        }
        if request.contains("/early/") {
            return answer("409 Conflict", "", r#"{"error":"not ready"}"#);
        }
        answer(
            "302 Found",
            "location: https://b.s3.amazonaws.com/x?X-Amz-Signature=s\r\n",
            "",
        )
    })
    .await;
    let client = server.client();
    let location = client.results("j-1").await.unwrap();
    assert_eq!(location, "https://b.s3.amazonaws.com/x?X-Amz-Signature=s");
    assert_eq!(
        client.results("bare").await.unwrap_err().class,
        FaultClass::Nonsense
    );
    assert_eq!(
        client.results("early").await.unwrap_err().class,
        FaultClass::Invalid
    );
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_cancel_without_the_job_in_its_answer_asks_for_it() {
    let server = server(|_, request| match request.starts_with("DELETE ") {
        true => answer("204 No Content", "", ""),
        false => ok(JOB),
    })
    .await;
    assert_eq!(server.client().cancel("j-1").await.unwrap().job_id, "j-1");
    assert_eq!(
        server.count("DELETE /apartmentiq/api/v1/bulk_api/jobs/j-1 "),
        1
    );
}

#[tokio::test]
async fn the_list_is_read_to_the_end_or_until_told_to_stop() {
    let server = server(|_, request| {
        let page: u32 = request.split("page=").nth(1).unwrap()[..1].parse().unwrap();
        let jobs: Vec<String> = (0..if page == 3 { 50 } else { 100 })
            .map(|n| format!(r#"{{"job_id":"{page}-{n}","status":"submitted"}}"#))
            .collect();
        let place = format!(
            r#"{{"current_page":{page},"total_pages":3,"total_count":250,"per_page":100}}"#
        );
        ok(&format!(
            r#"{{"jobs":[{}],"pagination":{place}}}"#,
            jobs.join(",")
        ))
    })
    .await;
    let client = server.client();
    let all = client.list(|_| false).await.unwrap();
    assert_eq!(
        (all.jobs.len(), all.complete, all.to_the_end),
        (250, true, true)
    );
    let some = client
        .list(|page| page.iter().any(|job| job.job_id == "2-7"))
        .await
        .unwrap();
    assert_eq!(
        (some.jobs.len(), some.complete, some.to_the_end),
        (200, true, false)
    );
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_throttled_answer_pauses_every_call() {
    let server = server(|number, _| match number {
        1 => answer(
            "429 Too Many Requests",
            "retry-after: 1\r\nx-ratelimit-limit: 100\r\n",
            "Retry later",
        ),
        _ => ok(JOB),
    })
    .await;
    let client = server.client();
    let fault = client.job("j-1").await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Throttled);
    assert_eq!(fault.retry_after, Some(Duration::from_secs(1)));
    let limits = client.limits();
    assert_eq!(
        (limits.limit, limits.throttled),
        (Some(100), Duration::from_secs(1))
    );
    assert!(limits.closed_for.is_some());
    client.create(&order()).await.unwrap();
    assert_eq!(client.limits().closed_for, None);
}

#[tokio::test]
async fn properties_are_asked_for_by_account_and_comp_set() {
    let server = server(|_, request| {
        let path = request.split(' ').nth(1).unwrap().split('?').next().unwrap();
        match path.strip_prefix("/apartmentiq/api/v1").unwrap() {
            "/accounts" => ok(r#"{"data":[{"id":"7","type":"account"},{"id":8}]}"#),
            "/accounts/7/comp_sets" => {
                ok(r#"{"data":[{"id":70,"attributes":{"subject_property_ids":[3,1]}}]}"#)
            }
            "/accounts/8/comp_sets" => {
                ok(r#"{"data":[{"id":"80","attributes":{"subject_property_ids":["2"]}}]}"#)
            }
            "/comp_sets/70/market_survey" => ok(
                r#"{"data":[{"attributes":{"market_survey_items":[{"id":3,"name":"C"},{"id":9}]}}]}"#,
            ),
            _ => answer("404 Not Found", "", r#"{"error":"Not found"}"#),
        }
    })
    .await;
    let client = server.client();
    let ids = async |of| {
        let found = client.properties(&of).await?;
        Ok::<_, crate::run::Fault>(found.iter().map(|p| p.id).collect::<Vec<_>>())
    };
    let sets = |ids: &[i64], subjects_only| Properties::CompSets {
        ids: ids.to_vec(),
        subjects_only,
    };
    let all = Properties::Accounts(Accounts::All);
    assert_eq!(ids(all).await.unwrap(), [1, 2, 3]);
    assert_eq!(
        ids(Properties::Accounts(Accounts::Ids(vec![8])))
            .await
            .unwrap(),
        [2]
    );
    assert_eq!(ids(sets(&[70], false)).await.unwrap(), [3, 9]);
    assert_eq!(ids(sets(&[70], true)).await.unwrap(), [1, 3]);
    assert_eq!(
        ids(sets(&[71], true)).await.unwrap_err().class,
        FaultClass::Gone
    );
    assert_eq!(
        ids(sets(&[71], false)).await.unwrap_err().class,
        FaultClass::Gone
    );
}

#[test]
fn nonsense_addresses_are_refused() {
    let settings = |base: &str| Settings {
        base_url: base.into(),
        token_url: String::new(),
        credential: Credential::Token { file: "x".into() },
        standby_token_file: None,
        request_timeout: Duration::from_secs(1),
        requests_per_minute: 1,
    };
    for base in ["", "data.apartmentiq.io", "ftp://a", "file:///a"] {
        assert!(matches!(
            Client::new(settings(base)),
            Err(Error::Address(_))
        ));
    }
}
