//! The shipped alert rules and dashboard: their own tests pass, every metric they name exists, every alert has its page in
//! the runbook.

use crate::metrics::promtool;
use crate::receiver::{stop, with_webhook};
use crate::stage::Setup;
use reqwest::Method;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shipped(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn read(below: &str) -> String {
    std::fs::read_to_string(shipped(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

const RULES: &str = "deploy/prometheus/aptiqd.rules.yml";

/// What stands behind a key of the rules, line by line.
fn values(key: &str) -> Vec<String> {
    let text = read(RULES);
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("- "));
    let found = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    found
        .map(|value| value.trim().trim_matches('"').to_owned())
        .collect()
}

#[test]
fn promtool_passes_the_rules_and_their_tests() {
    let Some(promtool) = promtool() else {
        println!("skipped: promtool is not here (Debian's package prometheus has it)");
        return;
    };
    for words in [
        ["check", "rules", "aptiqd.rules.yml"],
        ["test", "rules", "aptiqd.rules.test.yml"],
    ] {
        let output = Command::new(&promtool)
            .args(words)
            .current_dir(shipped("deploy/prometheus"))
            .output()
            .expect("promtool runs");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{words:?}: {said}");
    }
}

#[test]
fn every_alert_is_tested_and_has_its_heading_in_the_runbook() {
    let (alerts, runbooks) = (values("alert"), values("runbook"));
    assert!(alerts.len() >= 8, "{alerts:?}");
    assert_eq!(alerts.len(), runbooks.len());
    let tests = read("deploy/prometheus/aptiqd.rules.test.yml");
    let runbook = read("docs/runbook.md");
    let headings: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| heading.trim().to_lowercase().replace(' ', "-"))
        .collect();
    for (alert, link) in alerts.iter().zip(runbooks) {
        assert!(
            tests.contains(&format!("alertname: {alert}")),
            "{alert} has no test"
        );
        let anchor = link.strip_prefix("docs/runbook.md#");
        let anchor = anchor.unwrap_or_else(|| panic!("{alert} leads to {link}"));
        assert!(
            headings.contains(anchor),
            "{alert} leads to {anchor}: {headings:?}"
        );
    }
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("aptiqd_"));
    names
        .map(|name| {
            let histogram = ["_bucket", "_sum", "_count"];
            let base = histogram.iter().find_map(|end| name.strip_suffix(end));
            base.unwrap_or(name).to_owned()
        })
        .collect()
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_exist() {
    let (stage, _hook) = with_webhook(Setup::default(), &[]);
    let metrics = stage.admin(Method::GET, "/metrics").text();
    let known: BTreeSet<String> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let dashboard = read("deploy/grafana/aptiqd.json");
    let document: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    assert!(
        document["panels"]
            .as_array()
            .is_some_and(|panels| panels.len() > 5)
    );
    for (file, text) in [("rules", read(RULES)), ("dashboard", dashboard)] {
        let names = named(&text);
        assert!(names.len() > 5, "{file}: {names:?}");
        let unknown: Vec<_> = names.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    stop(&stage);
}
