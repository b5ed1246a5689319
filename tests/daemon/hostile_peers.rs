//! Peers that misbehave on the wire: a mangling man in the middle before the API, and strangers by the thousand at the
//! callback listener. The run lands as if they were not there.

use crate::stage::{DAY, Setup, Stage, raw, text};
use crate::stopping::landed_once;
use reqwest::Method;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is done to the answers of the connections, in this order, again and again.
const MISCHIEF: [Mischief; 10] = [
    Mischief::None,
    Mischief::CloseAtOnce,
    Mischief::None,
    Mischief::Garbage,
    Mischief::CutHeader,
    Mischief::None,
    Mischief::CutBody,
    Mischief::Drip,
    Mischief::None,
    Mischief::Flood,
];

#[derive(Clone, Copy, Debug)]
enum Mischief {
    None,
    CloseAtOnce,
    Garbage,
    CutHeader,
    CutBody,
    /// Byte by byte.
    Drip,
    /// Headers without end.
    Flood,
}

/// A proxy before `upstream`; its address, and how often it did something.
fn mangler(upstream: String) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let done = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&done);
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (Ok(client), upstream) = (client, upstream.clone()) else {
                return;
            };
            let mischief = MISCHIEF[number % MISCHIEF.len()];
            if !matches!(mischief, Mischief::None) {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            std::thread::spawn(move || mangle(client, &upstream, mischief));
        }
    });
    (port, done)
}

fn mangle(client: TcpStream, upstream: &str, mischief: Mischief) {
    if !matches!(mischief, Mischief::CloseAtOnce) {
        pass(client, upstream, |client, piece| {
            spoil(client, piece, mischief)
        });
    }
}

/// Passes a connection on; `back` sends the answer's pieces, and ends the connection by an error.
fn pass(
    mut client: TcpStream,
    upstream: &str,
    mut back: impl FnMut(&mut TcpStream, &[u8]) -> std::io::Result<()>,
) {
    let Ok(mut server) = TcpStream::connect(upstream) else {
        return;
    };
    let (Ok(mut requests), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut requests, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut answer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut answer) {
        if back(&mut client, &answer[..length]).is_err() {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// Sends the piece as the mischief has it; an error ends the connection.
fn spoil(client: &mut TcpStream, piece: &[u8], mischief: Mischief) -> std::io::Result<()> {
    let over = || Err(std::io::ErrorKind::ConnectionAborted.into());
    let text = String::from_utf8_lossy(piece).into_owned();
    let body = text.find("\r\n\r\n").map_or(piece.len(), |at| at + 4);
    match mischief {
        Mischief::None | Mischief::CloseAtOnce => client.write_all(piece),
        Mischief::Garbage => client
            .write_all(b"220 smtp.example ESMTP\r\n\0\xff\xfe\r\n")
            .and_then(|()| over()),
        Mischief::CutHeader => client
            .write_all(&piece[..piece.len().min(23)])
            .and_then(|()| over()),
        Mischief::CutBody => client
            .write_all(&piece[..body + (piece.len() - body) / 2])
            .and_then(|()| over()),
        Mischief::Drip => piece.iter().try_for_each(|byte| client.write_all(&[*byte])),
        Mischief::Flood => {
            client.write_all(b"HTTP/1.1 200 OK\r\n")?;
            (0..100_000)
                .try_for_each(|n| client.write_all(format!("x-{n}: {n}\r\n").as_bytes()))?;
            over()
        }
    }
}

/// Puts what listens on the port that `proxy` gives between the daemon and the API at the address that it is given.
fn put_between<T>(stage: &Stage, proxy: impl FnOnce(String) -> (u16, T)) -> T {
    let base = stage.sandbox().base_url();
    let address = base
        .trim_start_matches("http://")
        .split('/')
        .next()
        .expect("an address");
    let (port, handle) = proxy(address.to_owned());
    let config = std::fs::read_to_string(stage.path("aptiqd.toml")).expect("it was written");
    stage.write(
        "aptiqd.toml",
        &config.replace(&base, &base.replace(address, &format!("127.0.0.1:{port}"))),
    );
    handle
}

#[test]
fn a_run_lands_behind_a_mangling_proxy() {
    let stage = Stage::set(Setup::default().with("api.submit_settle", "\"2s\""));
    let done = put_between(&stage, mangler);
    let keys = [
        ("properties", "{ ids = [1, 2, 3, 4, 5, 6, 7, 8] }"),
        ("chunk", "{ properties = 1, days = 31 }"),
        ("retry", "{ attempts = 20, first = \"1s\", max = \"1s\" }"),
    ];
    stage.schedule("daily", &keys);
    stage.start();
    let run = stage.begin("daily", &DAY);
    landed_once(&stage, &run, 8);
    let done = done.load(Ordering::SeqCst);
    println!("{done} connections to the API were mangled");
    assert!(done >= 5, "only {done} connections were mangled");
    stage.stop();
}

/// A proxy before `upstream`, whose answers are kept back while the flag is set.
fn silencer(upstream: String) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let silent = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&silent);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), upstream, flag) = (client, upstream.clone(), Arc::clone(&flag)) else {
                return;
            };
            std::thread::spawn(move || {
                pass(client, &upstream, |client, piece| {
                    match flag.load(Ordering::SeqCst) {
                        true => Ok(()),
                        false => client.write_all(piece),
                    }
                });
            });
        }
    });
    (port, silent)
}

