//! Bearer tokens: none, wrong, issued, expired.

use axum::http::StatusCode;
use reqwest::Method;
use serde_json::json;

use crate::checker::check;
use crate::stage::{Stage, answer, options};

#[tokio::test]
async fn no_endpoint_answers_without_a_good_bearer_token() {
    let stage = Stage::set("").await;
    let calls = [
        (Method::POST, "/bulk_api/jobs"),
        (Method::GET, "/bulk_api/jobs"),
        (Method::GET, "/bulk_api/jobs/x"),
        (Method::GET, "/bulk_api/jobs/x/results"),
        (Method::DELETE, "/bulk_api/jobs/x"),
        (Method::GET, "/accounts"),
        (Method::GET, "/accounts/9901947/comp_sets"),
        (Method::GET, "/comp_sets/11848667/market_survey"),
    ];
    for (method, path) in calls {
        let url = format!("{}{path}", stage.sandbox.base_url());
        for request in [
            stage.http.request(method.clone(), &url),
            stage
                .http
                .request(method.clone(), &url)
                .bearer_auth("another"),
        ] {
            let (status, error) = answer(request.send().await.unwrap()).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
            check("error", &error);
            assert_eq!(error["message"], "Missing or invalid bearer token");
        }
    }
}

#[tokio::test]
async fn client_credentials_give_a_token_that_works_until_it_expires() {
    let stage = Stage::set("").await;
    let ask = |form: [(&'static str, String); 3]| {
        stage
            .http
            .post(stage.sandbox.token_url())
            .form(&form)
            .send()
    };
    let form = |secret: String| {
        [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", stage.sandbox.client_id()),
            ("client_secret", secret),
        ]
    };
    let (status, token) = answer(ask(form(stage.sandbox.client_secret())).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    check("token", &token);
    assert_eq!(token["expires_in"], 7200);
    let url = format!("{}/bulk_api/jobs", stage.sandbox.base_url());
    let bearer = token["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        stage
            .http
            .get(&url)
            .bearer_auth(&bearer)
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::OK
    );

    let (status, error) = answer(ask(form("wrong".into())).await.unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    check("token_error", &error);
    let mut other = form(stage.sandbox.client_secret());
    other[0].1 = "password".into();
    let (status, error) = answer(ask(other).await.unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    check("token_error", &error);
    let not_a_form = stage
        .http
        .post(stage.sandbox.token_url())
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    check("token_error", &answer(not_a_form).await.1);

    let brief = Stage::with(aptiqd::sandbox::Options {
        token_lifetime: std::time::Duration::ZERO,
        ..options("")
    })
    .await;
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", brief.sandbox.client_id()),
        ("client_secret", brief.sandbox.client_secret()),
    ];
    let (_, token) = answer(
        brief
            .http
            .post(brief.sandbox.token_url())
            .form(&form)
            .send()
            .await
            .unwrap(),
    )
    .await;
    let url = format!("{}/accounts", brief.sandbox.base_url());
    let late = brief
        .http
        .get(url)
        .bearer_auth(token["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
}
