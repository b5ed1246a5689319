//! What is known of a job after each way a create can go (law 4).

use super::*;

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
