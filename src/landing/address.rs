//! Which addresses a download may touch. A redirect, a name and a number are all asked here first.

use super::Settings;
use crate::run::{Fault, FaultClass};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A name that resolves to nowhere a download may go.
#[derive(Debug)]
pub(super) struct PrivateAddress;

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host resolves to private addresses only")
    }
}

impl std::error::Error for PrivateAddress {}

/// The client of the download host: no credential, no proxy, no Referer, no redirect of its own.
pub(super) fn client(settings: &Settings) -> Result<reqwest::Client, reqwest::Error> {
    // Installed once a process; a second call finds the first one's and is content.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(settings.read_timeout)
            .dns_resolver(Arc::new(PublicNames {
                loopback_allowed: settings.loopback_allowed,
            }))
    };
    match builder().build() {
        // A bare machine may have no certificates, and a simulated service on loopback needs none.
        Err(_) if settings.loopback_allowed => builder().tls_certs_only([]).build(),
        client => client,
    }
}

fn refuse(reason: String) -> Fault {
    Fault::new(FaultClass::Address, reason)
}

/// Parses an address and refuses it unless its scheme and host are allowed. The fault names the
/// host alone: the rest of a signed address is a secret.
pub(super) fn admit(settings: &Settings, location: &str) -> Result<Url, Fault> {
    let url =
        Url::parse(location).map_err(|_| refuse("the download address is no URL".to_owned()))?;
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    if host.is_empty() || !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("the download address has no plain host".to_owned()));
    }
    let listed = settings
        .allowed_hosts
        .iter()
        .any(|pattern| matches_host(pattern, &host));
    let literal = host.parse::<IpAddr>().ok();
    let loopback = host.eq_ignore_ascii_case("localhost")
        || literal.is_some_and(|address| address.to_canonical().is_loopback());
    let at_home = settings.loopback_allowed && loopback && listed;
    if !listed {
        return Err(refuse(format!(
            "host {host} is not in download.allowed_hosts"
        )));
    }
    if !at_home && (loopback || literal.is_some_and(|address| !is_public(address))) {
        return Err(refuse(format!("host {host} is a private address")));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if at_home => Ok(url),
        scheme => Err(refuse(format!(
            "the download address of {host} is {scheme}, not https"
        ))),
    }
}

fn matches_host(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let pattern = pattern.trim_matches(['[', ']']).to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some(suffix) => {
            suffix.starts_with('.') && host.len() > suffix.len() && host.ends_with(suffix)
        }
        None => host == pattern,
    }
}

/// Whether an address is on the open internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    let embedded = match segments {
        // NAT64 and 6to4 carry an IPv4 address that may be private.
        [0x64, 0xff9b, .., high, low] => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    let embedded =
        embedded.map(|(high, low)| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    !(v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || segments[0] == 0x2001 && segments[1] == 0xdb8)
        && embedded.is_none_or(is_public_v4)
}

/// Resolves names, and drops every address that is not public.
struct PublicNames {
    loopback_allowed: bool,
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let loopback_allowed = self.loopback_allowed;
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = |address: &SocketAddr| {
                is_public(address.ip())
                    || loopback_allowed
                        && name.as_str().eq_ignore_ascii_case("localhost")
                        && address.ip().is_loopback()
            };
            let addresses: Vec<SocketAddr> = all.filter(allowed).collect();
            if addresses.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether a failed request failed because its host is private.
pub(super) fn is_private(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<PrivateAddress>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hosts: &[&str], loopback_allowed: bool) -> Settings {
        Settings {
            root: "unused".into(),
            bytes_max: 1,
            allowed_hosts: hosts.iter().map(ToString::to_string).collect(),
            loopback_allowed,
            read_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn only_listed_hosts_over_https_are_admitted() {
        let settings = settings(&["*.amazonaws.com", "files.example.com"], false);
        for good in [
            "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=1",
            "https://FILES.example.com/x",
            "https://files.example.com:8443/x",
        ] {
            assert!(admit(&settings, good).is_ok(), "{good}");
        }
        for bad in [
            "http://bucket.s3.amazonaws.com/x",
            "https://amazonaws.com/x",
            "https://evilamazonaws.com/x",
            "https://amazonaws.com.evil.test/x",
            "https://user:pw@files.example.com/x",
            "https://files.example.com@evil.test/x",
            "ftp://files.example.com/x",
            "file:///etc/passwd",
            "not a url",
        ] {
            let fault = admit(&settings, bad).expect_err(bad);
            assert_eq!(fault.class, FaultClass::Address, "{bad}");
        }
    }

    #[test]
    fn private_literals_are_refused_even_when_listed() {
        let private = [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "[::1]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "2130706433",
            "0x7f.1",
        ];
        for host in private {
            let open = settings(&[host, "127.0.0.1"], false);
            assert!(
                admit(&open, &format!("https://{host}/x")).is_err(),
                "{host}"
            );
        }
    }

    #[test]
    fn loopback_needs_both_the_permission_and_the_list() {
        let url = "http://127.0.0.1:9000/x";
        assert!(admit(&settings(&["127.0.0.1"], true), url).is_ok());
        assert!(admit(&settings(&["127.0.0.1"], false), url).is_err());
        assert!(admit(&settings(&["localhost"], true), url).is_err());
        assert!(admit(&settings(&["10.0.0.1"], true), "http://10.0.0.1/x").is_err());
    }

    #[test]
    fn a_refusal_never_holds_the_signature() {
        let fault = admit(
            &settings(&[], false),
            "https://h.test/x?X-Amz-Signature=SECRET",
        )
        .expect_err("not listed");
        assert!(!fault.message.contains("SECRET"));
    }
}
