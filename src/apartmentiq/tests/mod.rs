//! The client against a raw TCP server that answers with every nastiness.

mod create;
mod credential;
mod pages;
mod read;

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
    allow(path, 0o600);
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

/// Sets who may read a file.
fn allow(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
