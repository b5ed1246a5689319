//! The admin side over real sockets.

mod complete;
mod fake;
mod fake_complete;
mod fake_operations;
mod fake_page;
mod refused;

use super::client::{Client, Places};
use super::view::{self, Code, Level, TriggerRequest};
use super::{Access, bind, router, serve_tcp, serve_unix};
pub(super) use fake::Fake;
use futures_util::StreamExt;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

struct Served {
    fake: Arc<Fake>,
    socket: PathBuf,
    tcp: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

async fn serve(fake: Fake, access: Access) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let fake = Arc::new(fake);
    let stop = CancellationToken::new();
    let routes = router(fake.clone(), access, stop.clone());
    let bound = bind(&socket).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = listener.local_addr().unwrap();
    let (unix_routes, unix_stop, tcp_stop) = (routes.clone(), stop.clone(), stop.clone());
    let tasks = vec![
        tokio::spawn(async move { serve_unix(bound.listener(), unix_routes, unix_stop).await }),
        tokio::spawn(async move { serve_tcp(&listener, routes, tcp_stop).await }),
    ];
    Served {
        fake,
        socket,
        tcp,
        stop,
        tasks,
        _folder: folder,
    }
}

impl Served {
    fn client(&self) -> Client {
        Client::of_socket(self.socket.clone())
    }

    /// A request as bytes, over TCP; the whole answer as text.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.tcp).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ))
        .await
    }
}

#[tokio::test]
async fn the_client_reads_and_acts_over_the_socket() {
    let served = serve(Fake::new(), Access::open()).await;
    let client = served.client();
    let status: view::Status = client.read("/api/v1/status").await.unwrap();
    assert_eq!(status.schedules[0].level, Level::Error, "worst first");
    let request = TriggerRequest {
        from: "2026-11-01".parse().ok(),
        to: "2026-11-02".parse().ok(),
        dry_run: true,
    };
    let path = "/api/v1/schedules/owned/trigger";
    let triggered: view::Triggered = client.act(path, &request).await.unwrap();
    assert_eq!(triggered.run.id, "owned.m1");
    let asked = served.fake.asked.lock().unwrap().join("\n");
    assert!(
        asked.contains("2026-11-02") && asked.contains("DryRun"),
        "{asked}"
    );
}

