//! The client against a raw TCP server that answers with every nastiness.

use super::*;
use crate::run::{CreateFailure, FaultClass, JobStatus};
use crate::schedule::{Accounts, Format, Properties, Report, Window};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const JOB: &str = r#"{"job_id":"j-1","status":"submitted","report_type":"property","output_format":"csv","property_ids":[1],"start_date":"2026-11-22","end_date":"2026-11-22"}"#;

/// What the server does with one request.
enum Act {
    /// Reads the request, then resets.
    Reset,
    /// Reads the request, then closes.
    Close,
    /// Sends this and closes.
    Send(String),
    /// Sends this and then nothing more, keeping the connection.
    Stall(String),
    /// Sends this over and over until the client has enough.
    Endless(String),
}

struct Server {
    at: SocketAddr,
    /// Every request as it came, head and body.
    requests: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
}

/// `act` is given the number of the request, from 1, and its text.
async fn server(act: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = requests.clone();
    let act = Arc::new(act);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (seen, act) = (seen.clone(), act.clone());
            tokio::spawn(async move { conversation(stream, &seen, &*act).await });
        }
    });
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("token"), "first");
    write(&folder.path().join("secret"), "s3cret");
    Server {
        at,
        requests,
        folder,
    }
}

async fn conversation(
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    act: &(dyn Fn(usize, &str) -> Act + Send + Sync),
) {
    let Some(request) = request_of(&mut stream).await else {
        return;
    };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len()
    };
    match act(number, &request) {
        Act::Reset => reset(stream),
        Act::Close => {}
        Act::Send(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Act::Stall(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            std::future::pending().await
        }
        Act::Endless(text) => while stream.write_all(text.as_bytes()).await.is_ok() {},
    }
}

