//! URLs of the file host: they look like pre-signed S3 URLs and are checked like them.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use reqwest::Url;
use sha2::{Digest, Sha256};

use super::job::Job;
use super::seeded::{hex, salt};
use super::world::{World, now};

/// Seven days, as the vendor says.
pub const LIFETIME: TimeDelta = TimeDelta::days(7);

const BUCKET: &str = "apartmentiq-bulk-exports";
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    Unsigned,
    Mismatch,
    Expired,
}

/// The path of a job's file on the file host.
pub fn key(job: &Job) -> String {
    format!(
        "/{BUCKET}/{}/{}.{}",
        job.id,
        job.order.report.name(),
        job.order.format.name()
    )
}

/// The job whose file a path names.
pub fn job_id(path: &str) -> Option<&str> {
    path.strip_prefix('/')?
        .strip_prefix(BUCKET)?
        .strip_prefix('/')?
        .split('/')
        .next()
}

/// Signs a path; each call gives another URL, for `nonce` is in it.
pub fn url(world: &World, key: &str, issued_at: DateTime<Utc>, nonce: u64) -> String {
    let stamp = issued_at.format(STAMP).to_string();
    let day = &stamp[..8];
    let token = hex(&[world.options.seed, salt("security token"), nonce], 4);
    let expires = LIFETIME.num_seconds().to_string();
    let signature = signature(world, key, &stamp, &expires, &token);
    format!(
        "http://{}{key}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIASANDBOX%2F{day}%2Fus-east-1%2Fs3%2F\
         aws4_request&X-Amz-Date={stamp}&X-Amz-Expires={expires}&X-Amz-Security-Token={token}\
         &X-Amz-SignedHeaders=host&X-Amz-Signature={signature}",
        world.files
    )
}

pub fn check(world: &World, path: &str, query: &str) -> Result<(), Flaw> {
    let url = Url::parse(&format!("http://files{path}?{query}")).map_err(|_| Flaw::Unsigned)?;
    let field = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let signed = || {
        let stamp = field("X-Amz-Date")?;
        let expires = field("X-Amz-Expires")?;
        Some((
            stamp,
            expires,
            field("X-Amz-Security-Token")?,
            field("X-Amz-Signature")?,
        ))
    };
    let (stamp, expires, token, given) = signed().ok_or(Flaw::Unsigned)?;
    if given != signature(world, path, &stamp, &expires, &token) {
        return Err(Flaw::Mismatch);
    }
    let issued_at = NaiveDateTime::parse_from_str(&stamp, STAMP)
        .map_err(|_| Flaw::Mismatch)?
        .and_utc();
    let lifetime = TimeDelta::seconds(expires.parse().map_err(|_| Flaw::Mismatch)?);
    if now() > issued_at + lifetime {
        Err(Flaw::Expired)
    } else {
        Ok(())
    }
}

fn signature(world: &World, path: &str, stamp: &str, expires: &str, token: &str) -> String {
    let secret = hex(&[world.options.seed, salt("signing secret")], 4);
    let digest = Sha256::digest(format!("{secret}\n{path}\n{stamp}\n{expires}\n{token}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
