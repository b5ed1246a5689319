//! Which property lacks which day: a table of the worst, and the ground for the map that the script draws.

use super::html::{Html, command, counted, days, escape, grouped, html};
use super::overview::{Overview, ScheduleCells};
use super::reach::{self, Lack};
use crate::admin::view;
use crate::coverage::CellState;
use crate::roster::CellRow;
use crate::schedule::Window;

/// Properties in the table.
const WORST: usize = 12;
/// Gaps named of one property.
const GAPS: usize = 3;

pub fn section(page: &mut Html, overview: &Overview, wanted: Option<&str>) {
    page.put(
        "<section id=\"coverage\" aria-labelledby=\"h-coverage\">\
         <h2 id=\"h-coverage\">Coverage</h2>",
    );
    match chosen(overview, wanted) {
        None => page.put(
            "<p class=\"dim\">Which property has which day is shown here once there is a schedule.</p>",
        ),
        Some(schedule) => {
            choice(page, overview, schedule);
            map(page, schedule);
            worst(page, schedule);
        }
    }
    page.put("</section>");
}

/// The one asked for, else the one that lacks most.
fn chosen<'a>(overview: &'a Overview, wanted: Option<&str>) -> Option<&'a ScheduleCells> {
    let asked = wanted.and_then(|name| overview.cells_of(name));
    asked.or_else(|| {
        let lacking = |schedule: &&ScheduleCells| {
            let lack = reach::lack(&schedule.map);
            (schedule.enabled, lack.missing + lack.failed)
        };
        // Of equals the first by name.
        overview.schedules.iter().rev().max_by_key(lacking)
    })
}

fn choice(page: &mut Html, overview: &Overview, chosen: &ScheduleCells) {
    if overview.schedules.len() < 2 {
        return;
    }
    page.put("<nav class=\"choice\" aria-label=\"Schedule shown\">");
    for schedule in &overview.schedules {
        let current = match schedule.name == chosen.name {
            true => " aria-current=\"true\"",
            false => "",
        };
        let name = escape(&schedule.name);
        html!(
            page,
            "<a href=\"/?schedule={name}#coverage\"{current}>{name}</a>"
        );
    }
    page.put("</nav>");
}

/// The script fills it in; `data-stamp` changes whenever a cell may have.
fn map(page: &mut Html, schedule: &ScheduleCells) {
    let Window { from, to } = schedule.map.window;
    let lack = reach::lack(&schedule.map);
    html!(
        page,
        "<p id=\"covered\" class=\"live\">{} property-days from {from} to {to} have landed; {}.</p>\
         <div id=\"map\" hidden data-schedule=\"{}\"></div>\
         <span id=\"stamp\" class=\"live\" hidden data-stamp=\"{}/{}/{}/{to}/{}\"></span>",
        grouped(lack.landed),
        lacking(lack),
        escape(&schedule.name),
        lack.landed,
        lack.missing,
        lack.failed,
        schedule.map.rows.len(),
    );
}

fn lacking(lack: Lack) -> String {
    match (lack.missing, lack.failed) {
        (0, 0) => "nothing that is due is lacking".to_owned(),
        (missing, 0) => format!("{} missing", grouped(missing)),
        (0, failed) => format!("{} failed", grouped(failed)),
        (missing, failed) => format!("{} missing, {} failed", grouped(missing), grouped(failed)),
    }
}

fn worst(page: &mut Html, schedule: &ScheduleCells) {
    let mut rows: Vec<(u64, &CellRow)> = Vec::new();
    for row in &schedule.map.rows {
        let lack = reach::lack_of(row);
        if lack.missing + lack.failed > 0 {
            rows.push((lack.missing + lack.failed, row));
        }
    }
    rows.sort_by_key(|(lacking, row)| (std::cmp::Reverse(*lacking), row.property));
    page.put("<div id=\"worst\" class=\"live\">");
    if let Some(whole) = whole_window(&rows) {
        html!(
            page,
            "<p>To fill what lacks: {}</p><details class=\"fallback\"><summary>{} with gaps</summary>\
             <div class=\"scroll\" role=\"region\" aria-label=\"Properties with gaps\" tabindex=\"0\"><table>\
             <thead><tr><th scope=\"col\">Property<th scope=\"col\">Lacks<th scope=\"col\">Gaps</thead><tbody>",
            command(&backfill(&schedule.name, whole, reach::lack(&schedule.map))),
            propert(rows.len()),
        );
        for (lacking, row) in rows.iter().take(WORST) {
            gaps(page, *lacking, row);
        }
        page.put("</tbody></table></div>");
        if rows.len() > WORST {
            let all = format!("aptiqd coverage {}", schedule.name);
            html!(
                page,
                "<p class=\"dim\">The worst {WORST}. All: {}</p>",
                command(&all)
            );
        }
        page.put("</details>");
    }
    page.put("</div>");
}

fn propert(count: usize) -> String {
    match count {
        1 => "1 property".to_owned(),
        _ => format!("{} properties", grouped(count as u64)),
    }
}

fn backfill(schedule: &str, window: Window, lack: Lack) -> String {
    let only = view::only(lack.missing, lack.failed);
    let Window { from, to } = window;
    format!("aptiqd backfill {schedule} --from {from} --to {to}{only}")
}

fn lacks(row: &CellRow) -> impl Iterator<Item = &(Window, CellState)> {
    row.spans
        .iter()
        .filter(|(_, state)| matches!(state, CellState::Missing | CellState::Failed))
}

/// From the first to the last day that anything lacks.
fn whole_window(rows: &[(u64, &CellRow)]) -> Option<Window> {
    let windows = rows
        .iter()
        .flat_map(|(_, row)| lacks(row).map(|(window, _)| *window));
    windows.reduce(Window::union)
}

fn gaps(page: &mut Html, lacking: u64, row: &CellRow) {
    let newest: Vec<_> = lacks(row).collect();
    let named = newest
        .iter()
        .rev()
        .take(GAPS)
        .map(|(window, state)| format!("{} {}", days(window.from, window.to), state.as_str()));
    let mut named = named.collect::<Vec<_>>().join(", ");
    if newest.len() > GAPS {
        named.push_str(&format!(" and {} more", newest.len() - GAPS));
    }
    html!(
        page,
        "<tr><th scope=\"row\" class=\"fix\">{} {}<td class=\"fix\">{}<td class=\"wide\">{named}",
        row.property,
        escape(row.name.as_deref().unwrap_or_default()),
        counted(lacking, "day"),
    );
}
