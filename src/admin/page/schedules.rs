//! The schedules, worst first.

use super::html::{Html, counted, escape, html, instant_or_dash};
use super::overview::Overview;
use super::{reach, top};
use crate::admin::view::ScheduleStatus;

pub fn section(page: &mut Html, overview: &Overview) {
    page.put(
        "<section id=\"schedules\" class=\"live\" aria-labelledby=\"h-schedules\">\
         <h2 id=\"h-schedules\">Schedules</h2>",
    );
    let schedules = &overview.status.schedules;
    if schedules.is_empty() {
        page.put("<p class=\"dim\">None yet.</p></section>");
        return;
    }
    page.put(
        "<div class=\"scroll\" role=\"region\" aria-label=\"The schedules, worst first\" tabindex=\"0\"><table>\
         <thead><tr><th scope=\"col\">Schedule<th scope=\"col\">State<th scope=\"col\">Data through\
         <th scope=\"col\">Lacking<th scope=\"col\">Last landed<th scope=\"col\">Next fire</thead><tbody>",
    );
    for schedule in schedules {
        row(page, overview, schedule);
    }
    page.put("</tbody></table></div></section>");
}

fn row(page: &mut Html, overview: &Overview, schedule: &ScheduleStatus) {
    let (through, lacking) = match overview.cells_of(&schedule.name) {
        Some(cells) => (
            through(reach::of_schedule(&cells.map)),
            lacking(reach::lack(&cells.map)),
        ),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let name = escape(&schedule.name);
    html!(
        page,
        "<tr><th scope=\"row\" class=\"fix\"><a href=\"/?schedule={name}#coverage\">{name}</a>\
         <div class=\"dim\">{}</div><td class=\"wide\"><span class=\"{}\">{}</span><div class=\"dim\">{}</div>\
         <td class=\"fix\">{through}<td class=\"fix\">{lacking}<td>{}<td>{}",
        escape(&schedule.description),
        top::class(schedule.level),
        escape(&schedule.state),
        escape(schedule.reason.as_deref().unwrap_or_default()),
        instant_or_dash(schedule.last_success),
        instant_or_dash(schedule.next_fire),
    );
}

fn through(reach: reach::Reach) -> String {
    match reach.through {
        Some(day) => format!(
            "{day}<div class=\"dim\">{} of {}</div>",
            reach.landed, reach.properties
        ),
        None => format!("–<div class=\"dim\">0 of {}</div>", reach.properties),
    }
}

fn lacking(lack: reach::Lack) -> String {
    match lack.missing + lack.failed {
        0 => "nothing".to_owned(),
        lacking => format!("<span class=\"warn\">{}</span>", counted(lacking, "cell")),
    }
}
