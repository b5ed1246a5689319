//! What a stop lets finish, and how long it waits.

use super::*;

fn request(listening: &Listening) -> String {
    let token = listening.token();
    format!("GET /cb/v1/{token} HTTP/1.1\r\nHost: e\r\n\r\n")
}

/// A callback that was handed over and is not acknowledged yet.
async fn under_way(listening: &Listening) -> TcpStream {
    let mut stream = listening.connect().await;
    let request = request(listening);
    stream.write_all(request.as_bytes()).await.unwrap();
    while listening.asked() == 0 {
        tokio::task::yield_now().await;
    }
    stream
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_and_ends() {
    let listening = listening(Limits::default(), 0, Ok(())).await;
    let mut idle = listening.connect().await;
    let mut stream = under_way(&listening).await;
    listening.stop.cancel();
    assert_eq!(rest_of(&mut idle).await, "");
    listening.recorder.permits.add_permits(1);
    assert_eq!(rest_of(&mut stream).await, ACCEPTED);
    listening.serving.await.unwrap();
    assert!(TcpStream::connect(listening.at).await.is_err());
}

#[tokio::test]
async fn a_stop_answers_what_was_sent_before_it_and_not_yet_read() {
    let listening = listening(Limits::default(), 1, Ok(())).await;
    let mut stream = listening.connect().await;
    let request = request(&listening);
    while listening.counters.connections() == 0 {
        tokio::task::yield_now().await;
    }
    // One thread serves both sides: nothing is read between these two.
    stream.write_all(request.as_bytes()).await.unwrap();
    listening.stop.cancel();
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    listening.serving.await.unwrap();
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace() {
    let limits = Limits {
        grace: Duration::from_millis(100),
        ..Limits::default()
    };
    let listening = listening(limits, 0, Ok(())).await;
    let mut stream = under_way(&listening).await;
    listening.stop.cancel();
    listening.serving.await.unwrap();
    assert_eq!(rest_of(&mut stream).await, "");
}
