//! Signed as Standard Webhooks: an id that stays the same over retries, a time, and a MAC over both and the body.

use super::notice::Notice;
use super::receiver::Broken;
use super::web::Web;
use crate::clock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use url::Url;

/// What a secret begins with that is written in base64.
const PREFIX: &str = "whsec_";

pub(super) async fn post(
    url: &Url,
    secret: &SecretString,
    notice: &Notice,
    web: &Web,
) -> Result<(), Broken> {
    let body = notice.document().to_string();
    // Of this try: receivers refuse what is too old.
    let at = clock::now().timestamp();
    let signature = signature(secret, &notice.id, at, &body)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", notice.id.clone()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signature),
    ] {
        let value = HeaderValue::try_from(value);
        let value = value.map_err(|_| Broken::new("a header cannot be written"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    web.post(url, headers, body.into_bytes()).await
}

/// `v1,` and the MAC in base64.
pub(super) fn signature(
    secret: &SecretString,
    id: &str,
    at: i64,
    body: &str,
) -> Result<String, Broken> {
    let secret = secret.expose_secret();
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => BASE64
            .decode(encoded)
            .map_err(|_| Broken::new("what follows whsec_ in its secret is not base64"))?,
        None => secret.as_bytes().to_vec(),
    };
    let mac = Hmac::<Sha256>::new_from_slice(&key);
    let mut mac = mac.map_err(|_| Broken::new("its secret is no key"))?;
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    Ok(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}
