use super::*;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `act` leaves on stderr in this style, with everything let through.
fn logged(style: Style, act: impl FnOnce()) -> String {
    let sink = Sink::default();
    let lines = sink.clone();
    let all = EnvFilter::new("trace");
    let subscriber = subscriber(style, all, false, move || lines.clone());
    tracing::subscriber::with_default(subscriber, act);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_style_follows_stderr() {
    let ours = Some((9, 1234));
    assert_eq!(Style::of(Some("9:1234"), ours, false), Style::Journal);
    assert_eq!(Style::of(Some("9:1235"), ours, false), Style::Json);
    assert_eq!(Style::of(Some("9:1235"), ours, true), Style::Human);
    assert_eq!(Style::of(Some("9:1234"), None, false), Style::Json);
    assert_eq!(Style::of(None, ours, true), Style::Human);
}

#[test]
fn the_journal_gets_a_priority_and_no_time() {
    let text = logged(Style::Journal, || {
        tracing::error!("one");
        tracing::warn!("two");
        tracing::info!(run = "daily.20261122", "three");
        tracing::debug!("four");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (line, priority) in lines.iter().zip(["<3>", "<4>", "<6>", "<7>"]) {
        assert!(line.starts_with(priority), "{line}");
    }
    assert!(lines[2].contains("three") && lines[2].contains("daily.20261122"));
    assert!(
        !text.contains("20:") && !text.contains("T"),
        "no time: {text}"
    );
}

#[test]
fn json_is_one_flat_object_a_line() {
    let text = logged(Style::Json, || {
        tracing::info!(run = "r1", part = 2, reason = "a \"b\"\nc", "part fetched");
    });
    let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(value["message"], "part fetched");
    assert_eq!(value["run"], "r1");
    assert_eq!(value["part"], 2);
    assert_eq!(value["reason"], "a \"b\"\nc");
    assert_eq!(value["level"], "INFO");
    assert!(value["timestamp"].is_string());
}

#[test]
fn json_stays_json_when_a_secret_is_hidden() {
    let text = logged(Style::Json, || {
        tracing::info!(
            url = "https://h/a?sig=canary",
            said = "Bearer canary\\",
            "x"
        );
    });
    let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(value["url"], "https://h/a?[hidden]");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_line_break_forges_no_second_event() {
    for style in [Style::Human, Style::Journal, Style::Json] {
        let text = logged(style, || {
            tracing::info!(said = %"no\n<0>forged", "vendor\r\nsaid");
        });
        assert_eq!(text.matches('\n').count(), 1, "{style:?}: {text}");
    }
}

#[test]
fn law_12_other_crates_are_silent_below_warn() {
    let text = logged(Style::Human, || {
        tracing::info!(target: "hyper::client", "GET canary-info");
        tracing::trace!(target: "aptiqdish", "canary-trace");
        tracing::warn!(target: "hyper::client", "heard");
        tracing::trace!(target: "aptiqd::engine", "ours");
    });
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("heard") && text.contains("ours"), "{text}");
}

#[test]
fn law_12_a_panic_is_one_line_with_its_place_and_no_secret() {
    let text = logged(Style::Journal, || {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let caught = std::panic::catch_unwind(|| panic!("bad\nreply from https://h/a?sig=canary"));
        std::panic::set_hook(before);
        assert!(caught.is_err());
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("<3>"), "{text}");
    assert!(text.contains("tests.rs:"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}
