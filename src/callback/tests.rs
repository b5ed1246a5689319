//! Over real sockets: what is answered, when, and what closes in silence.

mod malformed;
mod stopping;

use super::*;
use crate::apartmentiq::CallbackKeys;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Counts what it acknowledges; each takes a permit, so that a test may hold it back.
#[derive(Clone)]
struct Recorder {
    permits: Arc<Semaphore>,
    asked: Arc<Mutex<Vec<AttemptId>>>,
    answer: Result<(), Unavailable>,
}

impl Acknowledge for Recorder {
    async fn acknowledge(&self, attempt: AttemptId) -> Result<(), Unavailable> {
        self.asked.lock().unwrap().push(attempt);
        self.permits.acquire().await.unwrap().forget();
        self.answer
    }
}

struct Listening {
    at: SocketAddr,
    keys: Arc<CallbackKeys>,
    recorder: Recorder,
    counters: Arc<Counters>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

fn short() -> Limits {
    Limits {
        header: Duration::from_millis(300),
        body: Duration::from_millis(300),
        linger: Duration::from_millis(300),
        ..Limits::default()
    }
}

async fn listening(limits: Limits, permits: usize, answer: Result<(), Unavailable>) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let keys = Arc::new(CallbackKeys::parse(KEY).unwrap());
    let recorder = Recorder {
        permits: Arc::new(Semaphore::new(permits)),
        asked: Arc::default(),
        answer,
    };
    let counters = Arc::new(Counters::default());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(
        listener,
        keys.clone(),
        recorder.clone(),
        limits,
        stop.clone(),
        counters.clone(),
    ));
    Listening {
        at,
        keys,
        recorder,
        counters,
        stop,
        serving,
    }
}

async fn open() -> Listening {
    listening(Limits::default(), 1000, Ok(())).await
}

impl Listening {
    fn token(&self) -> String {
        self.keys
            .token(&"owned.20261122T183000Z.p1.a1".parse().unwrap())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// Everything that comes back until the connection ends.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest_of(&mut stream).await
    }

    fn asked(&self) -> usize {
        self.recorder.asked.lock().unwrap().len()
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.counters.count(outcome)
    }
}