#[tokio::test]
async fn refusals_keep_their_code_and_faults_across_the_wire() {
    let served = serve(Fake::new(), Access::open()).await;
    let client = served.client();
    let unknown = client
        .act::<view::Triggered>(
            "/api/v1/schedules/nobody/trigger",
            &TriggerRequest::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(unknown.code, Code::UnknownSchedule);
    for path in [
        "/api/v1/runs/nonsense",
        "/api/v1/runs/owned.20261122T183000Z",
    ] {
        let error = client.read::<view::RunDetail>(path).await.unwrap_err();
        assert_eq!(error.code, Code::UnknownRun, "{path}");
    }
    let rejected = client
        .act::<view::Reload>("/-/reload", &view::ActRequest::default())
        .await
        .unwrap_err();
    assert_eq!(rejected.code, Code::Config);
    let uid = rustix::process::getuid().as_raw();
    let asked = served.fake.asked.lock().unwrap().join("\n");
    assert!(
        asked.contains(&format!("reload uid {uid} Perform")),
        "{asked}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_a_usage_problem() {
    let served = serve(Fake::new(), Access::open()).await;
    for path in [
        "/api/v1/runs?state=done",
        "/api/v1/runs?limit=many",
        "/api/v1/runs?nonsense=1",
        "/api/v1/events?after=-1",
    ] {
        let answer = served.get(path).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        assert!(
            answer.contains("application/problem+json"),
            "{path}: {answer}"
        );
    }
    for (kind, body) in [
        ("application/json", "{\"dry_run\":1}"),
        ("application/json", "{\"wat\":true}"),
        ("application/json", "[]"),
        ("application/json", " [\"2026-11-01\", \"2026-11-02\"]"),
        ("application/json", "{\"from\":\"2026-11-01\"}"),
        (
            "application/json",
            "{\"from\":\"2026-11-02\",\"to\":\"2026-11-01\"}",
        ),
    ] {
        let answer = served
            .raw(&format!(
                "POST /api/v1/schedules/owned/trigger HTTP/1.1\r\nHost: localhost\r\n\
                 Connection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{body}: {answer}");
    }
    assert!(served.get("/api/v2").await.starts_with("HTTP/1.1 404"));
    assert!(served.get("/-/reload").await.starts_with("HTTP/1.1 405"));
    assert!(served.fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_elsewhere_reaches_nothing() {
    let served = serve(Fake::new(), Access::open()).await;
    for headers in [
        "Host: evil.example",
        "Host: localhost\r\nOrigin: https://evil.example",
        "Host: localhost\r\nSec-Fetch-Site: cross-site",
    ] {
        let answer = served
            .raw(&format!("POST /-/reload HTTP/1.1\r\n{headers}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{headers}: {answer}");
    }
    assert!(served.fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tcp_needs_the_token_and_the_socket_does_not() {
    let token = SecretString::from("s3cret");
    let served = serve(Fake::new(), Access::with_bearer(&token)).await;
    let answer = served.get("/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(
        answer.to_lowercase().contains("www-authenticate: bearer"),
        "{answer}"
    );
    let status: view::Status = served.client().read("/api/v1/status").await.unwrap();
    assert!(status.ready);
    let mut places = Places {
        listen: Some(served.tcp),
        ..Places::default()
    };
    let bare = places.connect().await.unwrap();
    let refused = bare
        .read::<view::Status>("/api/v1/status")
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Unauthorized);
    places.bearer = Some(token);
    let client = places.connect().await.unwrap();
    client.read::<view::Status>("/api/v1/status").await.unwrap();
}

#[tokio::test]
async fn readiness_is_told_apart_from_health() {
    let mut fake = Fake::new();
    fake.ready = Err("the store has stopped".into());
    let served = serve(fake, Access::open()).await;
    assert!(served.get("/-/healthy").await.starts_with("HTTP/1.1 200"));
    let ready = served.get("/-/ready").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("stopped"),
        "{ready}"
    );
    assert!(served.get("/metrics").await.contains("aptiqd_up 1"));
}

#[tokio::test]
async fn events_come_as_a_document_or_as_a_stream_that_resumes() {
    let served = serve(Fake::new(), Access::open()).await;
    for name in ["one", "two", "three"] {
        served.fake.happen(name, Some("owned.m1"));
    }
    let client = served.client();
    let newest: view::Events = client.read("/api/v1/events?limit=2").await.unwrap();
    let names: Vec<&str> = newest
        .events
        .iter()
        .map(|event| event.event.as_str())
        .collect();
    assert_eq!(names, ["two", "three"]);
    let first: view::Events = client.read("/api/v1/events?after=0&limit=1").await.unwrap();
    assert_eq!(first.events[0].event, "one");
    let mut resumed = pin!(client.follow("/api/v1/events", Some(1)).await.unwrap());
    assert_eq!(resumed.next().await.unwrap().unwrap().sequence, 2);
    assert_eq!(resumed.next().await.unwrap().unwrap().sequence, 3);
    served.fake.happen("other", Some("owned.m2"));
    served.fake.happen("four", Some("owned.m1"));
    assert_eq!(resumed.next().await.unwrap().unwrap().event, "other");
    assert_eq!(resumed.next().await.unwrap().unwrap().event, "four");
    let filtered = client.follow("/api/v1/events?run=owned.m2", Some(0)).await;
    let mut filtered = pin!(filtered.unwrap());
    assert_eq!(filtered.next().await.unwrap().unwrap().event, "other");
}

#[tokio::test]
async fn streams_and_idle_connections_end_when_the_daemon_stops() {
    let mut served = serve(Fake::new(), Access::open()).await;
    let client = served.client();
    let mut events = pin!(client.follow("/api/v1/events", None).await.unwrap());
    let mut idle = TcpStream::connect(served.tcp).await.unwrap();
    served.stop.cancel();
    assert!(events.next().await.is_none());
    for task in served.tasks.drain(..) {
        task.await.unwrap();
    }
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(!served.socket.exists());
}

#[tokio::test]
async fn the_page_escapes_what_others_wrote() {
    let served = serve(Fake::new(), Access::open()).await;
    let page = served.get("/").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("default-src 'none'"), "{page}");
    assert!(page.contains("for 1 of 2 properties"), "{page}");
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script>"),
        "{page}"
    );
    assert!(
        page.contains("&lt;b&gt;waits") && !page.contains("<b>"),
        "{page}"
    );
    assert!(served.get("/style.css").await.contains("text/css"));
}

#[tokio::test]
async fn nobody_there_is_unreachable_with_the_command_that_starts_it() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        sockets: vec![folder.path().join("admin.sock")],
        config: Some("my exports/aptiqd.toml".into()),
        ..Places::default()
    };
    let error = places.connect().await.unwrap_err();
    assert_eq!(error.code, Code::Unreachable);
    assert!(error.retryable);
    assert_eq!(
        error.help,
        "start it: aptiqd run --config 'my exports/aptiqd.toml'"
    );
}
