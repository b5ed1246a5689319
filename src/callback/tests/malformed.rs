//! What is no request at all.

use super::*;

#[tokio::test]
async fn what_is_no_request_is_told_nothing_else() {
    let listening = open().await;
    let good = listening.token();
    let expected = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let huge = "x".repeat(140_000);
    let malformed = [
        "nonsense\r\n\r\n".to_owned(),
        format!("POST /cb/v1/{good} HTTP/1.1\r\nHost: e\r\nbad header\r\n\r\n"),
        format!("POST /cb/v1/{good} HTTP/1.1\r\nHost: e\r\nX: {huge}\r\n\r\n"),
        format!("GET /cb/v1/{huge} HTTP/1.1\r\nHost: e\r\n\r\n"),
        "GET /cb/v1/\u{7f} HTTP/1.1\r\nHost: e\r\n\r\n".to_owned(),
        format!("POST /cb/v1/{good} HTTP/9.9\r\nHost: e\r\n\r\n"),
        format!("POST /cb/v1/{good} HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
    ];
    let before = listening.count(Outcome::Forged);
    for (number, request) in (before + 1..).zip(&malformed) {
        let start = &request[..request.len().min(60)];
        assert_eq!(listening.ask(request).await, expected, "{start}");
        assert_eq!(listening.count(Outcome::Forged), number, "{start}");
    }
    assert_eq!(listening.asked(), 0);
}
