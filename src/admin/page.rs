//! The status page: what `status` says, as HTML that needs neither script nor network.

use super::view::{Attention, Level, Run, ScheduleStatus, Status};
use super::{Daemon, Refusal};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use std::fmt::Write;
use std::sync::Arc;

const STYLE: &str = include_str!("page.css");
/// Nothing is loaded but our own style sheet, nothing runs, nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

pub(super) async fn show<D: Daemon>(State(daemon): State<Arc<D>>) -> Result<Response, Refusal> {
    let mut status = daemon.status().await?;
    status.sort();
    let page = render(&status);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, page).into_response())
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

fn instant(at: Option<DateTime<Utc>>) -> String {
    at.map_or("–".to_owned(), |at| {
        at.format("%Y-%m-%d %H:%M UTC").to_string()
    })
}

fn class(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Ok => "ok",
    }
}

fn headline(status: &Status) -> String {
    let total = status.schedules.len();
    let ill = status
        .schedules
        .iter()
        .filter(|schedule| schedule.level != Level::Ok)
        .count();
    match (status.ready, ill, total) {
        (false, _, _) => "Not ready: callbacks cannot be acknowledged".to_owned(),
        (_, _, 0) => "No schedule is declared yet".to_owned(),
        (_, 0, 1) => "The schedule is well".to_owned(),
        (_, 0, _) => format!("All {total} schedules are well"),
        _ => format!("{ill} of {total} schedules need a look"),
    }
}

fn render(status: &Status) -> String {
    let mut page = String::with_capacity(8 * 1024);
    let headline = escape(&headline(status));
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"30\"><title>{headline} – aptiqd</title>\
         <link rel=\"stylesheet\" href=\"/style.css\"></head><body><main><h1>{headline}</h1>\
         <p class=\"dim\">aptiqd {}, up since {}</p>",
        escape(&status.version),
        instant(Some(status.since)),
    );
    attention(&mut page, &status.attention);
    schedules(&mut page, &status.schedules);
    runs(&mut page, &status.runs);
    health(&mut page, status);
    page.push_str("</main></body></html>\n");
    page
}

fn attention(page: &mut String, lines: &[Attention]) {
    if lines.is_empty() {
        return;
    }
    page.push_str("<h2>To be looked at</h2>");
    for line in lines {
        let _ = write!(
            page,
            "<p><span class=\"{}\">{}</span> {} <code>{}</code></p>",
            class(line.level),
            escape(&line.subject),
            escape(&line.message),
            escape(&line.help),
        );
    }
}

fn schedules(page: &mut String, schedules: &[ScheduleStatus]) {
    page.push_str(
        "<h2>Schedules</h2><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Schedule\
         <th scope=\"col\">State<th scope=\"col\">Data through<th scope=\"col\">Last landed\
         <th scope=\"col\">Next fire<th scope=\"col\">Reason</thead><tbody>",
    );
    for schedule in schedules {
        let through = schedule
            .data_through
            .map_or("–".to_owned(), |day| day.to_string());
        let _ = write!(
            page,
            "<tr><td>{}<td class=\"{}\">{}<td>{through}<td>{}<td>{}<td>{}",
            escape(&schedule.name),
            class(schedule.level),
            escape(&schedule.state),
            instant(schedule.last_success),
            instant(schedule.next_fire),
            escape(schedule.reason.as_deref().unwrap_or_default()),
        );
    }
    page.push_str("</tbody></table></div>");
}

fn runs(page: &mut String, runs: &[Run]) {
    if runs.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Under way</h2><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Run\
         <th scope=\"col\">State<th scope=\"col\">Days<th scope=\"col\">Parts\
         <th scope=\"col\">Since<th scope=\"col\">Reason</thead><tbody>",
    );
    for run in runs {
        let _ = write!(
            page,
            "<tr><td><code>{}</code><td>{}<td>{} to {}<td>{} of {}<td>{}<td>{}",
            escape(&run.id),
            run.state.as_str(),
            run.window.from,
            run.window.to,
            run.parts.done,
            run.parts.total,
            instant(Some(run.created_at)),
            escape(run.reason.as_deref().unwrap_or_default()),
        );
    }
    page.push_str("</tbody></table></div>");
}

fn health(page: &mut String, status: &Status) {
    let callbacks = match (&status.callbacks.public_url, status.callbacks.share) {
        (None, _) => "no public_url is set: jobs are polled".to_owned(),
        (Some(url), None) => format!("expected at {url}; none needed yet"),
        (Some(url), Some(share)) => {
            format!(
                "at {url}: {:.0} % of jobs learned by callback",
                share * 100.0
            )
        }
    };
    let credential = match (status.credential.refused, status.credential.expires_at) {
        (true, _) => "refused by ApartmentIQ".to_owned(),
        (false, Some(at)) => format!("valid until {}", instant(Some(at))),
        (false, None) => "not used yet".to_owned(),
    };
    let free = status
        .landing
        .free_bytes
        .map_or("unknown".to_owned(), |bytes| {
            format!("{:.1} GB", bytes as f64 / 1e9)
        });
    let rows = [
        ("Callbacks", callbacks),
        ("Credential", credential),
        ("Jobs in flight", status.jobs_in_flight.to_string()),
        ("Free for landing", free),
    ];
    page.push_str("<h2>Health</h2><div class=\"scroll\"><table><tbody>");
    for (name, value) in rows {
        let _ = write!(page, "<tr><th scope=\"row\">{name}<td>{}", escape(&value));
    }
    page.push_str("</tbody></table></div>");
}
