//! One file a window: days of two windows are in two files, and whoever reads all files sees them twice.

use super::{Evidence, check};
use crate::landing::layout;
use crate::landing::partition::key_name;
use crate::run::{Check, CheckStatus};
use crate::schedule::{Partition, Window};
use serde_json::{Value, json};

/// The name of the check.
const CHECK: &str = "overlapping_windows";
/// Windows named in a check and an event.
const NAMED: usize = 20;

/// The windows in `data/` that share days with the run's own; `None` where no file is to land, or none can overlap.
pub(super) fn overlapping(evidence: &Evidence) -> Option<Check> {
    let order = evidence.order;
    if order.partition != Partition::Window || evidence.files.iter().all(Option::is_none) {
        return None;
    }
    let own = order.window;
    let visible = layout::visible(evidence.root, &order.schedule);
    let mut others: Vec<Window> = visible.filter_map(|key| window_of(&key)).collect();
    others.retain(|other| *other != own && other.overlaps(own));
    others.sort_unstable_by(|a, b| b.cmp(a));
    let status = match others.is_empty() {
        true => CheckStatus::Pass,
        false => CheckStatus::Warn,
    };
    let named: Vec<String> = others
        .iter()
        .take(NAMED)
        .map(|other| format!("{}_{}", other.from, other.to))
        .collect();
    let observed = json!({"windows": others.len(), "first": named});
    Some(check(CHECK, status, observed, json!({"windows": 0})))
}

/// The event of a file that landed beside others with days of its own.
pub(in crate::landing) fn event(checks: &[Check]) -> Option<Value> {
    let found = checks.iter().find(|check| check.name == CHECK);
    let found = found.filter(|check| check.status == CheckStatus::Warn)?;
    Some(json!({
        "event": "windows_overlap", "windows": found.observed["windows"], "first": found.observed["first"],
        "because": "days of both windows are in both files: readers of all files see them twice, which \
                    partition = \"date\" avoids",
    }))
}

/// The days that a key of this kind names.
fn window_of(key: &str) -> Option<Window> {
    let (kind, days) = key.split_once('=')?;
    let (from, to) = days.split_once('_')?;
    let window = Window::new(from.parse().ok()?, to.parse().ok()?);
    window.filter(|_| kind == key_name(Partition::Window))
}
