//! A download host that misbehaves on demand. Speaks just enough HTTP/1.1, on a raw socket.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What to answer, and how badly.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Close after so many bytes of the body, once.
    pub cut: Option<usize>,
    /// Say nothing more after so many bytes, and keep the connection.
    pub stall: Option<usize>,
    pub etag: Option<String>,
    /// Answer 200 whatever range is asked for.
    pub ignores_range: bool,
    pub framing: Framing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    #[default]
    Length,
    Chunked,
    /// The body ends with the connection.
    Close,
}

impl Reply {
    pub fn of(body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status: 200,
            body: body.into(),
            ..Reply::default()
        }
    }

    pub fn status(status: u16) -> Reply {
        Reply {
            status,
            ..Reply::default()
        }
    }
}

type Headers = HashMap<String, String>;

#[derive(Default)]
struct State {
    replies: Vec<Reply>,
    requests: Vec<(usize, Headers)>,
}

pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let port = listener.local_addr().expect("address").port();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        Server { port, state }
    }

    /// The address of a new reply.
    pub fn serve(&self, reply: Reply) -> String {
        let mut state = self.state.lock().expect("state");
        state.replies.push(reply);
        format!(
            "http://127.0.0.1:{}/{}?X-Amz-Signature=CANARY",
            self.port,
            state.replies.len() - 1
        )
    }

    pub fn change(&self, location: &str, change: impl FnOnce(&mut Reply)) {
        let number = location
            .split(['/', '?'])
            .find_map(|word| word.parse::<usize>().ok());
        let mut state = self.state.lock().expect("state");
        change(&mut state.replies[number.expect("a number")]);
    }

    /// The headers of each request so far.
    pub fn requests(&self) -> Vec<Headers> {
        let state = self.state.lock().expect("state");
        state
            .requests
            .iter()
            .map(|(_, headers)| headers.clone())
            .collect()
    }
}

async fn answer(stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream
            .read_line(&mut line)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let number: usize = path
            .trim_start_matches('/')
            .split('?')
            .next()?
            .parse()
            .ok()?;
        let mut headers = Headers::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let reply = {
            let mut state = state.lock().ok()?;
            state.requests.push((number, headers.clone()));
            let reply = state.replies.get(number)?.clone();
            // A cut happens once: the next try gets further.
            state.replies[number].cut = None;
            reply
        };
        send(stream.get_mut(), &reply, &headers).await?;
        if reply.framing == Framing::Close {
            return None;
        }
    }
}

async fn send(stream: &mut TcpStream, reply: &Reply, asked: &Headers) -> Option<()> {
    let from = range_start(reply, asked);
    let body = &reply.body[from.unwrap_or(0).min(reply.body.len())..];
    let status = if from.is_some() { 206 } else { reply.status };
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").ok()?;
    }
    if let Some(etag) = &reply.etag {
        write!(head, "ETag: {etag}\r\n").ok()?;
    }
    if let Some(from) = from {
        let total = reply.body.len();
        write!(
            head,
            "Content-Range: bytes {from}-{}/{total}\r\n",
            total - 1
        )
        .ok()?;
    }
    match reply.framing {
        Framing::Length => write!(head, "Content-Length: {}\r\n\r\n", body.len()),
        Framing::Chunked => write!(head, "Transfer-Encoding: chunked\r\n\r\n"),
        Framing::Close => write!(head, "Connection: close\r\n\r\n"),
    }
    .ok()?;
    stream.write_all(head.as_bytes()).await.ok()?;
    let sent = reply
        .cut
        .or(reply.stall)
        .unwrap_or(body.len())
        .min(body.len());
    if reply.framing == Framing::Chunked {
        for chunk in body[..sent].chunks(1000) {
            stream
                .write_all(format!("{:x}\r\n", chunk.len()).as_bytes())
                .await
                .ok()?;
            stream.write_all(chunk).await.ok()?;
            stream.write_all(b"\r\n").await.ok()?;
        }
        if reply.cut.is_none() {
            stream.write_all(b"0\r\n\r\n").await.ok()?;
        }
    } else {
        stream.write_all(&body[..sent]).await.ok()?;
    }
    stream.flush().await.ok()?;
    if reply.stall.is_some() {
        std::future::pending::<()>().await;
    }
    reply.cut.is_none().then_some(())
}

fn range_start(reply: &Reply, asked: &Headers) -> Option<usize> {
    let same = asked
        .get("if-range")
        .is_none_or(|tag| Some(tag) == reply.etag.as_ref());
    let range = asked
        .get("range")
        .filter(|_| same && !reply.ignores_range)?;
    range
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()
}
