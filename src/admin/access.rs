//! Who may speak to the admin side over TCP: nobody's web page, and with a token only its holders.
//!
//! A page can make a browser send requests to loopback. What it cannot do is forge `Origin`,
//! `Sec-Fetch-Site` or, once its own name resolves to 127.0.0.1 (DNS rebinding), `Host`.

use super::view::Code;
use super::{Peer, Refusal};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The rules of one daemon's admin side.
#[derive(Clone, Default)]
pub struct Access {
    /// The digest of the bearer token: of one length whatever is offered.
    bearer: Option<Arc<[u8; 32]>>,
}

impl Access {
    pub fn open() -> Access {
        Access::default()
    }

    /// TCP requests must carry this token; the socket's file mode guards the socket.
    pub fn with_bearer(token: &SecretString) -> Access {
        Access {
            bearer: Some(Arc::new(digest(token.expose_secret()))),
        }
    }

    /// Why a request must not be served, if so.
    pub fn refuse(
        &self,
        peer: &Peer,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<Refusal> {
        let Peer::Tcp { local, .. } = peer else {
            return None;
        };
        if let Some(wanted) = &self.bearer {
            if !token_matches(headers, wanted) {
                return Some(unauthorized());
            }
        } else if !host_is_ours(headers, uri, *local) {
            return Some(forbidden("the Host header names a host that is not ours"));
        }
        if is_foreign(method, uri, headers) {
            return Some(forbidden("a page of another site may not ask this"));
        }
        None
    }
}

fn unauthorized() -> Refusal {
    Refusal::new(
        Code::Unauthorized,
        "the bearer token is missing or wrong",
        "send `Authorization: Bearer …` with the content of admin.token_file, or use the socket",
    )
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(
        Code::Forbidden,
        message,
        "ask by the listen address or `localhost`, not from another site's page",
    )
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// `Bearer TOKEN`; or `Basic`, any user with the token as password, because a browser can send no
/// other and the status page is for browsers.
fn token_matches(headers: &HeaderMap, wanted: &[u8; 32]) -> bool {
    let offered = text(headers, header::AUTHORIZATION).and_then(|value| {
        let (scheme, word) = value.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(digest(word.trim()));
        }
        let pair = scheme
            .eq_ignore_ascii_case("basic")
            .then_some(word.trim())?;
        let pair = String::from_utf8(BASE64_STANDARD.decode(pair).ok()?).ok()?;
        Some(digest(pair.split_once(':')?.1))
    });
    offered.is_some_and(|offered| offered.ct_eq(wanted).into())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` → the host without brackets.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Exactly one `Host`, and it is `localhost`, a loopback address or the address connected to.
fn host_is_ours(headers: &HeaderMap, uri: &Uri, local: SocketAddr) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let named = |authority: &str| {
        let host = host_of(authority);
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback() || ip == local.ip())
    };
    named(host) && uri.host().is_none_or(named)
}

/// Whether a browser says that a page of another origin caused it.
fn is_foreign(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let host = text(headers, header::HOST).unwrap_or_default();
        let authority = origin.to_str().ok().and_then(|origin| {
            origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
        });
        if authority.is_none_or(|authority| !authority.eq_ignore_ascii_case(host)) {
            return true;
        }
    }
    match text(headers, header::HeaderName::from_static("sec-fetch-site")) {
        None | Some("same-origin" | "none") => false,
        // A link to the status page, clicked, is no danger: it is a read and shows in the address bar.
        Some(_) => {
            let mode = text(headers, header::HeaderName::from_static("sec-fetch-mode"));
            !(method == Method::GET && uri.path() == "/" && mode == Some("navigate"))
        }
    }
}

/// The middleware around every route.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    // Only the server sets the peer; a request without one is nobody's.
    let Some(peer) = request.extensions().get::<Peer>() else {
        return forbidden("the peer of this request is not known").into_response();
    };
    match access.refuse(peer, request.method(), request.uri(), request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp() -> Peer {
        Peer::Tcp {
            remote: "127.0.0.1:50000".parse().unwrap(),
            local: "127.0.0.1:8471".parse().unwrap(),
        }
    }

    fn code(
        access: &Access,
        peer: &Peer,
        method: Method,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Option<Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        access
            .refuse(peer, &method, &path.parse().unwrap(), &headers)
            .map(|refusal| refusal.error.code)
    }

    fn post(pairs: &[(&str, &str)]) -> Option<Code> {
        code(&Access::open(), &tcp(), Method::POST, "/-/reload", pairs)
    }

    #[test]
    fn loopback_names_and_the_listen_address_are_ours() {
        for host in [
            "localhost:8471",
            "LOCALHOST",
            "127.0.0.1:8471",
            "127.0.0.1:9000",
            "[::1]:8471",
        ] {
            assert_eq!(post(&[("host", host)]), None, "{host}");
        }
    }

    #[test]
    fn any_other_host_is_a_rebinding_name() {
        for host in [
            "evil.example:8471",
            "evil.example",
            "localhost.evil.example",
            "10.0.0.8:8471",
            "",
            "127.0.0.1.evil.example",
        ] {
            assert_eq!(post(&[("host", host)]), Some(Code::Forbidden), "{host}");
        }
        assert_eq!(post(&[]), Some(Code::Forbidden));
        assert_eq!(
            post(&[("host", "localhost"), ("host", "evil.example")]),
            Some(Code::Forbidden)
        );
        let absolute = code(
            &Access::open(),
            &tcp(),
            Method::GET,
            "http://evil.example/metrics",
            &[("host", "localhost")],
        );
        assert_eq!(absolute, Some(Code::Forbidden));
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let host = ("host", "localhost:8471");
        assert_eq!(post(&[host, ("origin", "http://localhost:8471")]), None);
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost:9999",
            "file://localhost:8471",
        ] {
            assert_eq!(
                post(&[host, ("origin", origin)]),
                Some(Code::Forbidden),
                "{origin}"
            );
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(
                post(&[host, ("sec-fetch-site", site)]),
                Some(Code::Forbidden),
                "{site}"
            );
        }
        assert_eq!(post(&[host, ("sec-fetch-site", "same-origin")]), None);
        let clicked = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        assert_eq!(
            code(&Access::open(), &tcp(), Method::GET, "/", &clicked),
            None
        );
        assert_eq!(
            code(
                &Access::open(),
                &tcp(),
                Method::GET,
                "/api/v1/runs",
                &clicked
            ),
            Some(Code::Forbidden)
        );
        assert_eq!(
            code(&Access::open(), &tcp(), Method::POST, "/", &clicked),
            Some(Code::Forbidden)
        );
    }

    #[test]
    fn a_token_is_needed_over_tcp_and_never_over_the_socket() {
        let access = Access::with_bearer(&SecretString::from("s3cret"));
        let ask = |peer: &Peer, pairs: &[(&str, &str)]| {
            code(&access, peer, Method::GET, "/metrics", pairs)
        };
        let host = ("host", "metrics.internal");
        assert_eq!(ask(&tcp(), &[host]), Some(Code::Unauthorized));
        assert_eq!(
            ask(&tcp(), &[host, ("authorization", "Bearer s3cre")]),
            Some(Code::Unauthorized)
        );
        assert_eq!(
            ask(&tcp(), &[host, ("authorization", "Basic s3cret")]),
            Some(Code::Unauthorized)
        );
        assert_eq!(
            ask(&tcp(), &[host, ("authorization", "bearer s3cret")]),
            None
        );
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        for (pair, refused) in [
            ("me:s3cret", None),
            (":s3cret", None),
            ("s3cret:me", Some(Code::Unauthorized)),
            ("s3cret", Some(Code::Unauthorized)),
        ] {
            let offered = basic(pair);
            let asked = ask(&tcp(), &[host, ("authorization", &offered)]);
            assert_eq!(asked, refused, "{pair}");
        }
        let foreign = [
            host,
            ("authorization", "Bearer s3cret"),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(ask(&tcp(), &foreign), Some(Code::Forbidden));
        assert_eq!(ask(&Peer::Unix { uid: 1000 }, &[]), None);
    }
}
