//! One answer, read within bounds, and what it means when it is not the wished-for one:
//! the status first, then JSON, then text.

use super::callback_address::without_mac;
use super::pause::{pause, retry_after};
use super::usage::Quota;
use crate::run::{Fault, FaultClass};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// Kept when a 429 names no time.
const PAUSE_UNNAMED: Duration = Duration::from_secs(60);
const MESSAGE_CHARS_MAX: usize = 1000;

/// A status with as much of its body as could be read.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

pub(super) enum Body {
    Whole(Vec<u8>),
    /// Beyond the limit; the rest was not read.
    TooLarge,
    /// The connection broke, or time ran out.
    Broken(String),
}

/// Why there is no reply. The two differ in whether the vendor may have acted (law 4).
pub(super) enum NoReply {
    /// DNS, connect or TLS failed: no byte of the request left.
    Unsent(String),
    Unanswered(String),
}

impl NoReply {
    /// As counted in metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            NoReply::Unsent(_) => "unreachable",
            NoReply::Unanswered(_) => "unanswered",
        }
    }

    pub(super) fn fault(self) -> Fault {
        match self {
            NoReply::Unsent(message) => Fault::new(FaultClass::Unreachable, message),
            NoReply::Unanswered(message) => Fault::new(FaultClass::Unanswered, message),
        }
    }
}

/// Sends, and reads at most `bytes_max` of the answer's body.
pub(super) async fn exchange(
    request: reqwest::RequestBuilder,
    bytes_max: usize,
) -> Result<Reply, NoReply> {
    let mut response = request.send().await.map_err(no_reply)?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let body = read_body(response, bytes_max).await;
    Ok(Reply {
        status,
        headers,
        body,
    })
}

async fn read_body(mut response: reqwest::Response, bytes_max: usize) -> Body {
    let mut whole = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if whole.len() + chunk.len() > bytes_max => return Body::TooLarge,
            Ok(Some(chunk)) => whole.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(whole),
            Err(error) => return Body::Broken(words(error)),
        }
    }
}

fn no_reply(error: reqwest::Error) -> NoReply {
    if error.is_connect() || error.is_builder() {
        NoReply::Unsent(words(error))
    } else {
        NoReply::Unanswered(words(error))
    }
}

/// The whole chain of causes in one line, without the address.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    bounded(&text)
}

impl Reply {
    /// The body as JSON; anything else is an answer outside the contract.
    pub(super) fn json(&self) -> Result<Value, Fault> {
        match &self.body {
            Body::Whole(bytes) => serde_json::from_slice(bytes)
                .map_err(|_| self.nonsense("an answer that is not JSON")),
            Body::TooLarge => Err(self.nonsense("an answer larger than any the contract knows")),
            Body::Broken(why) => Err(Fault::new(
                FaultClass::Unanswered,
                format!("{}: the answer broke off: {why}", self.status),
            )),
        }
    }

    pub(super) fn nonsense(&self, what: &str) -> Fault {
        Fault::new(FaultClass::Nonsense, format!("{}: {what}", self.status))
    }

    /// What an answer other than 2xx means, with the vendor's words.
    pub(super) fn fault(&self) -> Fault {
        let class = match self.status.as_u16() {
            401 => FaultClass::Credential,
            403 => FaultClass::Forbidden,
            404 | 410 => FaultClass::Gone,
            429 if self.is_quota() => FaultClass::Quota,
            429 => FaultClass::Throttled,
            408 | 500..=599 => FaultClass::Unanswered,
            400..=499 if self.is_understood() => FaultClass::Invalid,
            _ => FaultClass::Nonsense,
        };
        let mut fault = Fault::new(class, self.message());
        fault.retry_after = match class {
            FaultClass::Throttled => Some(pause(&self.headers).unwrap_or(PAUSE_UNNAMED)),
            FaultClass::Unanswered => retry_after(&self.headers),
            _ => None,
        };
        fault
    }

    /// A 4xx that can only be the API's own word, so that it surely did nothing: its error JSON,
    /// or an empty or plain text body where it is known to send one. A proxy's page is neither.
    pub(super) fn is_definite_refusal(&self) -> bool {
        self.status.is_client_error() && self.status != 408 && self.is_understood()
    }

    pub(super) fn quota(&self) -> Option<Quota> {
        let body = self.error_body()?;
        Some(Quota {
            limit: body.get("quota_limit")?.as_i64()?,
            usage: body.get("quota_usage").and_then(Value::as_i64),
        })
    }

    fn is_quota(&self) -> bool {
        let words = |body: Value| Some(body.get("error")?.as_str()?.contains("quota"));
        self.quota().is_some() || self.error_body().and_then(words) == Some(true)
    }

    fn is_understood(&self) -> bool {
        let bare = matches!(self.status.as_u16(), 401 | 403 | 429);
        self.error_body().is_some() || (bare && self.plain_text().is_some())
    }

