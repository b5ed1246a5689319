//! Every metric of the contract is there from the first scrape on, in the form that Prometheus' own tool accepts.

use crate::receiver::{stop, with_webhook};
use crate::stage::{Callbacks, DAY, Setup, Stage};
use reqwest::Method;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The names of the contract, each with a label that it has.
const CONTRACT: [(&str, &str); 19] = [
    ("build_info", "version=\""),
    ("runs_total", "schedule=\"daily\",outcome=\"landed\""),
    ("run_duration_seconds_count", "schedule=\"daily\",phase=\""),
    ("jobs_in_flight", ""),
    ("job_completions_total", "learned_by=\"callback\""),
    ("callbacks_total", "outcome=\"accepted\""),
    ("api_requests_total", "endpoint=\"create\",code=\"200\""),
    ("api_throttled_seconds_total", ""),
    ("credential_expiry_timestamp_seconds", ""),
    ("schedule_next_fire_timestamp_seconds", "schedule=\"daily\""),
    (
        "schedule_last_success_timestamp_seconds",
        "schedule=\"daily\"",
    ),
    (
        "schedule_data_through_timestamp_seconds",
        "schedule=\"daily\"",
    ),
    ("schedule_missing_property_days", "schedule=\"daily\""),
    ("rows_landed_total", ""),
    ("bytes_landed_total", ""),
    ("duplicate_jobs_total", ""),
    ("scheduler_lag_seconds", ""),
    ("config_last_reload_successful", ""),
    ("landing_free_bytes", ""),
];

/// The contract fixes this name. promtool takes its `days` for a unit of time; property-days are a count.
const FIXED_NAME: &str = "aptiqd_schedule_missing_property_days use base unit";

/// Prometheus' tool, if it is on this machine.
pub fn promtool() -> Option<PathBuf> {
    let named = std::env::var_os("PROMTOOL").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("promtool"));
    named.into_iter().chain(found).find(|file| file.is_file())
}

#[track_caller]
fn check(promtool: &PathBuf, metrics: &str) {
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(metrics.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    let faults = said.lines().filter(|line| !line.starts_with(FIXED_NAME));
    assert_eq!(faults.collect::<Vec<_>>(), [""; 0], "{metrics}");
    // 0: nothing to say; 3: only that.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
}

fn scrape(stage: &Stage) -> String {
    stage.admin(Method::GET, "/metrics").text()
}

#[test]
fn every_name_is_there_before_anything_has_happened() {
    let (stage, _hook) = with_webhook(Setup::default(), &[]);
    let metrics = scrape(&stage);
    for (name, labels) in CONTRACT {
        let begin = format!(
            "aptiqd_{name}{}{labels}",
            if labels.is_empty() { " " } else { "{" }
        );
        let there = metrics.lines().any(|line| line.starts_with(&begin));
        assert!(there, "{begin}: {metrics}");
    }
    for outcome in ["landed", "incomplete", "failed", "cancelled", "skipped"] {
        let zero = format!("aptiqd_runs_total{{schedule=\"daily\",outcome=\"{outcome}\"}} 0");
        assert!(
            metrics.lines().any(|line| line == zero),
            "{zero}: {metrics}"
        );
    }
    for line in metrics.lines().filter(|line| line.starts_with("# TYPE")) {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(
            words[2].ends_with("_total"),
            words[3] == "counter",
            "{line}"
        );
    }
    stop(&stage);
}

#[test]
fn promtool_finds_no_fault_in_the_metrics() {
    let Some(promtool) = promtool() else {
        println!("skipped: promtool is not here (Debian's package prometheus has it)");
        return;
    };
    let (stage, _hook) = with_webhook(Setup::default(), &[]);
    check(&promtool, &scrape(&stage));
    stage.lands("daily", &DAY);
    check(&promtool, &scrape(&stage));
    stop(&stage);
}

#[test]
fn missing_days_lateness_and_the_last_run_show() {
    let mut setup = Setup::faults("missing-properties");
    setup.callbacks = Callbacks::Off;
    let freshness = "{ warn_after = \"1s\", error_after = \"100h\" }";
    let (stage, _hook) = with_webhook(
        setup,
        &[
            ("freshness", freshness),
            ("window", "{ from = \"2026-11-01\", to = \"2026-11-01\" }"),
        ],
    );
    stage.trigger("daily", &DAY).exits(3);
    let metrics = scrape(&stage);
    for sample in [
        "aptiqd_schedule_missing_property_days{schedule=\"daily\"} 1",
        "aptiqd_schedule_last_run{schedule=\"daily\",outcome=\"incomplete\"} 1",
        "aptiqd_schedule_last_run{schedule=\"daily\",outcome=\"landed\"} 0",
        "aptiqd_schedule_late{schedule=\"daily\",severity=\"error\"} 0",
        "aptiqd_runs_total{schedule=\"daily\",outcome=\"incomplete\"} 1",
        "aptiqd_callbacks_configured 0",
        "aptiqd_job_completions_total{learned_by=\"poll\"} 1",
    ] {
        assert!(
            metrics.lines().any(|line| line == sample),
            "{sample}: {metrics}"
        );
    }
    stop(&stage);
}
