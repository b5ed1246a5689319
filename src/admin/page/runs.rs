//! Fourteen days of runs: a bar a run, as high as it took, cut into its phases.

use super::html::{Html, command, counted, days, escape, grouped, html, instant, span};
use super::overview::{DAYS_BACK, Overview, PastRun};
use crate::admin::view::RunState;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// A day's width and the height of the tallest bar, in the drawing's units.
const DAY: i64 = 100;
const HEIGHT: i64 = 48;
/// Below the bars, for runs without one.
const FOOT: i64 = 6;
/// Rows of the table of the newest runs.
const NEWEST: usize = 12;

pub fn section(page: &mut Html, overview: &Overview) {
    html!(
        page,
        "<section id=\"runs\" class=\"live\" aria-labelledby=\"h-runs\">\
         <h2 id=\"h-runs\">Runs, {DAYS_BACK} days</h2>"
    );
    if overview.runs.is_empty() {
        page.put("<p class=\"dim\">No run yet. ");
        match overview.status.schedules.first() {
            Some(schedule) => {
                let run = format!("aptiqd trigger {} --wait", schedule.name);
                html!(page, "{} starts one and follows it.", command(&run));
            }
            None => page.put("They appear here once a schedule fires."),
        }
        page.put("</p></section>");
        return;
    }
    page.put(
        "<p class=\"legend\"><span><i class=\"wait\"></i>wait</span><span><i class=\"export\"></i>export at \
         ApartmentIQ</span><span><i class=\"land\"></i>download and landing</span>\
         <span><i class=\"bad\"></i>failed or incomplete</span>\
         <span><i class=\"skip\"></i>skipped or cancelled</span></p>",
    );
    let mut by_schedule: BTreeMap<&str, Vec<&PastRun>> = BTreeMap::new();
    for past in &overview.runs {
        by_schedule
            .entry(&past.run.schedule)
            .or_default()
            .push(past);
    }
    page.put("<div class=\"timelines\">");
    for (schedule, runs) in by_schedule {
        timeline(page, overview.at, schedule, &runs);
    }
    axis(page, overview.at);
    page.put("</div>");
    if overview.more_runs {
        html!(
            page,
            "<p class=\"dim\">The newest {} runs.</p>",
            overview.runs.len()
        );
    }
    table(page, overview);
    page.put("</section>");
}

/// Milliseconds of wait, export and landing; of an open run, so far.
fn phases(past: &PastRun, at: DateTime<Utc>) -> [i64; 3] {
    let end = past.run.finished_at.unwrap_or(at);
    let started = past.started_at.unwrap_or(end).min(end);
    let exported = match past.run.finished_at {
        Some(_) => past.exported_at.unwrap_or(end).min(end).max(started),
        None => end,
    };
    let between = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).num_milliseconds().max(0);
    [
        between(past.run.created_at, started),
        between(started, exported),
        between(exported, end),
    ]
}

fn summary(runs: &[&PastRun]) -> String {
    let mut counts: BTreeMap<RunState, u64> = BTreeMap::new();
    for past in runs {
        *counts.entry(past.run.state).or_default() += 1;
    }
    let words = counts
        .iter()
        .map(|(state, count)| format!("{count} {}", state.as_str()));
    words.collect::<Vec<_>>().join(", ")
}

fn timeline(page: &mut Html, at: DateTime<Utc>, schedule: &str, runs: &[&PastRun]) {
    let total = |past: &&PastRun| phases(past, at).iter().sum::<i64>();
    let longest = runs.iter().map(total).max().unwrap_or(0).max(1);
    let words = summary(runs);
    html!(
        page,
        "<div class=\"timeline\"><div><strong>{0}</strong><div class=\"dim\">{words}; longest {1}</div></div>\
         <svg viewBox=\"0 0 {2} {3}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{0}: {4}, {words}\">",
        escape(schedule),
        span(longest),
        i64::from(DAYS_BACK) * DAY,
        HEIGHT + FOOT,
        counted(runs.len() as u64, "run"),
    );
    let wide =
        i64::from(DAYS_BACK) * DAY * 6 / 10 / i64::try_from(runs.len()).unwrap_or(i64::MAX).max(1);
    for past in runs {
        bar(page, at, past, longest, wide.clamp(4, DAY / 2));
    }
    page.put("</svg></div>");
}

