//! A POST to ourselves by the public address: whether it comes through, and as what.

use super::certificate;
use super::{examined, mend};
use crate::admin::view::{CallbackTest, Certificate, Examined, Finding};
use crate::apartmentiq::CallbackKeys;
use crate::callback::{Counters, Heard, Outcome};
use crate::run::AttemptId;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{StatusCode, redirect, tls::TlsInfo};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the whole way may take; the vendor's patience is unknown.
const WITHIN: Duration = Duration::from_secs(10);
const CERTIFICATE_WARN: TimeDelta = TimeDelta::days(14);
const CERTIFICATE_FAIL: TimeDelta = TimeDelta::days(2);
const KIND: &str = "application/json";

/// What the rehearsal needs.
pub struct Outgoing<'o> {
    pub public_url: &'o str,
    pub keys: &'o CallbackKeys,
    pub counters: &'o Counters,
    pub now: DateTime<Utc>,
}

/// What came back to the sender.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// The beginning of it.
    body: Vec<u8>,
    certificate: Option<Certificate>,
}

/// Sends it and says what became of it. The attempt it names is nobody's, so nothing is decided by
/// it; it is written down like any callback.
pub async fn call(outgoing: &Outgoing<'_>) -> CallbackTest {
    let (counters, now) = (outgoing.counters, outgoing.now);
    let attempt = nobody(now);
    let address = outgoing.keys.address(outgoing.public_url, &attempt);
    let body = format!(
        "{{\"aptiqd\":\"callback test\",\"at\":\"{}\"}}",
        now.to_rfc3339()
    );
    let forged = counters.count(Outcome::Forged);
    counters.rehearsals().expect(attempt.clone());
    let begun = Instant::now();
    let answer = send(&address, &body).await;
    let took = begun.elapsed();
    let heard = counters.rehearsals().end(&attempt);
    let elsewhere = counters.count(Outcome::Forged) > forged;
    let problem = problem(&answer, heard.as_ref(), elsewhere);
    let certificate = answer.as_ref().ok().and_then(|one| one.certificate.clone());
    CallbackTest {
        schema: "aptiqd.callback_test/1".to_owned(),
        ok: problem.is_none(),
        public_url: outgoing.public_url.to_owned(),
        status: answer.as_ref().ok().map(|one| one.status.as_u16()),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        oddities: heard
            .as_ref()
            .map(|heard| oddities(heard, &body))
            .unwrap_or_default(),
        heard: heard.is_some(),
        help: problem
            .as_ref()
            .map_or(String::new(), |(_, help)| help.line(outgoing.public_url)),
        problem: problem.map(|(problem, _)| problem),
        certificate,
    }
}

/// An attempt that no run of ours can have: their moments begin with a digit, `m` or `b`.
fn nobody(now: DateTime<Utc>) -> AttemptId {
    let id = format!("callback-test.t{}.p1.a1", now.format("%Y%m%dT%H%M%S%9fZ"));
    id.parse().expect("an id of our form")
}

async fn send(address: &str, body: &str) -> Result<Answer, String> {
    let client = client(address).map_err(|error| words(&error))?;
    let request = client
        .post(address)
        .header(CONTENT_TYPE, KIND)
        .body(body.to_owned());
    let mut response = request
        .send()
        .await
        .map_err(|error| words(&error.without_url()))?;
    let certificate = response.extensions().get::<TlsInfo>();
    let certificate = certificate.and_then(|tls| certificate::read(tls.peer_certificate()?));
    let (status, headers) = (response.status(), response.headers().clone());
    // A page says in its first bytes that it is one.
    let body = response.chunk().await.ok().flatten().unwrap_or_default();
    Ok(Answer {
        status,
        headers,
        body: body.iter().copied().take(512).collect(),
        certificate,
    })
}

fn client(address: &str) -> Result<reqwest::Client, reqwest::Error> {
    // Err means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!(
            "aptiqd/",
            env!("CARGO_PKG_VERSION"),
            " callback test"
        ))
        .timeout(WITHIN)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy();
    let builder = match address.starts_with("https://") {
        true => builder.tls_info(true),
        false => builder.tls_certs_only([]),
    };
    builder.build()
}

