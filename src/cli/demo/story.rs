//! What happens in the demo, a line each.

use super::scene::Scene;
use crate::admin::view::Event;
use crate::cli::console::{Console, Tone};
use crate::cli::render::{bytes, counted};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::BTreeMap;

pub struct Story<'s> {
    scene: &'s Scene,
    console: &'s Console,
    began: Option<DateTime<Utc>>,
    /// Part → when its job was accepted.
    accepted: BTreeMap<u64, DateTime<Utc>>,
}

/// Whether a run may have ended with this event.
pub fn may_be_last(event: &Event) -> bool {
    matches!(
        event.event.as_str(),
        "run_published"
            | "publish_broken"
            | "artifacts_lost"
            | "run_cancelled"
            | "deadline_passed"
            | "fetch_broken"
            | "submit_refused"
            | "properties_unknown"
    )
}

impl<'s> Story<'s> {
    pub fn begin(scene: &'s Scene, console: &'s Console) -> Story<'s> {
        let dir = scene.dir.display();
        console.note(&format!(
            "a simulated ApartmentIQ and aptiqd, in {dir}; the schedule fires in a moment\n\n"
        ));
        Story {
            scene,
            console,
            began: None,
            accepted: BTreeMap::new(),
        }
    }

    pub fn tell(&mut self, event: &Event) {
        if event.run.is_none() {
            return;
        }
        let part = event.detail.get("part").and_then(Value::as_u64);
        if let ("submit_accepted", Some(part)) = (event.event.as_str(), part) {
            self.accepted.insert(part, event.at);
        }
        let Some((what, line)) = self.line(event, part.unwrap_or_default()) else {
            return;
        };
        let began = *self.began.get_or_insert(event.at);
        let since = (event.at - began).num_milliseconds().max(0) as f64 / 1_000.0;
        let at = self.console.tint_err(&format!("{since:6.2}s"), Tone::Dim);
        let what = self.console.tint_err(&format!("{what:<9}"), Tone::Strong);
        self.console.note(&format!("{at}  {what} {line}\n"));
    }

    fn line(&self, event: &Event, part: u64) -> Option<(&'static str, String)> {
        let text = |name: &str| {
            event
                .detail
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or("?")
        };
        let number = |name: &str| event.detail.get(name).and_then(Value::as_u64).unwrap_or(0);
        let run = event.run.as_deref().unwrap_or_default();
        Some(match event.event.as_str() {
            "run_created" => ("fire", format!("{} → run {run}", text("trigger"))),
            "planned" => {
                let properties = number("properties");
                (
                    "plan",
                    format!(
                        "{properties} properties in {}",
                        counted(number("parts"), "part")
                    ),
                )
            }
            "submit_started" => {
                let address = format!("{}/cb/v1/…", self.scene.public_url);
                (
                    "create",
                    format!("part {part}: POST /bulk_api/jobs, callback_url {address}"),
                )
            }
            "submit_accepted" => ("accepted", format!("part {part}: job {}", text("job_id"))),
            "callback_heard" => {
                let waited = self.accepted.get(&part).map_or(String::new(), |at| {
                    format!(
                        ", {} ms after the create",
                        (event.at - *at).num_milliseconds()
                    )
                });
                (
                    "callback",
                    format!("part {part}{waited}; on disk, answered 202"),
                )
            }
            "job_checked" => (
                "status",
                format!(
                    "part {part}: {}, learned by {}",
                    text("status"),
                    text("learned_by")
                ),
            ),
            "artifact_fetched" => {
                let hash = text("sha256").get(..12).unwrap_or_default();
                let size = bytes(number("bytes"));
                let rows = counted(number("rows"), "row");
                let host = &self.scene.files_host;
                (
                    "download",
                    format!("part {part}: 302 to {host}, {size}, {rows}, sha256 {hash}…"),
                )
            }
            "run_published" => {
                let files = counted(number("files"), "file");
                (
                    text_of_verdict(text("verdict")),
                    format!("{files}, {}", counted(number("rows"), "row")),
                )
            }
            "run_started" => return None,
            other if event.detail.get("error").is_some() => (
                "trouble",
                format!("{}: {}", other.replace('_', " "), text("error")),
            ),
            _ => return None,
        })
    }
}

fn text_of_verdict(verdict: &str) -> &'static str {
    match verdict {
        "landed" => "landed",
        "incomplete" => "incomplete",
        _ => "published",
    }
}
