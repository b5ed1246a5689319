//! The first line, and what a person should do something about.

use super::html::{Html, command, counted, escape, html, instant};
use super::overview::Overview;
use super::reach;
use crate::admin::view::{Attention, Level};

/// The first line and how it looks.
pub struct Headline {
    pub text: String,
    level: Level,
}

/// What the page is opened for, in one sentence.
pub fn headline(overview: &Overview) -> Headline {
    let status = &overview.status;
    if !status.ready {
        let text = "Not ready: callbacks cannot be acknowledged".to_owned();
        return Headline {
            text,
            level: Level::Error,
        };
    }
    if overview.schedules.is_empty() {
        let text = "No schedule is declared yet".to_owned();
        return Headline {
            text,
            level: Level::Warn,
        };
    }
    let reach = reach::of_all(overview);
    let worst = status.attention.iter().map(|line| line.level).min();
    let (text, level) = match reach.through {
        Some(day) => (
            format!(
                "Data through {day} for {} of {} {}",
                reach.landed,
                reach.properties,
                properties(reach.properties)
            ),
            match reach.landed == reach.properties {
                true => Level::Ok,
                false => Level::Warn,
            },
        ),
        None if reach.properties == 0 => ("Nothing has landed yet".to_owned(), Level::Warn),
        None => (
            format!(
                "Nothing has landed yet for {} {}",
                reach.properties,
                properties(reach.properties)
            ),
            Level::Warn,
        ),
    };
    Headline {
        text,
        level: worst.map_or(level, |worst| worst.min(level)),
    }
}

fn properties(count: usize) -> &'static str {
    if count == 1 { "property" } else { "properties" }
}

pub fn class(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Ok => "ok",
    }
}

pub fn header(page: &mut Html, overview: &Overview) {
    let status = &overview.status;
    html!(
        page,
        "<header><span class=\"name\">aptiqd</span> <span class=\"dim\">{}</span>\
         <span class=\"dim up\">up since {}</span>\
         <span id=\"link\" class=\"dim\">as of {}</span></header>",
        escape(&status.version),
        instant(status.since),
        instant(overview.at),
    );
}

pub fn first_line(page: &mut Html, overview: &Overview, headline: &Headline) {
    html!(
        page,
        "<div id=\"top\" class=\"live\"><h1 class=\"{}\">{}</h1>",
        class(headline.level),
        escape(&headline.text),
    );
    match overview.schedules.is_empty() {
        true => first_steps(page),
        false => html!(page, "<p class=\"lead\">{}</p>", lead(overview)),
    }
    page.put("</div>");
}

/// For whoever has just installed it.
fn first_steps(page: &mut Html) {
    html!(
        page,
        "<p class=\"lead\">A schedule is one file: what to export, of which properties, and when.</p>\
         <ol class=\"steps\"><li>Write <code>schedules/NAME.toml</code>; {} shows a commented one.</li>\
         <li>Prove it: {}</li><li>See when it fires and what it exports: {}</li>\
         <li>Take it: {}</li><li>Export now and follow it to its end: {}</li></ol>",
        command("aptiqd init DIR"),
        command("aptiqd check"),
        command("aptiqd plan"),
        command("aptiqd reload"),
        command("aptiqd trigger NAME --wait"),
    );
}

/// What is going on, and what comes next.
fn lead(overview: &Overview) -> String {
    let status = &overview.status;
    let mut words = Vec::new();
    if status.runs.is_empty() {
        words.push("No run is under way.".to_owned());
    } else {
        words.push(format!(
            "{} under way, {} at ApartmentIQ.",
            counted(status.runs.len() as u64, "run"),
            counted(status.jobs_in_flight, "job"),
        ));
    }
    let landed = status.schedules.iter();
    match landed.filter_map(|schedule| schedule.last_success).max() {
        Some(at) => words.push(format!("Last landed {}.", instant(at))),
        None => {
            if let Some(schedule) = status.schedules.first() {
                let run = format!("aptiqd trigger {} --wait", schedule.name);
                words.push(format!("To export now: {}", command(&run)));
            }
        }
    }
    if let Some(fire) = overview.fires.first() {
        words.push(format!(
            "Next fire {}, {}.",
            super::html::zoned(fire.at, fire.zone),
            escape(&fire.schedule)
        ));
    }
    words.join(" ")
}

pub fn attention(page: &mut Html, overview: &Overview) {
    page.put("<section id=\"attention\" class=\"live\" aria-labelledby=\"h-attention\">");
    let lines = &overview.status.attention;
    match lines.is_empty() {
        true if overview.schedules.is_empty() => {
            page.put("<h2 id=\"h-attention\" class=\"hidden\">To be looked at</h2>");
        }
        true => page.put(
            "<h2 id=\"h-attention\" class=\"hidden\">To be looked at</h2>\
             <p class=\"calm\">Nothing needs a person.</p>",
        ),
        false => {
            page.put("<h2 id=\"h-attention\">To be looked at</h2><ul class=\"attention\">");
            lines.iter().for_each(|line| attention_line(page, line));
            page.put("</ul>");
        }
    }
    page.put("</section>");
}

fn attention_line(page: &mut Html, line: &Attention) {
    let word = match line.level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Ok => "note",
    };
    html!(
        page,
        "<li class=\"{}\"><span class=\"level\">{word}</span> <strong>{}</strong> <span>{}</span> {}</li>",
        class(line.level),
        escape(&line.subject),
        escape(&line.message),
        help(&line.help),
    );
}

/// A command where it is one, else a sentence.
fn help(text: &str) -> String {
    match text.starts_with("aptiqd ") || text.starts_with("journalctl ") {
        true => command(text),
        false => format!("<span class=\"dim\">{}</span>", escape(text)),
    }
}

pub fn footer(page: &mut Html, overview: &Overview) {
    let config = overview.status.config.path.as_deref().unwrap_or("–");
    html!(
        page,
        "<footer class=\"dim\"><span>configuration {}</span> <span>landing folder {}</span> \
         <a href=\"/metrics\">metrics</a> <a href=\"/openapi.json\">API</a></footer>",
        escape(config),
        escape(&overview.status.landing.path),
    );
}
