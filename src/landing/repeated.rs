//! An answer without a length ends when its connection does, cut short or not. What such an answer holds is proven by
//! asking twice.

use super::fetch::broken;
use super::merge;
use super::shape::too_large;
use crate::run::Fault;
use reqwest::{Response, Version, header};
use sha2::{Digest, Sha256};

/// What a first download came to; the second must come to the same.
#[derive(Debug)]
pub(super) struct First {
    pub bytes: u64,
    pub sha256: String,
}

/// Whether the end of the body can be told from a broken connection.
pub(super) fn is_framed(response: &Response) -> bool {
    response.content_length().is_some()
        || response.version() >= Version::HTTP_2
        || response.headers().contains_key(header::TRANSFER_ENCODING)
}

/// Reads the body to its end and keeps nothing of it.
///
/// # Errors
/// `TooLarge` beyond `bytes_max`; otherwise as any download.
pub(super) async fn read(mut response: Response, bytes_max: u64) -> Result<First, Fault> {
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        bytes += chunk.len() as u64;
        if bytes > bytes_max {
            return Err(too_large(bytes_max));
        }
        hasher.update(&chunk);
    }
    let sha256 = merge::hex(&hasher.finalize());
    Ok(First { bytes, sha256 })
}
