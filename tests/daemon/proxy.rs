//! Something that stands before the daemon's callback listener, and does as it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    PassesOn,
    Redirects,
    ShowsPage,
    /// Passes on without `/cb/v1`.
    StripsPath,
    /// Answers 202 and passes nothing on.
    SwallowsAll,
    /// Passes on, and answers 200 with a body.
    AnswersOtherwise,
    ChangesBody,
    HangsUp,
}

pub struct Proxy {
    pub port: u16,
    conduct: Arc<Mutex<Conduct>>,
}

impl Proxy {
    /// Serves until the test's process ends.
    pub fn before(daemon: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let conduct = Arc::new(Mutex::new(Conduct::PassesOn));
        let shared = Arc::clone(&conduct);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let conduct = *shared.lock().unwrap_or_else(PoisonError::into_inner);
                serve(stream, daemon, conduct);
            }
        });
        Proxy { port, conduct }
    }

    pub fn behave(&self, conduct: Conduct) {
        *self.conduct.lock().unwrap_or_else(PoisonError::into_inner) = conduct;
    }
}

fn serve(mut stream: TcpStream, daemon: u16, conduct: Conduct) {
    let Some((head, body)) = request(&mut stream) else {
        return;
    };
    let answer = match conduct {
        Conduct::HangsUp => return,
        Conduct::PassesOn => forwarded(daemon, &head, &body),
        Conduct::StripsPath => forwarded(daemon, &head.replacen("/cb/v1", "", 1), &body),
        Conduct::ChangesBody => forwarded(daemon, &head, &[&body, &b" "[..]].concat()),
        Conduct::AnswersOtherwise => {
            forwarded(daemon, &head, &body);
            said("200 OK", "", "fine")
        }
        Conduct::SwallowsAll => said("202 Accepted", "", ""),
        Conduct::Redirects => said(
            "301 Moved Permanently",
            "location: https://elsewhere.example/cb/v1/x\r\n",
            "",
        ),
        Conduct::ShowsPage => said(
            "403 Forbidden",
            "content-type: text/html\r\n",
            "<html>Are you a robot?</html>",
        ),
    };
    let _ = stream.write_all(&answer);
}

fn said(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    text.into_bytes()
}

/// The head of a request with its empty line, and its body.
fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end + 4].to_vec()).ok()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        let body = &bytes[end + 4..];
        if body.len() >= length.unwrap_or(0) {
            return Some((head, body.to_vec()));
        }
    }
}

/// The daemon's answer to the request with this body.
fn forwarded(daemon: u16, head: &str, body: &[u8]) -> Vec<u8> {
    let lines = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        !line.is_empty() && !["content-length", "connection"].contains(&name.as_str())
    });
    let mut request: String = lines.map(|line| format!("{line}\r\n")).collect();
    request.push_str(&format!(
        "connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    let mut upstream = TcpStream::connect(("127.0.0.1", daemon)).expect("the daemon listens");
    let mut answer = Vec::new();
    let sent = upstream.write_all(request.as_bytes());
    let sent = sent.and_then(|()| upstream.write_all(body));
    if sent.is_ok() {
        let _ = upstream.read_to_end(&mut answer);
    }
    answer
}
