//! When a pasted token ends.

use chrono::{DateTime, Utc};

/// The `exp` of a JWT, unverified: only to warn people in time.
pub(super) fn expiry_of_jwt(token: &str) -> Option<DateTime<Utc>> {
    let payload = decode_base64url(token.split('.').nth(1)?)?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let exp = claims.get("exp")?;
    let seconds = exp.as_i64().or_else(|| Some(exp.as_f64()? as i64))?;
    DateTime::from_timestamp(seconds, 0)
}

fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let sextet = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for b in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::from(sextet(b)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_pasted_token_is_read_from_it() {
        // {"alg":"none"} . {"sub":"a","exp":1795435200}
        let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiZXhwIjoxNzk1NDM1MjAwfQ.sig";
        let end = expiry_of_jwt(jwt).unwrap();
        assert_eq!(end.to_rfc3339(), "2026-11-23T12:00:00+00:00");
        for other in ["opaque", "a.b.c", "..", "a.!!.c", ""] {
            assert_eq!(expiry_of_jwt(other), None);
        }
    }
}