async fn rest_of(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
    // A reset after the answer ends it as well.
    let _ = read.expect("the listener closes");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_genuine_callback_is_accepted_whatever_it_says() {
    let listening = open().await;
    let token = listening.token();
    let encoded = token.replace('.', "%2E").replacen('o', "%6f", 1);
    let close = "Host: e\r\nConnection: close\r\n";
    let requests = [
        format!("GET /cb/v1/{token} HTTP/1.1\r\n{close}\r\n"),
        format!(
            "POST /cb/v1/{token}?status=failed&x=%00 HTTP/1.1\r\n{close}Content-Length: 5\r\n\r\nhello"
        ),
        format!(
            "PUT /cb/v1/{token} HTTP/1.1\r\n{close}Content-Type: a/b\r\nContent-Length: 2\r\n\r\n{{}}"
        ),
        format!(
            "PATCH /cb/v1/{encoded} HTTP/1.1\r\n{close}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        ),
        format!(
            "POST http://other.example/cb/v1/{token} HTTP/1.1\r\n{close}Content-Length: 0\r\n\r\n"
        ),
        format!(
            "POST /cb/v1/{token} HTTP/1.1\r\n{close}Content-Length: 65536\r\n\r\n{}",
            "x".repeat(65536)
        ),
    ];
    for (number, request) in (1..).zip(&requests) {
        assert_eq!(listening.ask(request).await, ACCEPTED, "{}", &request[..60]);
        assert_eq!(listening.asked(), number);
    }
    assert_eq!(listening.count(Outcome::Accepted), requests.len() as u64);
    let asked = listening.recorder.asked.lock().unwrap().clone();
    assert!(
        asked
            .iter()
            .all(|id| id.to_string() == "owned.20261122T183000Z.p1.a1")
    );
}

#[tokio::test]
async fn everything_else_is_the_same_empty_404() {
    let listening = open().await;
    let good = listening.token();
    let mut bad = good.clone();
    bad.replace_range(bad.len() - 1.., if good.ends_with('0') { "1" } else { "0" });
    let long = "a".repeat(5000);
    let mut targets: Vec<(&str, String)> = Vec::new();
    for method in ["HEAD", "OPTIONS", "DELETE", "TRACE", "PURGE"] {
        targets.push((method, format!("/cb/v1/{good}")));
    }
    for path in [
        format!("/cb/v1/{good}/"),
        format!("//cb/v1/{good}"),
        format!("/cb//v1/{good}"),
        format!("/cb/v1//{good}"),
        format!("/CB/v1/{good}"),
        format!("/cb/v2/{good}"),
        format!("/cb/v1/{good}%00"),
        format!("/cb/v1/{good}%2F"),
        format!("/cb/v1/{}", good.to_uppercase()),
        format!("/cb/v1/{bad}"),
        format!("/cb/v1/{bad}?x=1"),
        format!("/cb/v1/{long}"),
        "/cb/v1/".into(),
        "/cb/v1".into(),
        "/".into(),
        "/metrics".into(),
        "*".into(),
    ] {
        targets.extend(["GET", "POST", "HEAD", "DELETE"].map(|method| (method, path.clone())));
    }
    targets.push(("CONNECT", "e:443".into()));
    let expected = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    for (number, (method, path)) in (1..).zip(&targets) {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: e\r\n");
        // A body that is announced and never comes is not waited for.
        let body = if *method == "POST" {
            "Content-Length: 99999999\r\n\r\n"
        } else {
            "\r\n"
        };
        assert_eq!(
            listening.ask(&(head + body)).await,
            expected,
            "{method} {path}"
        );
        assert_eq!(listening.count(Outcome::Forged), number);
    }
    assert_eq!(listening.asked(), 0);
}

#[tokio::test]
async fn the_404_arrives_though_the_sender_is_still_sending() {
    let listening = open().await;
    let mut stream = listening.connect().await;
    let head = "POST /cb/v1/forged HTTP/1.1\r\nHost: e\r\nContent-Length: 200000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 200_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_with_or_without_a_length() {
    let listening = open().await;
    let head = format!("POST /cb/v1/{} HTTP/1.1\r\nHost: e\r\n", listening.token());
    let expected =
        "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let announced = format!("{head}Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n");
    assert_eq!(listening.ask(&announced).await, expected);
    let chunks = format!("8000\r\n{}\r\n", "x".repeat(0x8000)).repeat(3);
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
    assert_eq!(listening.ask(&chunked).await, expected);
    assert_eq!(listening.asked(), 0);
    assert_eq!(listening.count(Outcome::Oversized), 2);
}

#[tokio::test]
async fn no_202_before_it_is_durable() {
    let listening = listening(Limits::default(), 0, Ok(())).await;
    let mut stream = listening.connect().await;
    let request = format!(
        "POST /cb/v1/{} HTTP/1.1\r\nHost: e\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        listening.token()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut early = [0];
    let read = stream.read(&mut early);
    let read = tokio::time::timeout(Duration::from_millis(200), read).await;
    assert!(read.is_err(), "answered before it was durable");
    assert_eq!(listening.asked(), 1);
    listening.recorder.permits.add_permits(1);
    assert_eq!(rest_of(&mut stream).await, ACCEPTED);
}

#[tokio::test]
async fn a_store_that_cannot_or_does_not_answer_is_503() {
    let unavailable = listening(Limits::default(), 1, Err(Unavailable)).await;
    let hanging = Limits {
        acknowledge: Duration::from_millis(50),
        ..Limits::default()
    };
    let hanging = listening(hanging, 0, Ok(())).await;
    for listening in [unavailable, hanging] {
        let token = listening.token();
        let request =
            format!("GET /cb/v1/{token} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n");
        let answer = listening.ask(&request).await;
        let expected = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer, expected);
        assert_eq!(listening.count(Outcome::Unavailable), 1);
    }
}

#[tokio::test]
async fn older_and_odder_http_is_served_sanely() {
    let listening = open().await;
    let token = listening.token();
    let old = listening
        .ask(&format!("GET /cb/v1/{token} HTTP/1.0\r\n\r\n"))
        .await;
    assert_eq!(old, "HTTP/1.0 202 Accepted\r\ncontent-length: 0\r\n\r\n");

    let first = format!("POST /cb/v1/{token} HTTP/1.1\r\nHost: e\r\nContent-Length: 2\r\n\r\nab");
    let last = format!("GET /cb/v1/{token} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n");
    let piped = listening.ask(&format!("{first}{first}{last}")).await;
    assert_eq!(piped.matches("HTTP/1.1 202 Accepted\r\n").count(), 3);

    let expecting = format!(
        "POST /cb/v1/{token} HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    );
    let mut stream = listening.connect().await;
    stream.write_all(expecting.as_bytes()).await.unwrap();
    let mut invited = [0; 25];
    stream.read_exact(&mut invited).await.unwrap();
    assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.unwrap();
    assert_eq!(rest_of(&mut stream).await, ACCEPTED);

    let mut half = listening.connect().await;
    half.write_all(last.as_bytes()).await.unwrap();
    half.shutdown().await.unwrap();
    assert_eq!(rest_of(&mut half).await, ACCEPTED);
}

#[tokio::test]
async fn silent_connections_are_closed_and_stop_nobody_for_long() {
    let limits = Limits {
        connections: 64,
        ..short()
    };
    let listening = listening(limits, 1, Ok(())).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(listening.connect().await);
    }
    let token = listening.token();
    let request = format!("GET /cb/v1/{token} HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n");
    assert_eq!(listening.ask(&request).await, ACCEPTED);
    for stream in &mut silent {
        assert_eq!(rest_of(stream).await, "");
    }
    assert_eq!(listening.count(Outcome::Timeout), 300);
}

#[tokio::test]
async fn slow_headers_slow_bodies_and_idle_connections_are_closed() {
    let listening = listening(short(), 10, Ok(())).await;
    let token = listening.token();

    let mut dripping = listening.connect().await;
    let (mut reading, mut writing) = dripping.split();
    let drip = async {
        for byte in format!("GET /cb/v1/{token} HTTP/1.1\r\n").bytes().cycle() {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = reading.read_to_end(&mut answer) => {}
    }
    assert_eq!(answer, b"");

    let unfinished =
        format!("POST /cb/v1/{token} HTTP/1.1\r\nHost: e\r\nContent-Length: 9\r\n\r\nabc");
    assert_eq!(listening.ask(&unfinished).await, "");
    assert_eq!(listening.asked(), 0);

    let whole = format!("GET /cb/v1/{token} HTTP/1.1\r\nHost: e\r\n\r\n");
    let kept = listening.ask(&whole).await;
    assert_eq!(kept, "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(listening.count(Outcome::Timeout), 3);
}