fn bar(page: &mut Html, at: DateTime<Utc>, past: &PastRun, longest: i64, width: i64) {
    let run = &past.run;
    let first = at - TimeDelta::days(i64::from(DAYS_BACK));
    let into = (run.created_at - first).num_milliseconds();
    let x = (into * DAY / TimeDelta::days(1).num_milliseconds())
        .clamp(0, i64::from(DAYS_BACK) * DAY - width);
    let [wait, export, land] = phases(past, at);
    html!(
        page,
        "<g><title>{} {}, {}: wait {}, export {}, landing {}; {} rows</title>",
        escape(&run.id),
        run.state.as_str(),
        days(run.window.from, run.window.to),
        span(wait),
        span(export),
        span(land),
        grouped(run.rows),
    );
    let mut rect = |class: &str, y: i64, height: i64| {
        html!(
            page,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        );
    };
    match run.state {
        RunState::Skipped | RunState::Cancelled => rect("skip", HEIGHT, FOOT),
        state => {
            let mut y = HEIGHT;
            for (class, length) in [("wait", wait), ("export", export), ("land", land)] {
                let height = (length * HEIGHT / longest).min(y);
                y -= height;
                if height > 0 {
                    rect(class, y, height);
                }
            }
            // However short, it is seen.
            if y == HEIGHT {
                rect("export", HEIGHT - 1, 1);
            }
            if matches!(state, RunState::Failed | RunState::Incomplete) {
                rect("bad", HEIGHT, FOOT);
            }
        }
    }
    page.put("</g>");
}

fn axis(page: &mut Html, at: DateTime<Utc>) {
    page.put("<div class=\"timeline axis\" aria-hidden=\"true\"><div></div><div class=\"days\">");
    for back in (0..i64::from(DAYS_BACK)).rev() {
        let day = at - TimeDelta::days(back);
        html!(page, "<span>{}</span>", day.format("%d"));
    }
    page.put("</div></div>");
}

fn table(page: &mut Html, overview: &Overview) {
    page.put(
        "<details open><summary>The newest runs</summary><div class=\"scroll\" role=\"region\" \
         aria-label=\"The newest runs\" tabindex=\"0\"><table><thead><tr>\
         <th scope=\"col\">Run<th scope=\"col\">State<th scope=\"col\">Days<th scope=\"col\">Parts\
         <th scope=\"col\">Rows<th scope=\"col\">Wait<th scope=\"col\">Export<th scope=\"col\">Landing\
         <th scope=\"col\">Began</thead><tbody>",
    );
    for past in overview.runs.iter().take(NEWEST) {
        row(page, overview.at, past);
    }
    page.put("</tbody></table></div></details>");
}

fn row(page: &mut Html, at: DateTime<Utc>, past: &PastRun) {
    let run = &past.run;
    let class = match run.state {
        RunState::Failed => "error",
        RunState::Incomplete => "warn",
        RunState::Landed => "ok",
        _ => "dim",
    };
    let [wait, export, land] = phases(past, at).map(span);
    let reason = run.reason.as_deref().unwrap_or_default();
    html!(
        page,
        "<tr><th scope=\"row\" class=\"fix\"><code>{}</code><td class=\"wide\"><span class=\"{class}\">{}</span><div class=\"dim\">{}</div>\
         <td class=\"fix\">{}<td class=\"fix\">{} of {}<td>{}<td class=\"fix\">{wait}<td class=\"fix\">{export}\
         <td class=\"fix\">{land}<td>{}",
        escape(&run.id),
        run.state.as_str(),
        escape(reason),
        days(run.window.from, run.window.to),
        run.parts.done,
        run.parts.total,
        grouped(run.rows),
        instant(run.created_at),
    );
}
