//! The gate: a handler that takes a [`VerifiedCallback`] runs for genuine requests only.

use super::routes::{Room, not_found};
use super::{Acknowledge, Outcome};
use crate::apartmentiq::PATH;
use crate::run::AttemptId;
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use std::borrow::Cow;
use std::sync::Arc;

/// Longer than any token with every character percent-encoded.
const ENCODED_BYTES_MAX: usize = 600;

/// Proof that a request came to an address we signed, and for which attempt. Method and token were
/// checked; body and store were not touched.
pub(super) struct VerifiedCallback {
    pub(super) attempt: AttemptId,
}

impl<A: Acknowledge> FromRequestParts<Arc<Room<A>>> for VerifiedCallback {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        room: &Arc<Room<A>>,
    ) -> Result<VerifiedCallback, Response> {
        let token = parts.uri.path().strip_prefix(PATH);
        let attempt = token
            .filter(|_| is_served(&parts.method))
            .and_then(unreserved)
            .and_then(|token| room.keys.verify(&token));
        match attempt {
            Some(attempt) => Ok(VerifiedCallback { attempt }),
            None => {
                room.counters.add(Outcome::Forged);
                Err(not_found())
            }
        }
    }
}

/// The vendor documents no method; these are the ones a webhook is sent with.
fn is_served(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH, Method::GET].contains(method)
}

/// The segment with its percent-encoded unreserved characters decoded, which RFC 3986 holds
/// equivalent; `None` if anything else is encoded, for no token has it.
fn unreserved(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    if segment.len() > ENCODED_BYTES_MAX {
        return None;
    }
    let mut decoded = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte) {
            return None;
        }
        decoded.push(char::from(byte));
        rest = &rest[at + 3..];
    }
    decoded.push_str(rest);
    Some(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_may_be_encoded() {
        assert_eq!(unreserved("a.b-c").as_deref(), Some("a.b-c"));
        assert_eq!(unreserved("%61%2Eb%2dc").as_deref(), Some("a.b-c"));
        for other in ["a%2Fb", "%00", "a%", "a%6", "%+1", "%zz", "%é", "a%25"] {
            assert_eq!(unreserved(other), None, "{other}");
        }
    }
}
