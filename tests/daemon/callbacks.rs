//! The public listener, line by line: what it answers, to whom, and what strangers cost.

use crate::stage::{DAY, Setup, Stage, raw, text};
use reqwest::Method;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A daemon with one held job; the path of its callback address second.
fn held() -> (Stage, String, String) {
    let setup = Setup::faults("hold").with("api.poll_interval", "\"10m\"");
    let stage = Stage::running(setup, &[]);
    let run = stage.begin("daily", &DAY);
    let state = stage.until("a job", |state| state["creates"] == json!(1));
    stage.recorded(&run, "submit_accepted", 1);
    let url = text(&state["jobs"][0]["callback_url"]);
    let at = url.find("/cb/v1/").expect("the path");
    (stage, run, url[at..].to_owned())
}

fn request(method: &str, path: &str, rest: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}\r\n")
}

fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    status.unwrap_or_else(|| panic!("no status: {text:?}"))
}

#[test]
fn a_good_token_is_accepted_whatever_else_the_request_is() {
    let (stage, run, path) = held();
    let body = |kind: &str, body: &str| {
        format!(
            "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let requests = [
        request("GET", &path, ""),
        request("GET", &format!("{path}?event=done&x[]=%00"), ""),
        request("POST", &path, ""),
        request(
            "POST",
            &path,
            &body("application/json", "{\"status\":\"succeeded\"}"),
        ),
        request("PUT", &path, &body("text/plain", "done")),
        request("PATCH", &path, &body("application/octet-stream", "\0\0")),
        request("POST", &path, &body("nonsense", "{")),
    ];
    for sent in &requests {
        let answer = raw(stage.callback_port, sent.as_bytes());
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(status(&answer), 202, "{text}");
        assert!(text.ends_with("\r\n\r\n"), "a body: {text}");
    }
    // None of them was believed: the job is still running.
    let shown = stage.show(&run);
    assert_eq!(shown["run"]["state"], "running");
    let state = stage.until("a status read", |state| {
        state["requests"]["job"].as_u64() >= Some(1)
    });
    let reads = state["requests"]["job"].as_u64().expect("a number");
    assert!(
        reads <= 2,
        "{reads} reads for {} callbacks within 5 s",
        requests.len()
    );
    stage.control(Method::POST, "/release", "");
    assert_eq!(stage.ended(&run)["run"]["state"], "landed");
    // A finished attempt is answered the same.
    let late = raw(stage.callback_port, request("POST", &path, "").as_bytes());
    assert_eq!(status(&late), 202);
    stage.stop();
}

#[test]
fn everything_else_is_the_same_404_byte_for_byte() {
    let (stage, run, path) = held();
    let mut forged = path.clone();
    let last = if forged.ends_with('0') { '1' } else { '0' };
    forged.pop();
    forged.push(last);
    let long = format!("/cb/v1/{}", "a".repeat(5_000));
    let strange = [
        ("POST", forged.as_str()),
        ("GET", forged.as_str()),
        ("POST", "/cb/v1/"),
        ("POST", "/cb/v1/x"),
        ("POST", "/cb/v2/x"),
        ("GET", "/"),
        ("GET", "/-/healthy"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/status"),
        ("GET", "/.env"),
        ("GET", long.as_str()),
        ("DELETE", path.as_str()),
        ("OPTIONS", path.as_str()),
        ("BREW", path.as_str()),
    ];
    let answer =
        |method: &str, path: &str| raw(stage.callback_port, request(method, path, "").as_bytes());
    let expected = answer("GET", "/nothing");
    assert_eq!(status(&expected), 404);
    assert!(expected.ends_with(b"\r\n\r\n"), "it has a body");
    for (method, path) in strange {
        let said = answer(method, path);
        assert_eq!(
            String::from_utf8_lossy(&said),
            String::from_utf8_lossy(&expected),
            "{method} {}",
            &path[..path.len().min(40)]
        );
    }
    let more = format!("{path}/more");
    assert_eq!(answer("POST", &more), expected);
    stage.verb(&["cancel", &run]).exits(0);
    stage.stop();
}

#[test]
fn a_thousand_forged_callbacks_change_nothing() {
    let (stage, run, path) = held();
    let before = stage.verb(&["events"]).exits(0).json();
    let reads = stage.state()["requests"].clone();
    let (name, _) = path.rsplit_once('.').expect("a MAC");
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            let (stage, name) = (&stage, &name);
            scope.spawn(move || {
                for n in 0..125_u32 {
                    let forged = format!("{name}.{:032x}", thread * 1_000 + n);
                    let sent = request("POST", &forged, "");
                    assert_eq!(status(&raw(stage.callback_port, sent.as_bytes())), 404);
                }
            });
        }
    });
    assert_eq!(
        stage.verb(&["events"]).exits(0).json(),
        before,
        "something was written"
    );
    assert_eq!(stage.state()["requests"], reads, "the vendor was asked");
    assert!(
        !stage.log().contains("0000000000000000000000000000000"),
        "forgeries are logged"
    );
    let metrics = stage.admin(Method::GET, "/metrics").text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("aptiqd_callbacks_total{outcome=\"forged\"}"));
    let line = line.unwrap_or_else(|| panic!("{metrics}"));
    assert!(line.ends_with(" 1000"), "{line}");
    stage.verb(&["cancel", &run]).exits(0);
    stage.stop();
}