/// The chain of causes, without the address.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What mends it.
enum Help {
    /// What is to be changed about whatever stands in front.
    Proxy(&'static str),
    Command(&'static str),
}

impl Help {
    fn line(&self, public_url: &str) -> String {
        match self {
            Help::Proxy(what) => mend::probe(public_url, what),
            Help::Command(line) => (*line).to_owned(),
        }
    }
}

/// What is wrong, and what mends it.
fn problem(
    answer: &Result<Answer, String>,
    heard: Option<&Heard>,
    elsewhere: bool,
) -> Option<(String, Help)> {
    let wrong = |text: &str, help| Some((text.to_owned(), Help::Proxy(help)));
    let answer = match (answer, heard) {
        (Err(reason), None) => {
            let help =
                "is public_url right, and does its proxy pass /cb/v1/ on to callback.listen?";
            return Some((format!("nothing answers: {reason}"), Help::Proxy(help)));
        }
        (Err(reason), Some(_)) => {
            let help = "raise the proxy's timeouts to at least 10 s";
            return Some((
                format!("it was heard, but the answer got lost: {reason}"),
                Help::Proxy(help),
            ));
        }
        (Ok(answer), _) => answer,
    };
    let code = answer.status.as_u16();
    match (code, heard) {
        (202, Some(_)) => None,
        (202, None) => wrong(
            "something else answered 202: it was not heard here",
            "does the proxy pass /cb/v1/ on to this daemon's callback.listen?",
        ),
        (300..=399, None) => {
            let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.map(origin).unwrap_or_default();
            let help = "set public_url to where it leads, or let the proxy pass /cb/v1/ on without redirecting";
            Some((
                format!("{code}: a redirect to {to}; senders need not follow one"),
                Help::Proxy(help),
            ))
        }
        (503, Some(_)) => Some((
            "503: it was heard, but cannot be kept".to_owned(),
            Help::Command("aptiqd status"),
        )),
        (_, Some(_)) => Some((
            format!("it was heard, but the sender was told {code}"),
            Help::Proxy("let the proxy pass the daemon's answer on unchanged"),
        )),
        (401 | 407, None) => Some((
            format!("{code}: the proxy wants a login"),
            Help::Proxy("let it pass /cb/v1/ without one: the address itself is the proof"),
        )),
        (_, None) if is_page(answer) => Some((
            format!("{code}: a page answers, such as one that tells people from programs"),
            Help::Proxy("turn bot protection off for /cb/v1/"),
        )),
        (404, None) if elsewhere => wrong(
            "404: it came here under another path or method",
            "let the proxy pass path and method on as they are: /cb/v1/… must not be stripped",
        ),
        (404, None) => wrong(
            "404, and it was not heard here",
            "does the proxy pass /cb/v1/ on to this daemon's callback.listen?",
        ),
        (502..=504, None) => Some((
            format!("{code}: the proxy cannot reach the daemon"),
            Help::Proxy("point its upstream for /cb/v1/ at callback.listen"),
        )),
        (_, None) => Some((
            format!("{code} from something before the daemon"),
            Help::Proxy("let the proxy pass POSTs to /cb/v1/ on"),
        )),
    }
}

/// Scheme and host: the rest would hold the token.
fn origin(location: &str) -> String {
    match url::Url::parse(location) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => "another path".to_owned(),
    }
}

fn is_page(answer: &Answer) -> bool {
    let kind = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
        || answer.body.trim_ascii_start().starts_with(b"<")
}

fn oddities(heard: &Heard, body: &str) -> Vec<String> {
    let mut odd = Vec::new();
    if heard.method != "POST" {
        odd.push(format!("the POST arrived as {}", heard.method));
    }
    if heard.body != body.as_bytes() {
        let (sent, came) = (body.len(), heard.body.len());
        odd.push(format!(
            "the body was changed on the way: {sent} bytes sent, {came} arrived"
        ));
    }
    if heard.content_type.as_deref() != Some(KIND) {
        let came = heard.content_type.as_deref().unwrap_or("none");
        odd.push(format!("the content type was changed on the way: {came}"));
    }
    odd
}

/// Where no callbacks are asked for.
pub fn nobody_is_called(config: &Path) -> Examined {
    let observed = "callback.public_url is not set: jobs are polled";
    let what = "set public_url in [callback] to where a proxy passes /cb/v1/ on";
    let help = mend::edit(config, what);
    examined("callback", Finding::Warn, observed, EXPECTED, help)
}

const EXPECTED: &str = "a POST to public_url is heard here and answered 202";

/// `callback`.
pub fn judge(test: &CallbackTest, now: DateTime<Utc>) -> Examined {
    if let Some(problem) = &test.problem {
        let observed = format!("{}: {problem}", test.public_url);
        return examined(
            "callback",
            Finding::Fail,
            observed,
            EXPECTED,
            test.help.clone(),
        );
    }
    let mut observed = format!("{} heard after {} ms", test.public_url, test.took_ms);
    if let Some(certificate) = &test.certificate {
        let (issuer, ends) = (&certificate.issuer, certificate.expires_at.date_naive());
        observed.push_str(&format!("; certificate of {issuer} until {ends}"));
        let left = certificate.expires_at - now;
        let status = match left {
            left if left < CERTIFICATE_FAIL => Finding::Fail,
            left if left < CERTIFICATE_WARN => Finding::Warn,
            _ => Finding::Pass,
        };
        if status != Finding::Pass {
            let help = mend::probe(&test.public_url, "renew the certificate of this host");
            return examined("callback", status, observed, EXPECTED, help);
        }
    }
    if !test.oddities.is_empty() {
        let observed = format!("{observed}; {}", test.oddities.join("; "));
        let help = "aptiqd callback test   # harmless, for nothing in a callback is believed; the proxy rewrites requests";
        return examined("callback", Finding::Warn, observed, EXPECTED, help);
    }
    examined("callback", Finding::Pass, observed, EXPECTED, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Result<Answer, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: Vec::new(),
            certificate: None,
        })
    }

    fn heard() -> Heard {
        Heard {
            method: "POST".into(),
            content_type: Some(KIND.into()),
            body: b"b".to_vec(),
        }
    }

    fn said(answer: &Result<Answer, String>, heard: Option<&Heard>, elsewhere: bool) -> String {
        let problem = problem(answer, heard, elsewhere);
        problem.map_or(String::new(), |(text, help)| {
            let line = help.line("https://exports.example.com");
            assert!(mend::is_command(&line), "{line}");
            text
        })
    }

    #[test]
    fn each_way_of_going_wrong_has_words_of_its_own() {
        let heard = heard();
        assert_eq!(said(&answer(202, &[]), Some(&heard), false), "");
        assert!(said(&answer(202, &[]), None, false).contains("something else"));
        let to = answer(301, &[("location", "https://a.example/cb/v1/secret-token")]);
        let text = said(&to, None, false);
        assert!(
            text.contains("https://a.example;") && !text.contains("secret"),
            "{text}"
        );
        let page = answer(403, &[("content-type", "text/html; charset=utf-8")]);
        assert!(said(&page, None, false).contains("page"));
        assert!(said(&answer(404, &[]), None, true).contains("another path"));
        assert!(said(&answer(404, &[]), None, false).contains("not heard"));
        assert!(said(&answer(502, &[]), None, false).contains("cannot reach"));
        assert!(said(&answer(401, &[]), None, false).contains("login"));
        assert!(said(&answer(200, &[]), Some(&heard), false).contains("told 200"));
        assert!(said(&answer(503, &[]), Some(&heard), false).contains("cannot be kept"));
        assert!(said(&Err("refused".into()), None, false).contains("nothing answers"));
    }

    #[test]
    fn what_changed_on_the_way_is_told() {
        assert_eq!(oddities(&heard(), "b"), Vec::<String>::new());
        let changed = Heard {
            method: "GET".into(),
            content_type: None,
            body: Vec::new(),
        };
        assert_eq!(oddities(&changed, "b").len(), 3);
    }

    #[test]
    fn the_attempt_is_nobodys_and_of_our_form() {
        let now = "2026-11-22T18:30:00Z".parse().unwrap();
        assert_eq!(nobody(now).run.schedule(), "callback-test");
    }
}
