//! Web addresses and hosts as they may be configured: https everywhere, plain http to this machine only.

use std::fmt;
use url::{Host, Url};

/// An http or https address without user, query or fragment, and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAddress {
    url: Url,
    text: String,
}

impl WebAddress {
    /// # Errors
    /// What is wrong, and help.
    pub fn parse(text: &str) -> Result<WebAddress, (&'static str, &'static str)> {
        let url = Url::parse(text).map_err(|_| {
            (
                "no web address",
                "write it in full, such as https://exports.example.com",
            )
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(("no web address", "it begins with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err((
                "an address with a password in it",
                "leave out what stands before the @",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(("an address with a query", "end it before the ? or #"));
        }
        let address = WebAddress {
            text: url.as_str().trim_end_matches('/').to_owned(),
            url,
        };
        if address.is_plain() && !address.is_loopback() {
            return Err((
                "plain http to another machine",
                "write https://; http is for 127.0.0.1 and localhost only",
            ));
        }
        Ok(address)
    }

    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// As it stands in the address: IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Also where it follows from the scheme.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// The path, without a slash at its end; empty for the root.
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Scheme, host and port: what a token may be sent to.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Whether it names this machine without asking any resolver's opinion but the convention of `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Checks an entry of `allowed_hosts` and returns it in lower case: a host, or `*.` and a suffix.
pub(super) fn allowed_host(text: &str) -> Result<String, &'static str> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    if lower.contains("://") || lower.contains('/') {
        return Err("write the host alone, without scheme and path");
    }
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<std::net::Ipv6Addr>().is_ok() && !lower.starts_with('*') {
        return Ok(bare.to_owned());
    }
    if name.contains(':') {
        return Err("write the host without a port");
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(
            "write a host such as bucket.s3.amazonaws.com, or a suffix such as *.amazonaws.com",
        );
    }
    Ok(lower)
}

/// Whether an entry of `allowed_hosts` means this machine.
pub(super) fn is_loopback_host(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_this_machine() {
        for good in [
            "https://a.example/x/",
            "http://127.0.0.1:80",
            "http://localhost/x",
            "http://[::1]:9/",
            "http://127.9.9.9",
        ] {
            assert!(WebAddress::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://localhost.example",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "a.example",
            "https://u:p@a.example",
            "https://a.example/?q=1",
            "https://a.example/#f",
            "",
            "https://",
        ] {
            assert!(WebAddress::parse(bad).is_err(), "{bad}");
        }
        let address = WebAddress::parse("https://A.example/x/v1/").unwrap();
        assert_eq!(
            (address.as_str(), address.path(), address.port()),
            ("https://a.example/x/v1", "/x/v1", 443)
        );
        assert_eq!(address.origin(), "https://a.example");
        assert_eq!(
            WebAddress::parse("http://127.0.0.1:8080/")
                .unwrap()
                .as_str(),
            "http://127.0.0.1:8080"
        );
    }

    #[test]
    fn allowed_hosts_are_hosts() {
        for good in [
            "*.amazonaws.com",
            "a.example",
            "127.0.0.1",
            "localhost",
            "[::1]",
            "A.Example",
        ] {
            assert!(allowed_host(good).is_ok(), "{good}");
        }
        for bad in [
            "a.example:443",
            "https://a.example",
            "*",
            "*.",
            "a..b",
            "",
            "a.*.b",
            "a b",
        ] {
            assert!(allowed_host(bad).is_err(), "{bad}");
        }
        assert_eq!(allowed_host("[::1]").unwrap(), "::1");
        assert!(
            is_loopback_host("::1")
                && is_loopback_host("127.0.0.2")
                && !is_loopback_host("10.0.0.1")
        );
    }
}