#[test]
fn an_oversized_body_is_413_and_forgets_nothing() {
    let (stage, run, path) = held();
    let limit = 64 * 1024;
    let whole = format!("Content-Length: {limit}\r\n\r\n{}", "x".repeat(limit));
    let sent = request("POST", &path, &whole);
    assert_eq!(
        status(&raw(stage.callback_port, sent.trim_end().as_bytes())),
        202
    );
    let announced = format!("Content-Length: {}\r\n", limit + 1);
    let sent = request("POST", &path, &announced);
    assert_eq!(status(&raw(stage.callback_port, sent.as_bytes())), 413);
    // Chunked, so that only the counting can notice it.
    let chunk = format!("10000\r\n{}\r\n", "y".repeat(0x1_0000));
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{chunk}1\r\nz\r\n0\r\n\r\n");
    let sent = request("POST", &path, &chunked);
    assert_eq!(status(&raw(stage.callback_port, sent.as_bytes())), 413);
    stage.verb(&["cancel", &run]).exits(0);
    stage.stop();
}

#[test]
fn slow_senders_are_cut_off_and_others_served_meanwhile() {
    let (stage, run, path) = held();
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", stage.callback_port)).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a limit");
        stream
    };
    let begun = Instant::now();
    let mut silent: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    let mut halting = connect();
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    halting.write_all(head.as_bytes()).expect("it is sent");
    let answer = raw(stage.callback_port, request("POST", &path, "").as_bytes());
    assert_eq!(
        status(&answer),
        202,
        "silent connections hold up a good one"
    );
    for stream in &mut silent {
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "headers may take 5 s"
    );
    let mut said = Vec::new();
    let _ = halting.read_to_end(&mut said);
    assert!(said.is_empty(), "half a body was answered");
    assert!(
        begun.elapsed() < Duration::from_secs(14),
        "a body may take 10 s"
    );
    stage.verb(&["cancel", &run]).exits(0);
    stage.stop();
}

#[test]
fn an_address_signed_by_an_older_key_still_counts() {
    let (stage, run, path) = held();
    stage.stop();
    let file = stage.path("state/callback.key");
    let old = std::fs::read_to_string(&file).expect("the key");
    stage.write_secret("state/callback.key", &format!("{}\n{old}", "5a".repeat(32)));
    stage.start();
    let answer = raw(stage.callback_port, request("POST", &path, "").as_bytes());
    assert_eq!(status(&answer), 202);
    stage.write_secret("state/callback.key", &format!("{}\n", "5a".repeat(32)));
    stage.stop();
    stage.start();
    let answer = raw(stage.callback_port, request("POST", &path, "").as_bytes());
    assert_eq!(
        status(&answer),
        404,
        "a key that was withdrawn still verifies"
    );
    stage.verb(&["cancel", &run]).exits(0);
    stage.stop();
}
