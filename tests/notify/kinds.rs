//! Each kind of receiver gets what its users expect of it.

use crate::receiver::{KEY, Mood, Receiver, SECRET, TOKEN, stop, with_webhook};
use crate::stage::{DAY, Setup, Stage, list, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use std::path::Path;

const ALL: (&str, &str) = ("notify", "{ all = [\"ops\"] }");

/// A stage whose receiver `ops` is of this kind, with its address in a file.
fn with(kind: &'static str, setup: Setup, notify: &'static str) -> (Stage, Receiver) {
    let setup = setup
        .with("notify.ops.kind", kind)
        .with("notify.ops.url_file", "\"ops.url\"");
    let stage = Stage::set(setup);
    let receiver = Receiver::new(Mood::Answer(200));
    receiver.write(&stage, "ops.url");
    stage.schedule("daily", &[("notify", notify)]);
    stage.start();
    (stage, receiver)
}

#[test]
fn a_chat_hook_gets_a_text_with_the_reason_and_the_command() {
    let setup = Setup::faults("forbidden");
    let notify = "{ failed = [\"ops\"], recovered = [\"ops\"] }";
    let (stage, chat) = with("\"slack\"", setup, notify);
    let first = stage.begin("daily", &DAY);
    stage.ended(&first);
    let failed = &chat.until(1, |_| true)[0];
    assert_eq!(failed.method, "POST");
    assert_eq!(failed.path, format!("/{TOKEN}"));
    assert_eq!(failed.headers["content-type"], "application/json");
    let said = text(&failed.json()["text"]);
    for word in ["daily", "failed", &format!("aptiqd show {first}")] {
        assert!(said.contains(word), "{said}");
    }
    let second = stage.begin("daily", &DAY);
    stage.ended(&second);
    stage.control(Method::POST, "/faults", "");
    stage.lands("daily", &DAY);
    let all = chat.until(2, |_| true);
    assert!(
        text(&all[1].json()["text"]).contains("recovered"),
        "{all:?}"
    );
    stop(&stage);
    assert_eq!(chat.all().len(), 2, "the second failure was the same state");
}

fn signature(id: &str, at: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key");
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
fn a_webhook_is_signed_and_tried_again_under_the_same_id() {
    assert_eq!(STANDARD.encode(KEY), SECRET[6..]);
    let (stage, hook) = with_webhook(Setup::default(), &[ALL]);
    hook.be(Mood::AtFirst(500, 2));
    let shown = stage.lands("daily", &DAY);
    let run = text(&shown["run"]["id"]);
    let tries = hook.until(3, |_| true);
    for got in &tries {
        let header = |name: &str| got.headers[name].as_str();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        assert_eq!(id, tries[0].headers["webhook-id"]);
        assert_eq!(header("webhook-signature"), signature(id, at, &got.body));
        assert_eq!(got.body, tries[0].body);
        let document = got.json();
        assert_eq!(document["type"], "landed");
        assert_eq!(document["schedule"], "daily");
        assert_eq!(document["run"], json!(run));
        assert_eq!(document["data"]["rows"], shown["run"]["rows"]);
        let path = &list(&document["data"]["files"])[0]["path"];
        assert_eq!(*path, list(&shown["files"])[0]["path"], "what a load needs");
    }
    stage.recorded(&run, "notice_delivered", 1);
    let metrics = stage.admin(Method::GET, "/metrics").text();
    for sample in [
        "aptiqd_notices_total{notifier=\"ops\",outcome=\"delivered\"} 1",
        "aptiqd_notices_total{notifier=\"ops\",outcome=\"retried\"} 2",
        "aptiqd_notifier_failing{notifier=\"ops\"} 0",
    ] {
        assert!(
            metrics.lines().any(|line| line == sample),
            "{sample}: {metrics}"
        );
    }
    stop(&stage);
    let log = stage.log();
    assert_eq!(
        log.matches("notices do not get through").count(),
        1,
        "said once"
    );
    assert_eq!(log.matches("notices get through again").count(), 1);
}

#[test]
fn a_beat_hears_of_starts_successes_and_failures() {
    let setup = Setup::faults("forbidden");
    let (stage, beat) = with("\"ping\"", setup, "{ all = [\"ops\"] }");
    for _ in 0..2 {
        let run = stage.begin("daily", &DAY);
        stage.ended(&run);
    }
    stage.control(Method::POST, "/faults", "");
    stage.lands("daily", &DAY);
    let paths: Vec<String> = beat
        .until(6, |_| true)
        .into_iter()
        .map(|got| got.path)
        .collect();
    let expected = ["/start", "/fail", "/start", "/fail", "/start", ""];
    assert_eq!(paths, expected.map(|signal| format!("/{TOKEN}{signal}")));
    stop(&stage);
}

#[test]
fn a_program_gets_the_notice_on_its_standard_input_and_little_else() {
    let script = r#"["/bin/sh", "-c", "env > said.env; cat > said.json; exit 0", "x"]"#;
    let setup = Setup::default()
        .with("notify.ops.kind", "\"exec\"")
        .with("notify.ops.command", script);
    let stage = Stage::running(setup, &[ALL]);
    let shown = stage.lands("daily", &DAY);
    let run = text(&shown["run"]["id"]);
    stage.recorded(&run, "notice_delivered", 1);
    let document = std::fs::read_to_string(stage.path("said.json")).expect("it was written");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(document["type"], "landed");
    assert_eq!(document["run"], json!(run));
    let environment = std::fs::read_to_string(stage.path("said.env")).expect("it was written");
    assert!(environment.contains("PATH="), "{environment}");
    for hidden in ["APTIQD", "NOTIFY_SOCKET"] {
        assert!(!environment.contains(hidden), "{environment}");
    }
    stage.stop();
}

#[test]
fn a_program_that_hangs_holds_nothing_up_and_ends_with_the_daemon() {
    let script = r#"["/bin/sh", "-c", "echo $$ > pid.new; mv pid.new pid; sleep 600; :"]"#;
    let setup = Setup::default()
        .with("notify.ops.kind", "\"exec\"")
        .with("notify.ops.command", script);
    let stage = Stage::running(setup, &[ALL]);
    stage.lands("daily", &DAY);
    let begun = std::time::Instant::now();
    let pid = loop {
        match std::fs::read_to_string(stage.path("pid")) {
            Ok(pid) => break pid.trim().to_owned(),
            Err(_) if begun.elapsed() < crate::stage::PATIENCE => std::thread::yield_now(),
            Err(error) => panic!("it never ran: {error}\n{}", stage.log()),
        }
    };
    stage.lands("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    stage.stop();
    assert!(
        !Path::new("/proc").join(pid).exists(),
        "it outlived the daemon"
    );
}

/// A reload takes receivers up, changes and drops them; a receiver and the schedule that names it come together.
#[test]
fn receivers_come_change_and_go_with_a_reload() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    stage.start();
    let plain = std::fs::read_to_string(stage.path("aptiqd.toml")).expect("a configuration");
    let (first, second) = (
        Receiver::new(Mood::Answer(200)),
        Receiver::new(Mood::Answer(200)),
    );
    first.write(&stage, "first.url");
    second.write(&stage, "second.url");
    let sent_to = |file: &str| {
        let ops = format!("[notify.ops]\nkind = \"slack\"\nurl_file = \"{file}\"\n");
        stage.write("aptiqd.toml", &format!("{plain}{ops}"));
    };
    // A notifier that nobody knows is refused with the schedule that names it.
    stage.schedule("daily", &[ALL]);
    stage.verb(&["reload"]).exits(78);
    sent_to("first.url");
    let taken = stage.verb(&["reload"]).exits(0).json();
    assert_eq!(taken["changed"], json!(["daily"]));
    assert_eq!(
        taken["notifiers"],
        json!({"added": ["ops"], "changed": [], "removed": []})
    );
    stage.happens("configuration_reloaded");
    stage.lands("daily", &DAY);
    first.until(1, |_| true);
    sent_to("second.url");
    let said = stage.plain(&["reload"]).exits(0).stdout;
    assert_eq!(said, "changed  notify.ops\n");
    stage.lands("daily", &["--from", "2026-11-02", "--to", "2026-11-02"]);
    second.until(1, |_| true);
    stage.schedule("daily", &[]);
    stage.write("aptiqd.toml", &plain);
    let taken = stage.verb(&["reload"]).exits(0).json();
    assert_eq!(taken["notifiers"]["removed"], json!(["ops"]));
    let told = (first.all().len(), second.all().len());
    stage.lands("daily", &["--from", "2026-11-03", "--to", "2026-11-03"]);
    stop(&stage);
    assert_eq!(
        (told, first.all().len(), second.all().len()),
        ((1, 1), 1, 1)
    );
}
