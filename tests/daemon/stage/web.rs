//! HTTP from the test's side: the control side of the simulated service, the daemon's admin listener,
//! and bytes as a stranger may send them.

use super::{PATIENCE, Stage, text};
use reqwest::Method;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// An HTTP answer.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Stage {
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().expect("it runs until the end");
        runtime.block_on(work)
    }

    pub fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.http.request(method, url)
    }

    #[track_caller]
    pub fn send(&self, request: reqwest::RequestBuilder) -> Said {
        self.block_on(async {
            let answer = request.send().await.expect("an answer");
            let kind = answer.headers().get("content-type");
            let content_type = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            Said {
                status: answer.status().as_u16(),
                content_type: content_type.to_owned(),
                body: answer.bytes().await.expect("a body").to_vec(),
            }
        })
    }

    /// An answer of the admin listener.
    #[track_caller]
    pub fn admin(&self, method: Method, path: &str) -> Said {
        let url = format!("http://127.0.0.1:{}{path}", self.admin_port);
        let said = self.send(self.request(method, &url));
        self.hear(&said.text());
        said
    }

    pub fn control(&self, method: Method, path: &str, body: &str) -> Value {
        let url = format!("{}{path}", self.sandbox().control_url());
        self.send(self.request(method, &url).body(body.to_owned()))
            .json()
    }

    /// What the vendor saw.
    pub fn state(&self) -> Value {
        self.sandbox().state()
    }

    /// Waits until the vendor's state is as wanted, woken by each of its changes.
    #[track_caller]
    pub fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        let mut state = self.state();
        while !wanted(&state) {
            if begun.elapsed() > PATIENCE {
                panic!("never came: {what}\n{}", brief(&state));
            }
            let path = format!("/state?after={}", state["revision"]);
            state = self.control(Method::GET, &path, "");
        }
        state
    }

    /// Waits until a run has ended, woken by the daemon's events; its `show` document.
    #[track_caller]
    pub fn ended(&self, run: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1", self.admin_port);
        let ended = self.block_on(async {
            tokio::time::timeout(PATIENCE, async {
                let events = self.http.get(format!("{url}/events?run={run}"));
                let mut events = events
                    .header("accept", "text/event-stream")
                    .send()
                    .await
                    .expect("the events");
                loop {
                    let shown = self.http.get(format!("{url}/runs/{run}")).send();
                    let shown = shown.await.expect("an answer").bytes().await;
                    let shown: Value =
                        serde_json::from_slice(&shown.expect("a body")).expect("JSON");
                    if !["queued", "running"].contains(&text(&shown["run"]["state"]).as_str()) {
                        return shown;
                    }
                    assert!(
                        events.chunk().await.expect("an event").is_some(),
                        "it stopped"
                    );
                }
            })
            .await
        });
        ended.unwrap_or_else(|_| panic!("{run} never ended: {:#}", self.show(run)))
    }

    /// Waits until the daemon's journal holds so many events of this name and run.
    #[track_caller]
    pub fn recorded(&self, run: &str, name: &str, count: usize) {
        let waited = self.heard(&format!("run={run}&after=0"), name, count);
        assert!(waited, "no {count} {name} in {:#}", self.show(run));
    }

    /// Waits until the daemon's journal holds an event of this name.
    #[track_caller]
    pub fn happens(&self, name: &str) {
        assert!(self.heard("after=0", name, 1), "no {name}\n{}", self.log());
    }

    fn heard(&self, query: &str, name: &str, count: usize) -> bool {
        let url = format!("http://127.0.0.1:{}/api/v1", self.admin_port);
        let url = format!("{url}/events?{query}");
        let waited = self.block_on(async {
            tokio::time::timeout(PATIENCE, async {
                let events = self.http.get(url).header("accept", "text/event-stream");
                let mut events = events.send().await.expect("the events");
                let mut heard = String::new();
                let wanted = format!("event: {name}\n");
                while heard.matches(&wanted).count() < count {
                    let chunk = events.chunk().await.expect("an event");
                    heard.push_str(&String::from_utf8_lossy(&chunk.expect("it goes on")));
                }
            })
            .await
        });
        waited.is_ok()
    }

    /// The vendor's file of a job, fetched as any client would.
    #[track_caller]
    pub fn delivered(&self, job_id: &str) -> Vec<u8> {
        let sandbox = self.sandbox();
        let url = format!("{}/bulk_api/jobs/{job_id}/results", sandbox.base_url());
        let token = sandbox.access_token();
        self.block_on(async {
            let answer = self.http.get(url).bearer_auth(token).send().await;
            let answer = answer.expect("a redirect");
            let location = answer.headers()["location"].to_str().expect("text");
            let file = self.http.get(location).send().await.expect("a file");
            file.bytes().await.expect("its bytes").to_vec()
        })
    }
}

/// A state without its longest parts.
fn brief(state: &Value) -> String {
    let mut state = state.clone();
    if let Some(log) = state["requests_log"].as_array_mut() {
        let from = log.len().saturating_sub(20);
        log.drain(..from);
    }
    for job in state["jobs"].as_array_mut().into_iter().flatten() {
        job["property_ids"] = Value::Null;
        job["callback_url"] = Value::Null;
    }
    format!("{state:#}")
}

/// Sends bytes as they are and reads until the other side closes.
pub fn raw(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    // The other side may close before all is sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Connects as soon as somebody listens, and waits for an answer.
pub fn knock(port: u16) {
    let begun = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(_) if begun.elapsed() < PATIENCE => std::thread::yield_now(),
            Err(error) => panic!("nobody listens on {port}: {error}"),
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("it is sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 404"));
}
