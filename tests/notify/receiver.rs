//! A tiny HTTP server that keeps what it is told and answers as it is bidden.

use crate::stage::{PATIENCE, Stage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Stands in each address, and may stand in no log.
pub const TOKEN: &str = "T0K3N-that-nobody-may-see";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Got {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Answer(u16),
    /// So many times this status, then 200.
    AtFirst(u16, usize),
    /// Takes the request and never answers.
    Hang,
    /// To another place, which must not be gone to.
    Redirect,
}

struct State {
    got: Vec<Got>,
    mood: Mood,
    held: Vec<TcpStream>,
}

#[derive(Clone)]
pub struct Receiver {
    port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Receiver {
    pub fn new(mood: Mood) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let receiver = Receiver {
            port: listener.local_addr().expect("an address").port(),
            shared: Arc::new((
                Mutex::new(State {
                    got: Vec::new(),
                    mood,
                    held: Vec::new(),
                }),
                Condvar::new(),
            )),
        };
        let serving = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.take(stream);
            }
        });
        receiver
    }

    /// Its address, to be kept secret.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{TOKEN}", self.port)
    }

    /// Puts its address into a secret file of the stage.
    pub fn write(&self, stage: &Stage, file: &str) {
        stage.write_secret(file, &self.url());
    }

    pub fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Waits for so many requests that `wanted` picks, and gives back all of those.
    #[track_caller]
    pub fn until(&self, count: usize, wanted: impl Fn(&Got) -> bool) -> Vec<Got> {
        let begun = Instant::now();
        let mut state = self.state();
        loop {
            let found: Vec<Got> = state
                .got
                .iter()
                .filter(|got| wanted(got))
                .cloned()
                .collect();
            if found.len() >= count {
                return found;
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            assert!(!left.is_zero(), "{count} never came: {:#?}", state.got);
            let waited = self.shared.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn all(&self) -> Vec<Got> {
        self.state().got.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, stream: TcpStream) {
        // A sender that goes away in the middle is no request.
        let Some(got) = read(&stream) else { return };
        let mut state = self.state();
        state.got.push(got);
        let status = match state.mood {
            Mood::Answer(status) => status,
            Mood::AtFirst(_, 0) => 200,
            Mood::AtFirst(status, left) => {
                state.mood = Mood::AtFirst(status, left - 1);
                status
            }
            Mood::Hang => {
                state.held.push(stream);
                self.shared.1.notify_all();
                return;
            }
            Mood::Redirect => 302,
        };
        drop(state);
        self.shared.1.notify_all();
        let elsewhere = format!("http://127.0.0.1:{}/elsewhere", self.port);
        let answer = format!(
            "HTTP/1.1 {status} x\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let _ = (&stream).write_all(answer.as_bytes());
    }
}

fn read(stream: &TcpStream) -> Option<Got> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Got {
        method,
        path,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

/// A stage with one webhook `ops`, its address and its secret in files, and the schedule `daily`.
pub fn with_webhook(setup: crate::stage::Setup, keys: &[crate::stage::Key]) -> (Stage, Receiver) {
    let setup = setup
        .with("notify.ops.kind", "\"webhook\"")
        .with("notify.ops.url_file", "\"ops.url\"")
        .with("notify.ops.secret_file", "\"ops.secret\"");
    let stage = Stage::set(setup);
    let receiver = Receiver::new(Mood::Answer(200));
    receiver.write(&stage, "ops.url");
    stage.write_secret("ops.secret", SECRET);
    stage.schedule("daily", keys);
    stage.start();
    (stage, receiver)
}

/// `whsec_` and 24 bytes in base64.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
/// Those bytes.
pub const KEY: &[u8] = b"0123456789abcdef01234567";

/// Ends the daemon, having looked for the address and the secret in all that it logged.
#[track_caller]
pub fn stop(stage: &Stage) {
    stage.stop();
    assert!(!stage.log().contains(TOKEN), "{}", stage.log());
    assert!(!stage.log().contains(&SECRET[6..]), "{}", stage.log());
}
