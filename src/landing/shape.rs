//! What an answer promises before its body comes.

use super::Settings;
use super::fetch::strong_tag;
use super::intake::transfer;
use super::partial::Partial;
use super::repeated::First;
use crate::run::{Fault, FaultClass};
use reqwest::header::HeaderValue;
use reqwest::{Response, header};

/// What an answer promises before its body.
pub(super) struct Shape {
    pub resumed: Option<Partial>,
    pub etag: Option<String>,
    pub length: Option<u64>,
    /// Of an answer that had to be asked for twice.
    pub sha256: Option<String>,
    pub bytes_max: u64,
}

impl Shape {
    pub fn of(
        response: &Response,
        resumed: Option<&Partial>,
        first: Option<First>,
        settings: &Settings,
    ) -> Result<Shape, Fault> {
        let headers = response.headers();
        if let Some(coding) = headers.get(header::CONTENT_ENCODING)
            && coding != "identity"
        {
            return Err(transfer(encoded(coding)));
        }
        let kept = resumed.map_or(0, |known| known.kept);
        let length = response
            .content_length()
            .map(|length| kept.saturating_add(length));
        let length = length.or(first.as_ref().map(|first| first.bytes));
        if length.is_some_and(|length| length > settings.bytes_max) {
            return Err(too_large(settings.bytes_max));
        }
        Ok(Shape {
            resumed: resumed.cloned(),
            etag: resumed.map_or_else(|| strong_tag(response), |known| known.etag.clone()),
            length,
            sha256: first.map(|first| first.sha256),
            bytes_max: settings.bytes_max,
        })
    }
}

/// A body under a coding has other bytes than the artifact, and no length or hash to be proven by.
fn encoded(coding: &HeaderValue) -> String {
    let name = coding.to_str().unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || ", -".contains(*c);
    let name: String = name.chars().filter(plain).take(32).collect();
    format!(
        "the body came with `Content-Encoding: {name}`, which was not asked for: if a proxy stands between, let it pass \
         bodies as they are; else ask ApartmentIQ to store results without it"
    )
}

pub(super) fn too_large(bytes_max: u64) -> Fault {
    let message = format!("the artifact is larger than download.bytes_max, {bytes_max} bytes");
    Fault::new(FaultClass::TooLarge, message)
}
