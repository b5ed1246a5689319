//! A sandbox, a plain HTTP client and a callback listener for a test.

use std::time::Duration;

use aptiqd::sandbox::{Options, Sandbox};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub struct Stage {
    pub sandbox: Sandbox,
    pub http: Client,
    pub token: String,
}

/// A request that reached the callback listener.
#[derive(Debug)]
pub struct Heard {
    pub method: Method,
    pub query: Option<String>,
    pub body: Bytes,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the callback's body is JSON")
    }
}

pub fn options(faults: &str) -> Options {
    Options {
        faults: faults.parse().expect("a list of faults"),
        job_time: Duration::from_millis(20),
        lag: Duration::from_millis(200),
        ..Options::default()
    }
}

impl Stage {
    pub async fn set(faults: &str) -> Stage {
        Stage::with(options(faults)).await
    }

    pub async fn with(options: Options) -> Stage {
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let http = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .tls_danger_accept_invalid_certs(true)
            .build()
            .expect("a client");
        let token = sandbox.access_token();
        Stage {
            sandbox,
            http,
            token,
        }
    }

    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.sandbox.base_url()))
            .bearer_auth(&self.token)
    }

    pub async fn read(&self, path: &str) -> (StatusCode, Value) {
        answer(
            self.call(Method::GET, path)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    pub fn create(&self, body: &Value) -> RequestBuilder {
        self.call(Method::POST, "/bulk_api/jobs").json(body)
    }

    /// Creates a job that must be accepted; its id.
    pub async fn created(&self, body: &Value) -> String {
        let (status, job) = answer(self.create(body).send().await.expect("an answer")).await;
        assert_eq!(status, StatusCode::OK, "{job}");
        job["job_id"].as_str().expect("a job_id").to_owned()
    }

    /// Creates a job and waits for its end; its id.
    pub async fn finished(&self, body: &Value) -> String {
        let id = self.created(body).await;
        self.until(|state| status_of(state, &id).is_some_and(|status| status != "submitted"))
            .await;
        id
    }

    /// The address that the results redirect to.
    pub async fn location(&self, id: &str) -> String {
        let path = format!("/bulk_api/jobs/{id}/results");
        let answer = self
            .call(Method::GET, &path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::FOUND);
        answer.headers()["location"]
            .to_str()
            .expect("text")
            .to_owned()
    }

    /// Downloads a finished job's file as a simple client would.
    pub async fn download(&self, id: &str) -> Response {
        self.http
            .get(self.location(id).await)
            .send()
            .await
            .expect("an answer")
    }

    /// The whole file of a finished job, without any fault in the way.
    pub async fn bytes(&self, id: &str) -> Bytes {
        let answer = self.download(id).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.expect("a whole body")
    }

    pub async fn control(
        &self,
        method: Method,
        path: &str,
        body: &'static str,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.sandbox.control_url());
        answer(
            self.http
                .request(method, url)
                .body(body)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    pub async fn state(&self) -> Value {
        self.control(Method::GET, "/state", "").await.1
    }

    /// Waits until the state is as wanted, without polling on a clock.
    pub async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut state = self.state().await;
        for _ in 0..500 {
            if wanted(&state) {
                return state;
            }
            state = self
                .control(
                    Method::GET,
                    &format!("/state?after={}", state["revision"]),
                    "",
                )
                .await
                .1;
        }
        panic!("the state never came to be as wanted: {state:#}");
    }
}

pub fn status_of<'a>(state: &'a Value, id: &str) -> Option<&'a str> {
    job_in(state, id)?["status"].as_str()
}

pub fn job_in<'a>(state: &'a Value, id: &str) -> Option<&'a Value> {
    state["jobs"]
        .as_array()?
        .iter()
        .find(|job| job["job_id"] == id)
}

/// The rules that were violated, in order.
pub fn violations(state: &Value) -> Vec<&str> {
    state["violations"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["rule"].as_str())
        .collect()
}

pub async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.expect("a body");
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// A create's body.
pub fn order(report: &str, format: &str) -> Value {
    json!({
        "report_type": report,
        "output_format": format,
        "start_date": "2026-11-01",
        "end_date": "2026-11-03",
        "property_ids": [99_001_416, 99_001_470],
    })
}

/// A listener that answers 202 and hands on what it hears; its address comes first.
pub async fn listener() -> (String, mpsc::UnboundedReceiver<Heard>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!(
        "http://{}/cb/v1/token",
        socket.local_addr().expect("an address")
    );
    let router = Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let query = parts.uri.query().map(str::to_owned);
        let _ = sender.send(Heard {
            method: parts.method,
            query,
            body,
        });
        StatusCode::ACCEPTED
    });
    tokio::spawn(async move { axum::serve(socket, router).await });
    (url, receiver)
}
