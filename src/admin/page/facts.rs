//! How much came, by which credential, and in which columns.

use super::html::{Html, bytes, command, counted, days, escape, grouped, html, instant, span};
use super::overview::{DAYS_BACK, Overview};
use crate::admin::view::RunState;
use chrono::TimeDelta;

const HEIGHT: u64 = 40;

pub fn throughput(page: &mut Html, overview: &Overview) {
    page.put(
        "<section id=\"throughput\" class=\"live\" aria-labelledby=\"h-throughput\">\
         <h2 id=\"h-throughput\">Throughput</h2>",
    );
    let rows: u64 = overview.runs.iter().map(|past| past.run.rows).sum();
    let amount: u64 = overview.runs.iter().map(|past| past.run.bytes).sum();
    bars(page, overview);
    let callbacks = &overview.status.callbacks;
    let learned = match (&callbacks.public_url, callbacks.share) {
        (None, _) => "no callbacks: public_url is not set, jobs are polled".to_owned(),
        (Some(_), None) => "no job has ended since the start".to_owned(),
        (Some(_), Some(share)) => format!("{:.0} % of jobs learned by callback", share * 100.0),
    };
    let facts = [
        (
            format!("{DAYS_BACK} days"),
            format!("{} rows, {}", grouped(rows), bytes(amount)),
        ),
        (
            "now".to_owned(),
            format!(
                "{} in flight",
                counted(overview.status.jobs_in_flight, "job")
            ),
        ),
        ("callbacks".to_owned(), learned),
    ];
    list(page, &facts);
    page.put("</section>");
}

/// Rows landed a day, as bars.
fn bars(page: &mut Html, overview: &Overview) {
    let mut by_day = vec![0_u64; DAYS_BACK as usize];
    let first = overview.at.date_naive() - TimeDelta::days(i64::from(DAYS_BACK) - 1);
    for past in overview.runs.iter().filter(|past| past.run.rows > 0) {
        let ended = past
            .run
            .finished_at
            .unwrap_or(past.run.created_at)
            .date_naive();
        let at = usize::try_from((ended - first).num_days());
        if let Some(rows) = at.ok().and_then(|at| by_day.get_mut(at)) {
            *rows += past.run.rows;
        }
    }
    let most = by_day.iter().copied().max().unwrap_or(0);
    if most == 0 {
        html!(
            page,
            "<p class=\"dim\">Nothing landed in the last {DAYS_BACK} days.</p>"
        );
        return;
    }
    html!(
        page,
        "<svg class=\"bars\" viewBox=\"0 0 {} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"Rows landed a day, at most {}\">",
        DAYS_BACK * 10,
        grouped(most),
    );
    for (rows, at) in by_day.iter().zip(0_u64..) {
        let height = (rows * HEIGHT).div_ceil(most);
        let day = first + TimeDelta::days(at.cast_signed());
        html!(
            page,
            "<rect class=\"land\" x=\"{}\" y=\"{}\" width=\"8\" height=\"{height}\"><title>{day}: {} rows</title></rect>",
            at * 10 + 1,
            HEIGHT - height,
            grouped(*rows),
        );
    }
    page.put("</svg>");
}

pub fn credential(page: &mut Html, overview: &Overview) {
    page.put(
        "<section id=\"credential\" class=\"live\" aria-labelledby=\"h-credential\">\
         <h2 id=\"h-credential\">Credential and quota</h2>",
    );
    let credential = &overview.status.credential;
    let kind = match credential.kind.as_str() {
        "client" => "OAuth client, renews itself",
        _ => "pasted access token",
    };
    let valid = match (credential.refused, credential.expires_at) {
        (true, _) => "<span class=\"error\">refused by ApartmentIQ</span>".to_owned(),
        (false, Some(at)) => format!("valid until {}", instant(at)),
        (false, None) => "not used yet".to_owned(),
    };
    let quota = match &overview.usage.quota {
        Some(words) => format!("<span class=\"warn\">{}</span>", escape(words)),
        None => "no refusal seen".to_owned(),
    };
    let requests = overview.usage.requests;
    let throttled = i64::try_from(overview.usage.throttled.as_millis()).unwrap_or(i64::MAX);
    let waited = match throttled {
        0 => "never throttled".to_owned(),
        some => format!("throttled for {}", span(some)),
    };
    let free = |bytes_free: Option<u64>| bytes_free.map_or("unknown".to_owned(), bytes);
    let facts = [
        ("credential".to_owned(), format!("{kind}; {valid}")),
        ("quota".to_owned(), quota),
        (
            "requests".to_owned(),
            format!("{} since the start, {waited}", grouped(requests)),
        ),
        (
            "free disk".to_owned(),
            format!(
                "{} for landing, {} for state",
                free(overview.status.landing.free_bytes),
                free(overview.status.store.free_bytes)
            ),
        ),
    ];
    list(page, &facts);
    page.put("</section>");
}

/// Names are ours; values are HTML already.
fn list(page: &mut Html, facts: &[(String, String)]) {
    page.put("<dl>");
    for (name, value) in facts {
        html!(page, "<dt>{name}<dd>{value}");
    }
    page.put("</dl>");
}

pub fn schema_changes(page: &mut Html, overview: &Overview) {
    page.put(
        "<section id=\"changes\" class=\"live\" aria-labelledby=\"h-changes\">\
         <h2 id=\"h-changes\">Schema changes</h2>",
    );
    let changed: Vec<_> = overview
        .runs
        .iter()
        .filter_map(|past| Some((&past.run, past.schema_change.as_ref()?)))
        .take(10)
        .collect();
    if changed.is_empty() {
        html!(
            page,
            "<p class=\"dim\">None in the last {DAYS_BACK} days: columns came as before.</p>"
        );
    } else {
        page.put("<ol class=\"lines\">");
        for (run, change) in changed {
            let fate = match run.state {
                RunState::Landed | RunState::Incomplete => "",
                _ => " (not landed)",
            };
            html!(
                page,
                "<li><strong>{}</strong> {}{fate}: {} {}</li>",
                escape(&run.schedule),
                days(run.window.from, run.window.to),
                escape(change),
                command(&format!("aptiqd show {}", run.id)),
            );
        }
        page.put("</ol>");
    }
    page.put("</section>");
}