/// The limit is a promise to whoever stops the daemon, not a measure of speed: timers fill it, and little else.
#[test]
fn a_vendor_and_a_sender_that_fall_silent_hold_no_stop_up() {
    let stage = Stage::set(Setup::default().with("api.request_timeout", "\"60s\""));
    let silent = put_between(&stage, silencer);
    stage.schedule("daily", &[]);
    stage.start();
    stage.until("the first list", |state| {
        state["requests"]["list"].as_u64() >= Some(1)
    });
    stage.lands("daily", &DAY);
    silent.store(true, Ordering::SeqCst);
    let run = stage.begin("daily", &["--from", "2026-11-05", "--to", "2026-11-05"]);
    stage.until("the create", |state| state["creates"] == json!(2));
    let mut sender = TcpStream::connect(("127.0.0.1", stage.callback_port)).expect("a connection");
    sender.write_all(b"POST /cb/").expect("half a line");
    let begun = Instant::now();
    stage.stop();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    silent.store(false, Ordering::SeqCst);
    stage.start();
    let shown = stage.ended(&run);
    assert_eq!(shown["run"]["state"], "landed", "{shown:#}");
    assert_eq!(stage.state()["creates"], json!(2), "it was found");
    stage.stop();
}

/// Tokens like the real one, none of which is.
fn forge(token: &str, number: usize) -> String {
    let (name, mac) = token.rsplit_once('.').expect("a MAC");
    let flip = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        String::from_utf8(bytes).expect("ASCII")
    };
    match number % 6 {
        0 => format!("{name}.{number:032x}"),
        1 => format!("{name}.{}", flip(mac, number / 6)),
        2 => format!("{}.{mac}", flip(name, number / 6)),
        3 => format!("{name}.{}", &mac[..number % mac.len()]),
        4 => format!("{}{}.{mac}", &name[..name.len() - 1], 2 + number % 900),
        _ => format!("{name}.{mac}{number:x}"),
    }
}

/// Sends so many forgeries; each must get the same 404, after which the listener closes.
fn forgeries(port: u16, token: &str, first: usize, count: usize) {
    for number in first..first + count {
        let forged = forge(token, number);
        let request =
            format!("POST /cb/v1/{forged} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let answer = raw(port, request.as_bytes());
        assert!(
            answer.starts_with(b"HTTP/1.1 404 "),
            "{forged}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

fn forged(count: usize) {
    const THREADS: usize = 4;
    let stage = Stage::running(
        Setup::faults("hold").with("api.poll_interval", "\"10m\""),
        &[],
    );
    let run = stage.begin("daily", &DAY);
    let state = stage.until("a job", |state| state["creates"] == json!(1));
    stage.recorded(&run, "submit_accepted", 1);
    let url = text(&state["jobs"][0]["callback_url"]);
    let token = url.rsplit('/').next().expect("a token").to_owned();
    let before = stage.verb(&["events"]).exits(0).json();
    let reads = stage.state()["requests"].clone();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (stage, token) = (&stage, &token);
            let each = count / THREADS;
            scope.spawn(move || forgeries(stage.callback_port, token, thread * each, each));
        }
    });
    assert_eq!(
        stage.verb(&["events"]).exits(0).json(),
        before,
        "something was written"
    );
    assert_eq!(stage.state()["requests"], reads, "the vendor was asked");
    println!("{count} forged callbacks, none with any effect");
    stage.control(Method::POST, "/release", "");
    landed_once(&stage, &run, 1);
    stage.stop();
}

#[test]
fn ten_thousand_forgeries_change_nothing() {
    forged(10_000);
}

#[test]
#[ignore = "minutes long; .ci/torture runs it"]
fn a_million_forgeries_change_nothing() {
    forged(1_000_000);
}

/// Clients that hold their half of a connection, in every way, while genuine callbacks go through.
#[test]
fn half_open_and_slow_clients_starve_nobody() {
    let stage = Stage::running(
        Setup::faults("hold").with("api.poll_interval", "\"10m\""),
        &[],
    );
    let run = stage.begin("daily", &DAY);
    let state = stage.until("a job", |state| state["creates"] == json!(1));
    let url = text(&state["jobs"][0]["callback_url"]);
    let path = url[url.find("/cb/v1/").expect("the path")..].to_owned();
    let begin = |words: &str| {
        let mut stream =
            TcpStream::connect(("127.0.0.1", stage.callback_port)).expect("a connection");
        stream.write_all(words.as_bytes()).expect("it is sent");
        stream
    };
    let halves = [
        String::new(),
        "POST ".to_owned(),
        format!("POST {path} HTTP/1.1\r\nHost"),
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"),
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
    ];
    let mut held: Vec<TcpStream> = Vec::new();
    for round in 0..40 {
        let stream = begin(&halves[round % halves.len()]);
        if round % 2 == 0 {
            // The client says that it has nothing more to send, and goes on listening.
            let _ = stream.shutdown(Shutdown::Write);
        }
        held.push(stream);
    }
    let whole = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    for _ in 0..20 {
        let answer = raw(stage.callback_port, whole.as_bytes());
        assert!(
            answer.starts_with(b"HTTP/1.1 202 "),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    for stream in &mut held {
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a limit");
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(
            !said.starts_with(b"HTTP/1.1 202"),
            "half a callback was acknowledged"
        );
    }
    stage.control(Method::POST, "/release", "");
    landed_once(&stage, &run, 1);
    stage.stop();
}
