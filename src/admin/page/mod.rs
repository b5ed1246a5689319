//! The status page: one document, rendered here, that needs neither script nor network.
//!
//! A script adds what a document cannot: it follows `events` and asks for the page again when
//! something happened, and it draws the heat map. It renders nothing of its own that is also here.

mod asset;
mod coverage;
mod facts;
mod fires;
mod html;
mod live;
mod overview;
mod reach;
mod runs;
mod schedules;
#[cfg(test)]
mod tests;
mod top;

pub use overview::{Coming, Overview, PastRun, ScheduleCells, Survey, Usage};

use super::Refusal;
use super::routes::Asked;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http::HeaderValue};
use html::{Html, escape, html};
use serde::Deserialize;
use std::sync::Arc;

/// Nothing is loaded or asked but from here, nothing inline runs, nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the page and what it is made of.
pub fn with_routes<D: Survey>(router: Router<Arc<D>>) -> Router<Arc<D>> {
    router
        .route("/", get(show::<D>))
        .route("/style.css", get(asset::style))
        .route("/page.js", get(asset::script))
        .route("/icon.svg", get(asset::icon))
}

/// What the page is to show.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PageQuery {
    /// The schedule whose coverage is shown; the one that lacks most unless said.
    schedule: Option<String>,
}

async fn show<D: Survey>(
    State(daemon): State<Arc<D>>,
    Asked(query): Asked<PageQuery>,
) -> Result<Response, Refusal> {
    let overview = daemon.survey().await?;
    let page = render(&overview, query.schedule.as_deref());
    let mut response = page.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn render(overview: &Overview, schedule: Option<&str>) -> String {
    let mut page = Html::with_capacity(64 * 1024);
    let headline = top::headline(overview);
    html!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{headline} – aptiqd</title>\
         <noscript><meta http-equiv=\"refresh\" content=\"60\"></noscript>\
         <link rel=\"icon\" href=\"/icon.svg\"><link rel=\"stylesheet\" href=\"/style.css?{tag}\">\
         <script src=\"/page.js?{tag}\" defer></script></head>\
         <body><a class=\"jump\" href=\"#main\">To the content</a>",
        headline = escape(&headline.text),
        tag = asset::tag(),
    );
    top::header(&mut page, overview);
    page.put("<main id=\"main\">");
    top::first_line(&mut page, overview, &headline);
    top::attention(&mut page, overview);
    schedules::section(&mut page, overview);
    coverage::section(&mut page, overview, schedule);
    runs::section(&mut page, overview);
    page.put("<div class=\"columns\">");
    fires::section(&mut page, overview);
    facts::throughput(&mut page, overview);
    facts::credential(&mut page, overview);
    facts::schema_changes(&mut page, overview);
    page.put("</div></main>");
    top::footer(&mut page, overview);
    page.put("</body></html>\n");
    page.finish()
}