    /// The error form of the contract, in any of its variants.
    fn error_body(&self) -> Option<Value> {
        let Body::Whole(bytes) = &self.body else {
            return None;
        };
        let body: Value = serde_json::from_slice(bytes).ok()?;
        let known = ["error", "message", "errors", "quota_limit"];
        let object = body.as_object()?;
        known
            .iter()
            .any(|field| object.contains_key(*field))
            .then_some(body)
    }

    /// The trimmed text of a body that is no page; empty for an empty one.
    fn plain_text(&self) -> Option<&str> {
        let Body::Whole(bytes) = &self.body else {
            return None;
        };
        let text = std::str::from_utf8(bytes).ok()?.trim();
        (!text.starts_with('<')).then_some(text)
    }

    fn message(&self) -> String {
        let said = match self.error_body() {
            Some(body) => error_words(&body),
            None => self.plain_text().unwrap_or_default().to_owned(),
        };
        if said.is_empty() {
            self.status.to_string()
        } else {
            bounded(&format!("{}: {said}", self.status.as_u16()))
        }
    }
}

fn error_words(body: &Value) -> String {
    let text = |field: &str| Some(body.get(field)?.as_str()?.to_owned());
    let list = body.get("errors").and_then(Value::as_array);
    let listed = list.map(|errors| {
        let words = errors.iter().map(|e| match e.as_str() {
            Some(text) => text.to_owned(),
            None => e.to_string(),
        });
        words.collect::<Vec<_>>().join("; ")
    });
    let parts = [
        text("error"),
        text("message").or_else(|| text("error_description")),
        listed,
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(": ")
}

/// One line of printable characters, without any callback's MAC.
pub(super) fn bounded(text: &str) -> String {
    let clean = without_mac(text);
    let printable = clean.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: Body::Whole(body.as_bytes().to_vec()),
        }
    }

    fn fault(status: u16, body: &str) -> (FaultClass, String, bool) {
        let reply = reply(status, &[], body);
        let fault = reply.fault();
        (fault.class, fault.message, reply.is_definite_refusal())
    }

    #[test]
    fn the_status_decides_and_the_words_are_kept() {
        let cases = [
            (
                400,
                r#"{"error":"Invalid parameter","message":"bad date"}"#,
                FaultClass::Invalid,
                "400: Invalid parameter: bad date",
                true,
            ),
            (
                422,
                r#"{"errors":["a is bad","b too"]}"#,
                FaultClass::Invalid,
                "422: a is bad; b too",
                true,
            ),
            (
                401,
                r#"{"error":"Unauthorized"}"#,
                FaultClass::Credential,
                "401: Unauthorized",
                true,
            ),
            (403, "", FaultClass::Forbidden, "403 Forbidden", true),
            (
                404,
                r#"{"error":"Not found"}"#,
                FaultClass::Gone,
                "404: Not found",
                true,
            ),
            (404, "<html>", FaultClass::Gone, "404 Not Found", false),
            (
                400,
                "<html>",
                FaultClass::Nonsense,
                "400 Bad Request",
                false,
            ),
            (400, "", FaultClass::Nonsense, "400 Bad Request", false),
            (403, "<html>", FaultClass::Forbidden, "403 Forbidden", false),
            (
                408,
                r#"{"error":"slow"}"#,
                FaultClass::Unanswered,
                "408: slow",
                false,
            ),
            (
                502,
                "<html>",
                FaultClass::Unanswered,
                "502 Bad Gateway",
                false,
            ),
            (302, "", FaultClass::Nonsense, "302 Found", false),
            (
                429,
                "Retry later\n",
                FaultClass::Throttled,
                "429: Retry later",
                true,
            ),
            (
                429,
                r#"{"error":"Export quota limit exceeded","quota_limit":5000,"quota_usage":5001}"#,
                FaultClass::Quota,
                "429: Export quota limit exceeded",
                true,
            ),
            (
                429,
                r#"{"error":"quota limit exceeded"}"#,
                FaultClass::Quota,
                "429: quota limit exceeded",
                true,
            ),
            (
                429,
                r#"{"error":"Too many requests"}"#,
                FaultClass::Throttled,
                "429: Too many requests",
                true,
            ),
        ];
        for (status, body, class, message, definite) in cases {
            assert_eq!(
                fault(status, body),
                (class, message.to_owned(), definite),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn the_vendors_echo_of_an_address_does_not_leak_its_mac() {
        let mac = "0123456789abcdef0123456789abcdef";
        let body =
            format!(r#"{{"error":"callback_url https://e.example/cb/v1/a.b.p1.a1.{mac} is bad"}}"#);
        let (_, message, _) = fault(400, &body);
        assert!(
            !message.contains(mac) && message.contains("a.b.p1.a1"),
            "{message}"
        );
    }

    #[test]
    fn a_throttling_without_a_time_has_one() {
        let unnamed = reply(429, &[], "slow down").fault();
        assert_eq!(unnamed.retry_after, Some(PAUSE_UNNAMED));
    }
}