async fn request_of(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.to_lowercase();
            let length = announced.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn answer(status: &str, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Send(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

fn ok(body: &str) -> Act {
    answer("200 OK", "content-type: application/json\r\n", body)
}

fn unauthorized() -> Act {
    answer("401 Unauthorized", "", r#"{"error":"Unauthorized"}"#)
}

fn bearer(request: &str) -> &str {
    let token = request.split("authorization: Bearer ").nth(1);
    token.and_then(|rest| rest.lines().next()).unwrap_or("")
}

impl Server {
    fn settings(&self) -> Settings {
        Settings {
            base_url: format!("http://{}/apartmentiq/api/v1/", self.at),
            token_url: format!("http://{}/oauth/token", self.at),
            credential: Credential::Token {
                file: self.folder.path().join("token"),
            },
            standby_token_file: None,
            request_timeout: Duration::from_secs(20),
            requests_per_minute: 100_000,
        }
    }

    fn client(&self) -> Client {
        Client::new(self.settings()).unwrap()
    }

    fn hasty(&self) -> Client {
        Client::new(Settings {
            request_timeout: Duration::from_millis(600),
            ..self.settings()
        })
        .unwrap()
    }

    fn oauth(&self) -> Client {
        let credential = Credential::Client {
            id: "me".into(),
            secret_file: self.folder.path().join("secret"),
        };
        Client::new(Settings {
            credential,
            ..self.settings()
        })
        .unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn count(&self, start: &str) -> usize {
        let requests = self.requests();
        requests.iter().filter(|r| r.starts_with(start)).count()
    }
}

fn order() -> CreateJob {
    CreateJob {
        report: Report::Property,
        format: Format::Csv,
        window: Window::day("2026-11-22".parse().unwrap()),
        property_ids: vec![1, 2],
        callback_url: Some("https://e.example/cb/v1/x".into()),
    }
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Known {
    Unsent,
    Refused,
    Unanswered,
}
use Known::{Refused, Unanswered, Unsent};

fn known(outcome: Result<crate::run::JobSeen, CreateFailure>) -> (Known, FaultClass) {
    match outcome.expect_err("no job was made") {
        CreateFailure::Unsent(fault) => (Unsent, fault.class),
        CreateFailure::Refused(fault) => (Refused, fault.class),
        CreateFailure::Unanswered(fault) => (Unanswered, fault.class),
    }
}

#[tokio::test]
async fn a_create_says_what_it_must_and_to_the_right_place() {
    let server = server(|_, _| ok(JOB)).await;
    let job = server.client().create(&order()).await.unwrap();
    assert_eq!(job.job_id, "j-1");
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /apartmentiq/api/v1/bulk_api/jobs HTTP/1.1\r\n"));
    assert_eq!(bearer(request), "first");
    assert!(!request.to_lowercase().contains("referer"));
    let body = request.split("\r\n\r\n").nth(1).unwrap();
    let expected = r#"{"report_type":"property","output_format":"csv","start_date":"2026-11-22","end_date":"2026-11-22","property_ids":[1,2],"callback_url":"https://e.example/cb/v1/x"}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_create_that_may_have_worked_is_unanswered() {
    let html = "<html>maintenance</html>";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let long = |n| format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n");
    let cases: Vec<(fn() -> Act, FaultClass)> = vec![
        (|| Act::Reset, FaultClass::Unanswered),
        (|| Act::Close, FaultClass::Unanswered),
        (
            || Act::Send("HTTP/1.1 200 OK\r\ncontent-le".into()),
            FaultClass::Unanswered,
        ),
        (
            || Act::Send("SSH-2.0-OpenSSH_9.2\r\n".into()),
            FaultClass::Unanswered,
        ),
        (|| ok("{}"), FaultClass::Nonsense),
        (
            || ok(r#"{"job_id":null,"status":"submitted"}"#),
            FaultClass::Nonsense,
        ),
        (|| ok(""), FaultClass::Nonsense),
        (|| ok("[1]"), FaultClass::Nonsense),
        (|| answer("204 No Content", "", ""), FaultClass::Nonsense),
        (
            || answer("302 Found", "location: https://evil.example/\r\n", ""),
            FaultClass::Nonsense,
        ),
        (
            || answer("500 Internal Server Error", "", "{}"),
            FaultClass::Unanswered,
        ),
        (
            || answer("503 Service Unavailable", "retry-after: 5\r\n", ""),
            FaultClass::Unanswered,
        ),
        (
            || answer("408 Request Timeout", "", r#"{"error":"slow"}"#),
            FaultClass::Unanswered,
        ),
    ];
    let mut cases: Vec<(Box<dyn Fn() -> Act + Send + Sync>, FaultClass)> = cases
        .into_iter()
        .map(|(act, class)| (Box::new(act) as Box<dyn Fn() -> Act + Send + Sync>, class))
        .collect();
    let more: Vec<(String, FaultClass)> = vec![
        (format!("{}{}", long(500), JOB), FaultClass::Unanswered),
        (format!("{chunked}zz\r\nnonsense"), FaultClass::Unanswered),
        (format!("{chunked}5\r\n{{\"a\""), FaultClass::Unanswered),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n{html}"),
            FaultClass::Nonsense,
        ),
        (
            format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 24\r\n\r\n{html}"),
            FaultClass::Nonsense,
        ),
        (
            format!("HTTP/1.1 403 Forbidden\r\ncontent-length: 24\r\n\r\n{html}"),
            FaultClass::Forbidden,
        ),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 99\r\n\r\n{\"error\":".into(),
            FaultClass::Nonsense,
        ),
    ];
    for (text, class) in more {
        cases.push((Box::new(move || Act::Send(text.clone())), class));
    }
    for (number, (act, class)) in cases.into_iter().enumerate() {
        let server = server(move |_, _| act()).await;
        let outcome = known(server.client().create(&order()).await);
        assert_eq!(outcome, (Unanswered, class), "case {number}");
        assert!(server.requests().len() <= 1, "case {number} was sent again");
    }
}

#[tokio::test]
async fn silence_and_floods_are_cut_off() {
    let stalls = [
        String::new(),
        "HTTP/1.1 200 OK\r\n".into(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{JOB}"),
    ];
    for text in stalls {
        let server = server(move |_, _| Act::Stall(text.clone())).await;
        let outcome = known(server.hasty().create(&order()).await);
        assert_eq!(outcome, (Unanswered, FaultClass::Unanswered));
    }
    let megabytes = format!("{:x}\r\n{}\r\n", 65536, " ".repeat(65536)).repeat(20);
    let flood = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{megabytes}");
    let server = server(move |_, _| Act::Send(flood.clone())).await;
    let outcome = known(server.client().create(&order()).await);
    assert_eq!(outcome, (Unanswered, FaultClass::Nonsense));

    let server = self::server(|_, _| Act::Endless("HTTP/1.1 200 OK\r\nx-a: b\r\n".into())).await;
    let outcome = known(server.client().create(&order()).await);
    assert_eq!(outcome, (Unanswered, FaultClass::Unanswered));
}

#[tokio::test]
async fn a_connection_reset_before_the_request_was_read_leaves_it_unanswered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            reset(listener.accept().await.unwrap().0);
        }
    });
    let server = server(|_, _| ok(JOB)).await;
    let client = Client::new(Settings {
        base_url: format!("http://{at}"),
        ..server.settings()
    })
    .unwrap();
    let outcome = known(client.create(&order()).await);
    assert_eq!(outcome, (Unanswered, FaultClass::Unanswered));
}

#[tokio::test]
async fn a_create_that_left_nothing_is_unsent() {
    let server = server(|_, _| ok(JOB)).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let unreachable = Settings {
        base_url: format!("http://{nobody}"),
        ..server.settings()
    };
    let client = Client::new(unreachable).unwrap();
    let outcome = known(client.create(&order()).await);
    assert_eq!(outcome, (Unsent, FaultClass::Unreachable));
    // TLS towards a server that speaks none.
    let untrusted = Settings {
        base_url: format!("https://{}", server.at),
        request_timeout: Duration::from_secs(1),
        ..server.settings()
    };
    if let Ok(client) = Client::new(untrusted) {
        let outcome = known(client.create(&order()).await);
        assert_eq!(outcome, (Unsent, FaultClass::Unreachable));
    }
    std::fs::remove_file(server.folder.path().join("token")).unwrap();
    let outcome = known(server.client().create(&order()).await);
    assert_eq!(outcome, (Unsent, FaultClass::Credential));
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_create_that_was_turned_down_is_refused() {
    let json = r#"{"error":"Invalid parameter","message":"no"}"#;
    let quota = r#"{"error":"Export quota limit exceeded","quota_limit":5000,"quota_usage":5001}"#;
    let cases = [
        ("400 Bad Request", json, FaultClass::Invalid),
        ("404 Not Found", json, FaultClass::Invalid),
        (
            "422 Unprocessable Entity",
            r#"{"errors":["a"]}"#,
            FaultClass::Invalid,
        ),
        ("403 Forbidden", "", FaultClass::Forbidden),
        ("401 Unauthorized", "", FaultClass::Credential),
        (
            "429 Too Many Requests",
            "Retry later",
            FaultClass::Throttled,
        ),
        ("429 Too Many Requests", quota, FaultClass::Quota),
    ];
    for (status, body, class) in cases {
        let server = server(move |_, _| answer(status, "retry-after: 0\r\n", body)).await;
        let client = server.client();
        let outcome = known(client.create(&order()).await);
        assert_eq!(outcome, (Refused, class), "{status} {body}");
        let quota = client.limits().quota.map(|quota| quota.limit);
        assert_eq!(quota, (class == FaultClass::Quota).then_some(5000));
    }
}

#[tokio::test]
async fn no_connection_is_kept_under_a_create() {
    let keep = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{JOB}",
        JOB.len()
    );
    let server = server(move |_, _| Act::Stall(keep.clone())).await;
    let client = server.client();
    // The server would never read a second request from a connection it has answered on.
    for _ in 0..3 {
        client.create(&order()).await.unwrap();
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn one_token_is_asked_for_by_all_who_lack_it() {
    let server = server(|_, request| {
        if request.starts_with("POST /oauth/token") {
            let fresh =
                request.contains("client_id=me") && request.contains("client_secret=s3cret");
            assert!(fresh && !request.contains("authorization"));
            let token = if request.contains("never") {
                "x"
            } else {
                "opened"
            };
            return ok(&format!(
                r#"{{"access_token":"{token}","expires_in":7200}}"#
            ));
        }
        ok(JOB)
    })
    .await;
    let client = server.oauth();
    let calls = (0..20).map(|_| client.job("j-1"));
    for job in futures_util::future::join_all(calls).await {
        job.unwrap();
    }
    assert_eq!(server.count("POST /oauth/token"), 1);
    let state = client.credential();
    assert_eq!((state.kind, state.refused), (CredentialKind::Client, false));
    assert!(state.expires_at.unwrap() > crate::clock::now() + chrono::TimeDelta::hours(1));
}

#[tokio::test]
async fn a_token_that_ends_early_is_renewed_by_one_and_the_calls_repeated() {
    let grants = Arc::new(Mutex::new(0));
    let given = grants.clone();
    let server = server(move |_, request| {
        if request.starts_with("POST /oauth/token") {
            let mut given = given.lock().unwrap();
            *given += 1;
            return ok(&format!(
                r#"{{"access_token":"t{given}","expires_in":7200}}"#
            ));
        }
        if bearer(request) == "t1" {
            unauthorized()
        } else {
            ok(JOB)
        }
    })
    .await;
    let client = server.oauth();
    let order = order();
    let creates = (0..20).map(|_| client.create(&order));
    for job in futures_util::future::join_all(creates).await {
        job.unwrap();
    }
    assert_eq!(*grants.lock().unwrap(), 2);
    assert!(server.count("POST /apartmentiq") <= 40);
}

#[tokio::test]
async fn a_credential_that_stays_refused_is_not_hammered() {
    let server = server(|_, request| {
        if request.starts_with("POST /oauth/token") {
            return ok(r#"{"access_token":"t","expires_in":7200}"#);
        }
        unauthorized()
    })
    .await;
    let client = server.oauth();
    for _ in 0..10 {
        assert_eq!(
            client.job("j-1").await.unwrap_err().class,
            FaultClass::Credential
        );
    }
    assert!(client.credential().refused);
    assert_eq!(server.count("GET "), 2);
    assert_eq!(server.count("POST /oauth/token"), 2);
}

#[tokio::test]
async fn a_failing_token_endpoint_is_not_hammered_and_nothing_is_sent() {
    let server = server(|_, _| answer("500 Oops", "", "")).await;
    let client = server.oauth();
    for _ in 0..10 {
        let (known, class) = known(client.create(&order()).await);
        assert_eq!((known, class), (Unsent, FaultClass::Unanswered));
    }
    assert_eq!(server.requests().len(), 1);
    // Another secret is worth another try at once.
    write(&server.folder.path().join("secret"), "another");
    client.job("j-1").await.unwrap_err();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_standby_serves_while_the_first_is_refused() {
    let server = server(|_, request| match bearer(request) {
        "standby" | "mended" => ok(JOB),
        _ => unauthorized(),
    })
    .await;
    let standby = server.folder.path().join("standby");
    write(&standby, " standby\n");
    let settings = Settings {
        standby_token_file: Some(standby),
        ..server.settings()
    };
    let client = Client::new(settings).unwrap();
    client.create(&order()).await.unwrap();
    client.job("j-1").await.unwrap();
    let state = client.credential();
    assert_eq!((state.in_use, state.refused), (InUse::Standby, false));
    let sent: Vec<String> = server
        .requests()
        .iter()
        .map(|r| bearer(r).to_owned())
        .collect();
    assert_eq!(sent, ["first", "first", "standby", "standby"]);

    let changed = client.credential_changed();
    tokio::pin!(changed);
    assert!(futures_util::poll!(&mut changed).is_pending());
    write(&server.folder.path().join("token"), "mended");
    client.job("j-1").await.unwrap();
    changed.await;
    assert_eq!(client.credential().in_use, InUse::First);
}

#[tokio::test]
async fn a_changed_token_file_is_used_at_once() {
    let server = server(|_, _| ok(JOB)).await;
    let client = server.client();
    client.job("j-1").await.unwrap();
    write(&server.folder.path().join("token"), "second");
    client.job("j-1").await.unwrap();
    let sent: Vec<String> = server
        .requests()
        .iter()
        .map(|r| bearer(r).to_owned())
        .collect();
    assert_eq!(sent, ["first", "second"]);
}

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
