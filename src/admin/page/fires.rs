//! What comes next.

use super::html::{Html, counted, days, escape, html, zoned};
use super::overview::{Coming, Overview};

pub fn section(page: &mut Html, overview: &Overview) {
    page.put(
        "<section id=\"fires\" class=\"live\" aria-labelledby=\"h-fires\">\
         <h2 id=\"h-fires\">Next fires</h2>",
    );
    if overview.fires.is_empty() {
        page.put(
            "<p class=\"dim\">None: no schedule is enabled, or all are paused. \
             <code class=\"command\">aptiqd plan</code> shows what would fire.</p>",
        );
    } else {
        page.put("<ol class=\"lines\">");
        overview.fires.iter().for_each(|fire| line(page, fire));
        page.put("</ol>");
    }
    page.put("</section>");
}

fn line(page: &mut Html, fire: &Coming) {
    let size = match (fire.properties, fire.parts) {
        (Some(properties), Some(parts)) => {
            let s = if properties == 1 { "y" } else { "ies" };
            format!("{properties} propert{s}, {}", counted(parts, "job"))
        }
        _ => "properties asked for then".to_owned(),
    };
    html!(
        page,
        "<li><strong>{}</strong> {}<div class=\"dim\">{}, {size}</div></li>",
        escape(&fire.schedule),
        zoned(fire.at, fire.zone),
        days(fire.window.from, fire.window.to),
    );
}
