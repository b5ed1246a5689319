//! `Idempotency-Key`: a POST that is sent again, because its answer was lost, is answered again and
//! not carried out again.
//!
//! Kept in memory: what a restart forgets, the engine's own conflicts still catch (a run of the same
//! window is refused while one is open).

use super::Refusal;
use super::extract::whole_body;
use super::view::Code;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Set on an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key.
const KEY_MAX: usize = 255;
/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Answers kept; beyond that the oldest go.
const KEPT_MAX: usize = 1_000;

/// The keys seen and what they were answered; clones share them.
#[derive(Clone, Default)]
pub(super) struct Keys {
    seen: Arc<Mutex<HashMap<String, Seen>>>,
}

struct Seen {
    at: Instant,
    /// Of method, path and body.
    request: [u8; 32],
    /// `None` while it is being carried out.
    answer: Option<Answer>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

/// What a key says about a request.
enum Verdict {
    /// Carry it out and tell [`Keys::settle`].
    New,
    Again(Answer),
    Refused(Refusal),
}

impl Keys {
    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, key: &str, request: [u8; 32], at: Instant) -> Verdict {
        let mut seen = self.seen();
        seen.retain(|_, one| at.saturating_duration_since(one.at) < KEPT_FOR);
        match seen.get(key) {
            Some(known) if known.request != request => Verdict::Refused(other_request()),
            Some(known) => match &known.answer {
                Some(answer) => Verdict::Again(answer.clone()),
                None => Verdict::Refused(under_way()),
            },
            None => {
                make_room(&mut seen);
                let answer = None;
                seen.insert(
                    key.to_owned(),
                    Seen {
                        at,
                        request,
                        answer,
                    },
                );
                Verdict::New
            }
        }
    }

    /// Keeps the answer, or forgets the key if the request was not carried out.
    fn settle(&self, key: &str, answer: Option<Answer>) {
        let mut seen = self.seen();
        match answer {
            Some(answer) => {
                if let Some(known) = seen.get_mut(key) {
                    known.answer = Some(answer);
                }
            }
            None => {
                seen.remove(key);
            }
        }
    }
}

fn make_room(seen: &mut HashMap<String, Seen>) {
    while seen.len() >= KEPT_MAX {
        let settled = seen.iter().filter(|(_, one)| one.answer.is_some());
        let oldest = settled
            .min_by_key(|(_, one)| one.at)
            .map(|(key, _)| key.clone());
        match oldest {
            Some(key) => seen.remove(&key),
            None => return,
        };
    }
}

fn other_request() -> Refusal {
    let message = "this Idempotency-Key was used for another request";
    let help = "use a new key for a new request, the same one only to send the same again";
    Refusal::new(Code::Usage, message, help).under(StatusCode::UNPROCESSABLE_ENTITY)
}

fn under_way() -> Refusal {
    let message = "the first request with this Idempotency-Key is still being carried out";
    Refusal::new(Code::Conflict, message, "ask again in a moment")
}

/// The middleware around every route; only a POST with a key is touched.
pub(super) async fn once(State(keys): State<Keys>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    match keyed(keys, request, next).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn keyed(keys: Keys, request: Request, next: Next) -> Result<Response, Refusal> {
    let key = key_of(request.headers())?;
    let (parts, body) = request.into_parts();
    let mut whole = Request::new(body);
    // The limit of the body travels in the extensions.
    *whole.extensions_mut() = parts.extensions.clone();
    let body = whole_body(whole, &()).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let digest = Sha256::new()
        .chain_update(parts.method.as_str())
        .chain_update([0])
        .chain_update(path)
        .chain_update([0])
        .chain_update(&body);
    match keys.begin(&key, digest.finalize().into(), Instant::now()) {
        Verdict::Refused(refusal) => return Err(refusal),
        Verdict::Again(answer) => {
            let mut response = answer.into_response();
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert(REPLAYED, yes);
            return Ok(response);
        }
        Verdict::New => {}
    }
    let request = Request::from_parts(parts, body.into());
    // By itself, so that it is carried out and its answer kept even if the asker hangs up.
    let carried_out = tokio::spawn(carry_out(keys.clone(), key.clone(), request, next));
    carried_out.await.map_err(|_| {
        keys.settle(&key, None);
        let message = "the request ended abnormally";
        Refusal::new(Code::Failed, message, "the daemon's log says why")
    })
}

async fn carry_out(keys: Keys, key: String, request: Request, next: Next) -> Response {
    let (parts, body) = next.run(request).await.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let answer = Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    };
    // What failed here may be asked for again.
    let kept = !answer.status.is_server_error();
    keys.settle(&key, kept.then(|| answer.clone()));
    answer.into_response()
}

fn key_of(headers: &HeaderMap) -> Result<String, Refusal> {
    let mut keys = headers.get_all(KEY).iter();
    let key = keys.next().and_then(|key| key.to_str().ok());
    let visible = |key: &str| key.bytes().all(|byte| byte.is_ascii_graphic());
    match (key, keys.next()) {
        (Some(key), None) if (1..=KEY_MAX).contains(&key.len()) && visible(key) => {
            Ok(key.to_owned())
        }
        _ => {
            let message = format!("an Idempotency-Key is 1 to {KEY_MAX} visible characters, once");
            Err(Refusal::usage(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_key_is_one_header_of_visible_characters() {
        let key = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_str(value).expect("a header"));
            }
            key_of(&headers).ok()
        };
        let longest = "k".repeat(KEY_MAX);
        for good in ["a", "!~", &longest] {
            assert_eq!(key(&[good]).as_deref(), Some(good));
        }
        for bad in ["", "a b", "a\tb", "\u{e9}", &"k".repeat(KEY_MAX + 1)] {
            assert_eq!(key(&[bad]), None, "{bad:?}");
        }
        assert_eq!(key(&["a", "a"]), None);
        assert_eq!(key(&[]), None);
    }

    fn answer(status: StatusCode) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_key_belongs_to_one_request_for_a_day() {
        let keys = Keys::default();
        let now = Instant::now();
        assert!(matches!(keys.begin("a", [1; 32], now), Verdict::New));
        let Verdict::Refused(refusal) = keys.begin("a", [1; 32], now) else {
            panic!("it is still being carried out");
        };
        assert_eq!(refusal.error.code, Code::Conflict);
        keys.settle("a", Some(answer(StatusCode::OK)));
        assert!(matches!(keys.begin("a", [1; 32], now), Verdict::Again(_)));
        let Verdict::Refused(refusal) = keys.begin("a", [2; 32], now) else {
            panic!("another request");
        };
        assert_eq!(refusal.status, Some(422));
        let later = now + KEPT_FOR;
        assert!(matches!(keys.begin("a", [2; 32], later), Verdict::New));
        keys.settle("a", None);
        assert!(matches!(keys.begin("a", [3; 32], later), Verdict::New));
    }

    #[test]
    fn the_oldest_answers_make_room() {
        let keys = Keys::default();
        let now = Instant::now();
        for number in 0..KEPT_MAX as u64 + 10 {
            let key = number.to_string();
            let at = now + Duration::from_millis(number);
            assert!(matches!(keys.begin(&key, [0; 32], at), Verdict::New));
            keys.settle(&key, Some(answer(StatusCode::OK)));
        }
        assert_eq!(keys.seen().len(), KEPT_MAX);
        assert!(!keys.seen().contains_key("0"));
    }
}
