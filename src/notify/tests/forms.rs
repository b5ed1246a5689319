//! How it is kept and in which form it goes out.

use super::super::condition::Subject;
use super::super::heard::{Fact, Said, said};
use super::super::memory::{Memory, PENDING_MAX, Pending, changes};
use super::super::notice::{Kind, Level, Notice};
use super::super::{ping, slack, webhook};
use super::{World, a_run, at};
use crate::run::{RunState, Trigger};
use crate::schedule::Name;
use crate::store::{Entry, StoredEvent};
use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

#[test]
fn a_notice_fits_into_a_record_whatever_the_vendor_says() {
    let mut world = World::new(&[("all", &["ops"])]);
    let mut run = a_run(RunState::Landed, Trigger::Cron);
    run.reason = Some("ü".repeat(100_000));
    world.hear(Fact::Ended { run: Box::new(run) });
    world.ends(RunState::Failed);
    if let Some(ended) = &mut world.mark.last_ended {
        ended.reason = Some("ü".repeat(100_000));
    }
    for pending in world.look() {
        assert!(json!(pending).to_string().len() < 60 * 1024);
    }
}

#[test]
fn the_memory_is_bounded_and_settles() {
    let mut memory = Memory::default();
    for number in 0..PENDING_MAX + 2 {
        let mut notice = a_notice(Kind::Failed);
        notice.id = format!("notice_{number:04}");
        notice.at += TimeDelta::seconds(i64::try_from(number).expect("small"));
        let to = ["ops".to_owned(), "load".to_owned()].into();
        memory
            .pending
            .insert(notice.id.clone(), Pending { notice, to });
    }
    let lost = memory.overflow();
    let lost: Vec<&str> = lost.iter().map(|lost| lost.notice.id.as_str()).collect();
    assert_eq!(lost, ["notice_0000", "notice_0001"]);
    let before = memory.records();
    memory.settle("notice_0002", "ops");
    assert!(memory.pending.contains_key("notice_0002"));
    memory.settle("notice_0002", "load");
    let changed = changes(&before, &memory.records());
    assert_eq!(changed, [("pending/notice_0002".to_owned(), None)]);
}

#[test]
fn subjects_keep_their_keys() {
    let name = Name::parse("daily").expect("a name");
    for subject in [
        Subject::Runs(name.clone()),
        Subject::Age(name),
        Subject::Credential,
        Subject::Quota,
        Subject::Callbacks,
        Subject::Reload,
        Subject::Disk,
    ] {
        assert_eq!(Subject::parse(&subject.key()), Some(subject));
    }
    assert_eq!(Subject::parse("else"), None);
    assert_eq!(Subject::parse("runs/No Name"), None);
}

#[test]
fn the_journal_says_what_matters() {
    let event = |body: Value| StoredEvent {
        sequence: 1,
        at: at("2026-11-22T12:00:00Z"),
        entry: Entry {
            schedule: Some("daily".to_owned()),
            run: Some("daily.m20261122T120000000Z".to_owned()),
            body,
        },
    };
    for turn in ["callbacks_silent", "callbacks_back"] {
        assert_eq!(said(&event(json!({"event": turn}))), Some(Said::Callbacks));
    }
    for quiet in ["callback_heard", "job_checked"] {
        assert_eq!(said(&event(json!({"event": quiet}))), None);
    }
    assert!(matches!(
        said(&event(json!({"event": "run_ended"}))),
        Some(Said::Ended(_))
    ));
    assert!(matches!(
        said(&event(json!({"event": "run_started"}))),
        Some(Said::Started(..))
    ));
    assert_eq!(said(&event(json!({"event": "notice"}))), None);
    assert_eq!(said(&event(json!({}))), None);
}

fn a_notice(kind: Kind) -> Notice {
    Notice {
        id: "notice_1".to_owned(),
        kind,
        level: Level::Error,
        at: at("2026-11-22T12:00:00Z"),
        schedule: None,
        run: None,
        text: "a <b> & c".to_owned(),
        help: Some("aptiqd check".to_owned()),
        repeat: 0,
        data: json!({}),
    }
}

#[test]
fn a_chat_reads_text_and_no_markup_of_the_vendors() {
    assert_eq!(
        slack::body(&a_notice(Kind::Failed)),
        json!({"text": ":red_circle: a &lt;b&gt; &amp; c\n`aptiqd check`"})
    );
}

#[test]
fn a_document_names_its_type_time_and_data() {
    let document = a_notice(Kind::CredentialExpiring).document();
    assert_eq!(document["type"], "credential_expiring");
    assert_eq!(document["timestamp"], "2026-11-22T12:00:00.000Z");
    assert_eq!(document["schema"], "aptiqd.notice/1");
    assert!(document["data"].is_object());
}

/// The example of the specification's reference verifier.
#[test]
fn a_signature_is_that_of_standard_webhooks() {
    let secret = SecretString::from("whsec_plJ3nmyCDGBKInavdOK15jsl");
    let body = r#"{"event_type":"ping","data":{"success":true}}"#;
    let signed = webhook::signature(&secret, "msg_loFOjxBNrRLzqYUf", 1_731_705_121, body);
    assert_eq!(
        signed.expect("a signature"),
        "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
    );
    let broken = SecretString::from("whsec_***");
    let fault = webhook::signature(&broken, "a", 1, body).expect_err("no base64");
    assert!(!fault.to_string().contains("***"), "{fault}");
}

#[test]
fn a_beat_goes_to_the_address_of_its_signal() {
    for (kind, end) in [
        (Kind::Started, "/ping/uuid/start?x=1"),
        (Kind::Landed, "/ping/uuid?x=1"),
        (Kind::Recovered, "/ping/uuid?x=1"),
        (Kind::Failed, "/ping/uuid/fail?x=1"),
        (Kind::Late, "/ping/uuid/fail?x=1"),
    ] {
        let url = Url::parse("https://hc.example/ping/uuid?x=1").expect("a URL");
        let address = ping::address(&url, kind);
        assert_eq!(address.as_str(), format!("https://hc.example{end}"));
    }
    let url = Url::parse("https://hc.example/ping/uuid/").expect("a URL");
    assert_eq!(
        ping::address(&url, Kind::Failed).as_str(),
        "https://hc.example/ping/uuid/fail"
    );
}

#[test]
fn words_of_kinds_are_the_same_everywhere() {
    let all = [
        Kind::Started,
        Kind::Landed,
        Kind::FreshAgain,
        Kind::SchemaChanged,
        Kind::CallbacksSilent,
    ];
    for kind in all {
        assert_eq!(json!(kind), json!(kind.as_str()));
    }
}
