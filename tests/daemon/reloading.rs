//! What a reload takes up beside schedules, what it refuses, and what it says must wait for the next start.

use crate::stage::{DAY, Key, Setup, Stage, list, text};
use aptiqd::apartmentiq::CallbackKeys;
use reqwest::Method;
use serde_json::{Value, json};

const OLD: &str = "11111111111111111111111111111111111111111111111111111111111111aa";
const NEW: &str = "22222222222222222222222222222222222222222222222222222222222222bb";

fn with_key_file() -> Stage {
    let setup = Setup::faults("hold").with("callback.key_file", "\"keys\"");
    let stage = Stage::set(setup);
    stage.write_secret("keys", OLD);
    stage.schedule("daily", &[]);
    stage.start();
    stage
}

fn address_of(stage: &Stage, job: usize) -> String {
    text(&stage.state()["jobs"][job]["callback_url"])
}

fn knock(stage: &Stage, address: &str) -> u16 {
    stage.send(stage.request(Method::POST, address)).status
}

#[test]
fn keys_are_read_again_the_newest_signs_and_all_verify() {
    let stage = with_key_file();
    let first = stage.begin("daily", &DAY);
    stage.until("a job", |state| state["creates"] == json!(1));
    let unchanged = stage.verb(&["reload"]).exits(0).json();
    assert_eq!(unchanged["callback_keys"], json!(false), "{unchanged}");

    stage.write_secret("keys", &format!("{NEW}\n{OLD}\n"));
    let dry = stage.verb(&["reload", "--dry-run"]).exits(0).json();
    assert_eq!(dry["callback_keys"], json!(true), "{dry}");
    let told = stage.plain(&["reload"]).exits(0).stdout;
    assert!(told.contains("callback keys"), "{told}");

    let day = ["--from", "2026-10-01", "--to", "2026-10-01"];
    stage.verb(&["cancel", &first]).exits(0);
    let second = stage.begin("daily", &day);
    stage.until("a second job", |state| state["creates"] == json!(2));
    let new = CallbackKeys::parse(NEW).expect("a key");
    let jobs = stage.state();
    let signed = list(&jobs["jobs"]).iter().filter(|job| {
        let address = text(&job["callback_url"]);
        new.verify_url(&address).is_some()
    });
    assert_eq!(signed.count(), 1, "the newest key signs what comes");
    for job in 0..2 {
        assert_eq!(knock(&stage, &address_of(&stage, job)), 202, "{job}");
    }
    // Without the old key its addresses are anybody's.
    let old = CallbackKeys::parse(OLD).expect("a key");
    let of_old = (0..2).map(|job| address_of(&stage, job));
    let of_old = of_old.filter(|address| old.verify_url(address).is_some());
    let [of_old] = &of_old.collect::<Vec<_>>()[..] else {
        panic!("one job has an address of the old key")
    };
    stage.write_secret("keys", NEW);
    stage.verb(&["reload"]).exits(0);
    assert_eq!(knock(&stage, of_old), 404);
    stage.control(Method::POST, "/release", "");
    stage.ended(&second);
    stage.stop();
}

#[test]
fn a_broken_key_file_refuses_the_reload_and_changes_nothing() {
    // The one in the state folder is no key of the configuration: it is read by the reload alone.
    for file in ["keys", "state/callback.key"] {
        let stage = match file {
            "keys" => with_key_file(),
            _ => Stage::running(Setup::faults("hold"), &[]),
        };
        stage.begin("daily", &DAY);
        stage.until("a job", |state| state["creates"] == json!(1));
        let kept = std::fs::read_to_string(stage.path(file)).expect("a key file");
        let edits: [&dyn Fn(); 2] = [&|| stage.write_secret(file, "no key at all\n"), &|| {
            std::fs::remove_file(stage.path(file)).expect("it goes")
        }];
        for edit in edits {
            edit();
            stage.schedule("other", &[]);
            let refused = stage.verb(&["reload"]).exits(78);
            assert_eq!(refused.error()["code"], "config");
            assert!(!refused.stderr.contains("no key at all"));
            stage.verb(&["trigger", "other"]).exits(4);
            assert_eq!(knock(&stage, &address_of(&stage, 0)), 202);
        }
        stage.write_secret(file, &kept);
        let taken = stage.verb(&["reload"]).exits(0).json();
        assert_eq!(
            (&taken["added"], &taken["callback_keys"]),
            (&json!(["other"]), &json!(false))
        );
        stage.stop();
    }
}

