//! Who issued a certificate and when it ends, read from its DER without judging it: that TLS did.

use crate::admin::view::Certificate;
use chrono::{DateTime, NaiveDateTime, Utc};

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, in a constructed context tag; old certificates have none.
const VERSION: u8 = 0xa0;
/// `organizationName` and `commonName`, as encoded object identifiers.
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// `None` if it is not of the form that X.509 gives it.
pub fn read(der: &[u8]) -> Option<Certificate> {
    let (certificate, _) = expect(SEQUENCE, der)?;
    let (body, _) = expect(SEQUENCE, certificate)?;
    let (tag, _, after) = element(body)?;
    let rest = if tag == VERSION { after } else { body };
    let (_, _, rest) = element(rest)?; // serial number
    let (_, _, rest) = element(rest)?; // signature algorithm
    let (issuer, rest) = expect(SEQUENCE, rest)?;
    let (validity, _) = expect(SEQUENCE, rest)?;
    let (_, _, rest) = element(validity)?; // not before
    let (tag, not_after, _) = element(rest)?;
    Some(Certificate {
        issuer: name(issuer)?,
        expires_at: time(tag, not_after)?,
    })
}

/// Tag, content and what follows of the first element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        let (digits, after) = rest
            .split_at_checked(count)
            .filter(|_| (1..=4).contains(&count))?;
        length = digits
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

fn expect(wanted: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, content, after) = element(der)?;
    (tag == wanted).then_some((content, after))
}

/// The organisation, and the common name behind it.
fn name(mut sets: &[u8]) -> Option<String> {
    let (mut organization, mut common) = (None, None);
    while let Some((_, mut attributes, after)) = element(sets) {
        sets = after;
        while let Some((_, attribute, after)) = element(attributes) {
            attributes = after;
            let (_, kind, rest) = element(attribute)?;
            let (_, value, _) = element(rest)?;
            let text = String::from_utf8_lossy(value);
            let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
            match kind {
                ORGANIZATION => organization = Some(text),
                COMMON_NAME => common = Some(text),
                _ => {}
            }
        }
    }
    match (organization, common) {
        (Some(organization), Some(common)) => Some(format!("{organization} ({common})")),
        (one, other) => one.or(other),
    }
}

/// `261122183000Z` until 2049, `20501122183000Z` after.
fn time(tag: u8, content: &[u8]) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(content).ok()?;
    let text = match tag {
        UTC_TIME => {
            let century = if text.get(..2)? < "50" { "20" } else { "19" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let parsed = NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok()?;
    Some(parsed.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Self-signed by `openssl req -x509`, issuer `O = Example Trust, CN = Test CA`.
    const DER: &str = include_str!("certificate.hex");

    fn bytes() -> Vec<u8> {
        let digits: Vec<u8> = DER.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks_exact(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn issuer_and_end_are_read() {
        let read = read(&bytes()).unwrap();
        assert_eq!(read.issuer, "Example Trust (Test CA)");
        assert_eq!(read.expires_at.to_rfc3339(), "2036-11-22T22:51:46+00:00");
    }

    #[test]
    fn no_cut_or_damaged_one_panics() {
        let whole = bytes();
        for end in 0..whole.len() {
            let _ = read(&whole[..end]);
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let _ = read(&damaged);
        }
        assert_eq!(read(b""), None);
        assert_eq!(
            time(GENERALIZED_TIME, b"20501122183000Z")
                .unwrap()
                .timestamp(),
            2_552_754_600
        );
    }
}
