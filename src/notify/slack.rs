//! A chat hook: a JSON object with `text`, which Slack, Mattermost, Discord's `/slack` and others take.

use super::notice::{Level, Notice};
use super::receiver::Broken;
use super::web::Web;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use url::Url;

pub(super) async fn post(url: &Url, notice: &Notice, web: &Web) -> Result<(), Broken> {
    let json = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
    web.post(url, headers, body(notice).to_string().into_bytes())
        .await
}

pub(super) fn body(notice: &Notice) -> Value {
    let sign = match notice.level {
        Level::Error => ":red_circle: ",
        Level::Warning => ":warning: ",
        Level::Info => "",
    };
    let help = notice.help.as_deref();
    let help = help.map_or(String::new(), |help| format!("\n`{}`", escaped(help)));
    json!({"text": format!("{sign}{}{help}", escaped(&notice.text))})
}

/// The three characters that would begin a link, a mention or an entity.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
