//! `coverage`, `freshness` and `properties`.

use crate::stage::{Setup, Stage, fields, list};
use crate::{DAYS, IDS, backfill, coverage};
use reqwest::Method;
use serde_json::json;

#[test]
fn cells_are_counted_by_what_is_in_the_files() {
    let stage = Stage::running(Setup::default(), &[]);
    let before = coverage(&stage, 3);
    assert_eq!(
        fields(&before),
        ["cells", "from", "missing", "schedule", "schema", "to"]
    );
    assert_eq!(before["schema"], json!("aptiqd.coverage/1"));
    assert_eq!(before["cells"]["missing"], json!(15), "never asked for");
    stage.lands("daily", &["--from", "2026-11-01", "--to", "2026-11-02"]);
    let cells = |landed: u64, missing: u64| json!({"landed": landed, "empty": 0, "missing": missing, "failed": 0, "excluded": 0, "not_due": 0});
    let after = coverage(&stage, 3);
    assert_eq!(after["cells"], cells(6, 9));
    let spans: Vec<_> = IDS
        .iter()
        .map(|id| json!({"property": id, "from": "2026-11-03", "to": "2026-11-05"}))
        .collect();
    assert_eq!(after["missing"], json!(spans));
    let whole = stage.verb(&["coverage", "daily"]).exits(0).json();
    assert_eq!(whole["cells"], cells(6, 0));
    assert_eq!(
        (&whole["from"], &whole["to"]),
        (&json!("2026-11-01"), &json!("2026-11-02"))
    );
    let told = stage.plain(&[
        "coverage",
        "daily",
        "--from",
        "2026-11-01",
        "--to",
        "2026-11-05",
    ]);
    assert!(
        told.stdout.contains("99001416") && told.stdout.contains("··███"),
        "{}",
        told.stdout
    );
    let help = "aptiqd backfill daily --from 2026-11-03 --to 2026-11-05";
    assert!(told.exits(3).stderr.contains(help));
    stage.verb(&["coverage", "nobody"]).exits(4);
    let far = [
        "coverage",
        "daily",
        "--from",
        "2999-01-01",
        "--to",
        "2999-01-02",
    ];
    assert_eq!(
        stage.verb(&far).exits(0).json()["cells"]["not_due"],
        json!(6)
    );
    let over_http = stage.admin(
        Method::GET,
        "/api/v1/coverage/daily?from=2026-11-01&to=2026-11-05",
    );
    assert_eq!(over_http.json(), after);
    stage.stop();
}

#[test]
fn the_ledger_outlives_a_kill() {
    let stage = Stage::running(Setup::faults("missing-properties=1"), &[]);
    stage.trigger("daily", &DAYS).exits(3);
    let before = coverage(&stage, 3);
    assert_eq!(before["cells"]["landed"], json!(10));
    assert_eq!(before["cells"]["missing"], json!(5));
    stage.kill();
    stage.start();
    assert_eq!(coverage(&stage, 3), before);
    stage.stop();
}

#[test]
fn zero_rows_are_empty_cells_and_filled_by_all() {
    let stage = Stage::running(Setup::faults("zero-rows=1"), &[]);
    stage.trigger("daily", &DAYS).exits(3);
    let seen = coverage(&stage, 0);
    assert_eq!(seen["cells"]["empty"], json!(15), "{seen}");
    assert_eq!(backfill(&stage, &[], 0)["runs"], json!([]));
    backfill(&stage, &["--only", "all", "--wait"], 0);
    assert_eq!(coverage(&stage, 0)["cells"]["landed"], json!(15));
    stage.stop();
}

#[test]
fn an_excluded_property_is_left_out_until_it_is_included() {
    let stage = Stage::running(Setup::default(), &[]);
    let words = ["properties", "exclude", "99001470", "--reason", "sold"];
    let dry: Vec<&str> = words.into_iter().chain(["--dry-run"]).collect();
    stage.verb(&dry).exits(0);
    let excluded = stage.verb(&words).exits(0).json();
    assert_eq!(
        excluded["properties"][0]["excluded"]["reason"],
        json!("sold")
    );
    stage.verb(&words).exits(5);
    stage.kill();
    stage.start();
    let shown = stage.lands("daily", &DAYS);
    assert_eq!(shown["parts"][0]["property_ids"], json!([IDS[0], IDS[2]]));
    let seen = coverage(&stage, 0);
    assert_eq!(seen["cells"]["excluded"], json!(5));
    assert_eq!(seen["cells"]["landed"], json!(10));
    let all = stage.verb(&["properties", "list"]).exits(0).json();
    assert_eq!(list(&all["properties"]).len(), 3);
    let back = [
        "properties",
        "include",
        "99001470",
        "--reason",
        "bought back",
    ];
    stage.verb(&back).exits(0);
    stage.verb(&["properties", "include", "99001470"]).exits(5);
    backfill(&stage, &["--wait"], 0);
    assert_eq!(coverage(&stage, 0)["cells"]["landed"], json!(15));
    stage.stop();
}

#[test]
fn freshness_tells_what_is_too_old() {
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    let young = "{ warn_after = \"26h\", error_after = \"36h\" }";
    stage.schedule("young", &[("freshness", young)]);
    let old = "{ warn_after = \"1s\", error_after = \"1s\" }";
    stage.schedule("old", &[("freshness", old)]);
    stage.start();
    stage.lands("young", &crate::stage::DAY);
    let first = stage.verb(&["freshness"]).json();
    assert_eq!(list(&first["schedules"]).len(), 3, "{first}");
    let unset = &list(&first["schedules"])[2];
    assert_eq!(
        (&unset["schedule"], &unset["level"]),
        (&json!("daily"), &json!("unset")),
        "told, not judged"
    );
    assert!(
        unset["age_seconds"].is_u64() && unset["warn_after_seconds"].is_null(),
        "{unset}"
    );
    // Lateness is a matter of the clock alone: it is asked until the second is over.
    let mut answer = stage.verb(&["freshness"]);
    let begun = std::time::Instant::now();
    while answer.code == 0 && begun.elapsed() < crate::stage::PATIENCE {
        answer = stage.verb(&["freshness"]);
    }
    assert_eq!(answer.error()["code"], json!("incomplete"));
    let told = answer.exits(3).json();
    assert_eq!(told["schema"], json!("aptiqd.freshness/1"));
    assert_eq!(
        told["schedules"][0]["schedule"],
        json!("old"),
        "worst first"
    );
    assert_eq!(told["schedules"][0]["level"], json!("error"));
    assert_eq!(told["schedules"][1]["level"], json!("ok"));
    assert_eq!(told["schedules"][2]["level"], json!("unset"));
    stage.stop();
}