#[test]
fn what_cannot_change_while_it_runs_is_named_until_the_next_start() {
    let stage = Stage::running(Setup::default(), &[]);
    let file = stage.path("aptiqd.toml");
    let before = std::fs::read_to_string(&file).expect("a configuration");
    let named = |answer: Value| -> Vec<String> {
        let keys = list(&answer["needs_restart"]).iter();
        keys.map(text).collect()
    };
    let reload = || stage.verb(&["reload"]).exits(0).json();
    assert_eq!(named(reload()), Vec::<String>::new());
    let listen = format!("listen = \"127.0.0.1:{}\"", stage.callback_port);
    let elsewhere = format!("listen = \"127.0.0.1:{}\"", crate::stage::free_port());
    let after = before.replace(&listen, &elsewhere);
    stage.write(
        "aptiqd.toml",
        &format!("{after}[state]\npath = \"elsewhere\"\n"),
    );
    let said = stage.plain(&["reload", "--dry-run"]).exits(0).stdout;
    assert!(
        said.contains("callback.listen, state.path"),
        "nobody is told: {said}"
    );
    // The socket is in the state folder unless it is placed elsewhere.
    let expected = ["admin.socket", "callback.listen", "state.path"];
    for _ in 0..2 {
        assert_eq!(named(reload()), expected);
    }
    // It goes on as it was started.
    stage.lands("daily", &DAY);
    assert!(!stage.path("elsewhere").exists());
    stage.write("aptiqd.toml", &before);
    assert_eq!(named(reload()), Vec::<String>::new());
    stage.stop();
}

const NEWCOMER: &[Key] = &[
    ("properties", "{ file = \"../list.csv\" }"),
    ("partition", "\"date\""),
    ("backfill_new", "\"10d\""),
];

/// Yesterday in the schedule's zone and the days before it, oldest first.
fn days() -> Vec<String> {
    let now = aptiqd::clock::now().with_timezone(&chrono_tz::America::Chicago);
    let today = now.date_naive();
    let days = (1..=4).rev();
    days.map(|ago| (today - chrono::Days::new(ago)).to_string())
        .collect()
}

/// Rows of a landed day, by property.
fn rows(stage: &Stage, day: &str) -> Vec<String> {
    let path = stage.exports(&format!("data/daily/date={day}/daily.csv"));
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut rows: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    rows.sort();
    rows
}

#[test]
fn a_property_new_in_the_file_gets_its_history_once_and_nobody_elses_rows_change() {
    let stage = Stage::set(Setup::default());
    stage.write("list.csv", "id\n99001416\n99001470\n");
    stage.schedule("daily", NEWCOMER);
    stage.start();
    let days = days();
    stage.lands("daily", &["--from", &days[0], "--to", &days[3]]);
    let before: Vec<Vec<String>> = days.iter().map(|day| rows(&stage, day)).collect();
    assert!(before.iter().all(|rows| rows.len() == 2), "{before:?}");

    stage.write("list.csv", "id\n99001416\n99001470\n99001471\n");
    stage.verb(&["reload"]).exits(0);
    stage.happens("backfill_new");
    let backfills = || {
        let runs = stage.verb(&["runs"]).exits(0).json();
        let runs = list(&runs["runs"]).iter();
        let backfills = runs.filter(|run| run["trigger"] == "backfill");
        backfills.map(|run| text(&run["id"])).collect::<Vec<_>>()
    };
    for run in backfills() {
        let shown = stage.ended(&run);
        assert_eq!(shown["run"]["state"], "landed", "{shown:#}");
        assert_eq!(shown["parts"][0]["property_ids"], json!([99001471]));
        let told = list(&shown["events"]).iter();
        let mut told = told.map(|event| text(&event["event"]));
        assert!(told.any(|event| event == "backfill_new"), "{shown:#}");
    }
    let made = backfills();
    assert!(!made.is_empty());
    for (day, before) in days.iter().zip(&before) {
        let after = rows(&stage, day);
        assert_eq!(after.len(), 3, "{day}: {after:?}");
        let kept = before.iter().all(|row| after.contains(row));
        assert!(kept, "{day}: {before:?} {after:?}");
        let new: Vec<&String> = after.iter().filter(|row| !before.contains(row)).collect();
        assert!(new.len() == 1 && new[0].contains("99001471"), "{new:?}");
    }
    let why = stage
        .verb(&["why", "daily", "99001471", &days[2]])
        .exits(0)
        .json();
    assert_eq!(why["run"]["trigger"], "backfill", "{why:#}");

    // Neither a restart nor a reload asks again.
    stage.kill();
    stage.start();
    stage.verb(&["reload"]).exits(0);
    assert_eq!(backfills(), made);
    let asked = stage.verb(&["events"]).exits(0).stdout;
    assert_eq!(
        asked.matches("\"by\":\"backfill_new\"").count(),
        1,
        "{asked}"
    );
    stage.plain(&["verify"]).exits(0);
    stage.stop();
}
