//! Beats as healthchecks.io takes them: `URL/start`, `URL` for success, `URL/fail`; the body is kept as a note.

use super::notice::{Kind, Notice};
use super::receiver::Broken;
use super::web::Web;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

pub(super) async fn post(url: &Url, notice: &Notice, web: &Web) -> Result<(), Broken> {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, plain)]);
    let url = address(url, notice.kind);
    web.post(&url, headers, notice.text.clone().into_bytes())
        .await
}

/// The signal is the last segment of the path; a query stays behind it.
pub(super) fn address(url: &Url, kind: Kind) -> Url {
    let signal = match kind {
        Kind::Started => "start",
        Kind::Landed | Kind::Recovered | Kind::FreshAgain => return url.clone(),
        _ => "fail",
    };
    let mut url = url.clone();
    let path = format!("{}/{signal}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}
