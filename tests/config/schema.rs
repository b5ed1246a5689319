//! The schemas know what the program knows: each accepts every example, and each key the one has, the other has.

use aptiqd::config::{CONFIG_SCHEMA, SCHEDULE_SCHEMA, check, init_files};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn json_of(toml: &str) -> Value {
    let table: toml::Table = toml::from_str(toml).unwrap();
    serde_json::to_value(table).unwrap()
}

fn complaints(schema: &Value, toml: &str) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator
        .iter_errors(&json_of(toml))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn every_example_validates() {
    let schema = schema(SCHEDULE_SCHEMA);
    for entry in std::fs::read_dir(root().join("schedules")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(
                complaints(&schema, &text),
                Vec::<String>::new(),
                "{}",
                path.display()
            );
        }
    }
}

/// Faults that lie between keys, in other files or in what a cron or a zone means are beyond a schema.
const BEYOND_A_SCHEMA: &[&str] = &[
    "Bad-Name",
    "backfill-new-fixed-window",
    "backfill-new-long",
    "backfill-new-part-of-a-day",
    "backfill-new-within-window",
    "bad-zone",
    "bad-zone-abbreviation",
    "bad-zone-unlike",
    "check-range-order",
    "columns-same",
    "contradiction-all-cancel",
    "contradiction-all-skip",
    "key-column",
    "file-bad-id",
    "file-column-absent",
    "file-duplicate-id",
    "file-empty",
    "file-missing",
    "file-name-column-absent",
    "freshness-order",
    "notifier-unknown",
    "retry-first-over-max",
    "retry-over-deadline",
    "too-many-parts",
    "window-backwards",
    "window-dates-backwards",
    "window-mixed",
    "window-no-such-day",
    "window-too-long",
];

/// An editor that knows the schema marks whatever a schema can know to be wrong.
#[test]
fn the_schema_rejects_what_it_can_of_the_broken_files() {
    let schema = schema(SCHEDULE_SCHEMA);
    let (mut rejected, mut accepted) = (0, Vec::new());
    for entry in std::fs::read_dir(root().join("tests/config/broken/schedules")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let is_toml = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        // What is no TOML never reaches a schema; a cron is read by the program alone.
        if !is_toml || name.starts_with("cron-") || text.parse::<toml::Table>().is_err() {
            continue;
        }
        match complaints(&schema, &text).is_empty() {
            true => accepted.push(name),
            false => rejected += 1,
        }
    }
    accepted.retain(|name| !BEYOND_A_SCHEMA.contains(&name.as_str()));
    assert_eq!(
        accepted,
        Vec::<String>::new(),
        "of {rejected} that are rejected"
    );
    assert!(rejected >= 30, "{rejected}");
}

#[test]
fn what_init_writes_validates_and_checks_but_for_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in init_files() {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
    assert_eq!(
        complaints(&schema(CONFIG_SCHEMA), &read("aptiqd.toml")),
        Vec::<String>::new()
    );
    assert_eq!(
        complaints(
            &schema(SCHEDULE_SCHEMA),
            &read("schedules/portfolio-daily.toml")
        ),
        Vec::<String>::new()
    );
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let checked = || check(&[folder.path().to_owned()], std::iter::empty(), now);
    let faults: Vec<&str> = checked().faults.iter().map(|fault| fault.code).collect();
    assert_eq!(faults, ["missing-file"]);
    let token = folder.path().join("secrets/token");
    std::fs::create_dir(token.parent().unwrap()).unwrap();
    std::fs::write(&token, "token\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mended = checked();
    assert_eq!((mended.faults, mended.warnings), (vec![], vec![]));
    assert_eq!(mended.schedules.len(), 1);
}

/// What a template shows as commented out is right too, once it is not.
#[test]
fn the_defaults_that_init_shows_are_accepted() {
    for (path, text) in init_files() {
        let schema = match path {
            "schedules/portfolio-daily.toml" => schema(SCHEDULE_SCHEMA),
            _ => continue,
        };
        let shown: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| {
                line.split_once(" = ")
                    .is_some_and(|(key, _)| !key.trim().contains(' '))
            })
            .filter(|line| !line.starts_with("properties") && !line.starts_with("min_"))
            .collect();
        assert!(shown.len() >= 6, "{shown:?}");
        let bare = text.split("[checks]").next().unwrap();
        assert_eq!(
            complaints(&schema, &format!("{bare}{}\n", shown.join("\n"))),
            Vec::<String>::new()
        );
    }
}

/// Dotted names of all keys a schema allows.
fn keys(node: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    for (name, inner) in node["properties"].as_object().into_iter().flatten() {
        found.insert(format!("{prefix}{name}"));
        keys(inner, &format!("{prefix}{name}."), found);
    }
    for inner in node["oneOf"].as_array().into_iter().flatten() {
        keys(inner, prefix, found);
    }
    if node["additionalProperties"].is_object()
        && node["additionalProperties"]["properties"].is_object()
    {
        keys(&node["additionalProperties"], &format!("{prefix}*."), found);
    }
}

/// The keys that the program itself lists when it refuses one in `section`.
fn known(
    file: &Path,
    text: &str,
    env_free_load: impl Fn(&Path) -> Vec<aptiqd::config::Fault>,
) -> Vec<String> {
    std::fs::write(file, text).unwrap();
    let faults = env_free_load(file);
    let help = faults
        .iter()
        .find(|fault| fault.message.contains("zzzzzz"))
        .map(|fault| fault.help.clone());
    let help = help.unwrap_or_else(|| panic!("{text}\n{faults:?}"));
    help.strip_prefix("known here: ")
        .unwrap()
        .split(", ")
        .map(str::to_owned)
        .collect()
}

fn faults_of(path: &Path) -> Vec<aptiqd::config::Fault> {
    check(
        &[path.to_owned()],
        std::iter::empty(),
        "2026-11-23T12:00:00Z".parse().unwrap(),
    )
    .faults
}

#[test]
fn schedule_schema_and_program_know_the_same_keys() {
    let schema = schema(SCHEDULE_SCHEMA);
    let mut expected = BTreeSet::new();
    keys(&schema, "", &mut expected);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.toml");
    let mut found = BTreeSet::new();
    let mut take = |prefix: &str, text: &str| {
        let keys = known(&file, text, faults_of);
        found.extend(keys.into_iter().map(|key| format!("{prefix}{key}")));
    };
    take("", "zzzzzz = 1");
    for section in [
        "chunk",
        "catch_up",
        "retry",
        "columns",
        "checks",
        "freshness",
        "notify",
        "window",
    ] {
        take(
            &format!("{section}."),
            &format!("{section} = {{ zzzzzz = 1 }}"),
        );
    }
    take("properties.", "properties = { zzzzzz = 1 }");
    assert_eq!(found, expected);
}

#[test]
fn config_schema_and_program_know_the_same_keys() {
    let schema = schema(CONFIG_SCHEMA);
    let mut expected = BTreeSet::new();
    keys(&schema, "", &mut expected);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aptiqd.toml");
    let mut found = BTreeSet::new();
    let mut take = |prefix: &str, text: &str| {
        let keys = known(&file, text, faults_of);
        found.extend(keys.into_iter().map(|key| format!("{prefix}{key}")));
    };
    take("", "zzzzzz = 1");
    for section in ["api", "callback", "admin", "state", "landing", "download"] {
        take(
            &format!("{section}."),
            &format!("{section} = {{ zzzzzz = 1 }}"),
        );
    }
    take("notify.*.", "notify = { a = { zzzzzz = 1 } }");
    assert_eq!(found, expected);
}

/// What an editor lets pass and the program refuses: values one by one, with those that a schema cannot know.
#[test]
fn schema_and_program_agree_about_values() {
    let schema = schema(SCHEDULE_SCHEMA);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.toml");
    let durations = [
        "\"0s\"",
        "\"1s\"",
        "\"999ms\"",
        "\"1500ms\"",
        "\"1m 30s\"",
        "\"48h\"",
        "\"3650d\"",
        "\"3651d\"",
        "\"11y\"",
        "\"1M\"",
        "\"2months\"",
        "\"1h1h\"",
        "\"\"",
        "\"5\"",
        "\"-5s\"",
        "\"1.5h\"",
        "5",
        "\" 5s\"",
        "\"5s \"",
        "\"5 s\"",
        "\"0h\"",
        "\"1d0h\"",
        "\"5S\"",
        "\"1000000us\"",
        "\"1w\"",
        "\"1 week\"",
    ];
    let lists = [
        "[]",
        "[\"a\"]",
        "\"a\"",
        "\"\"",
        "[\"\"]",
        "[\"a\", \"a\"]",
        "[1]",
        "1",
    ];
    let shares = ["0", "1", "0.5", "1.5", "-0.1", "\"1\"", "nan", "inf", "98"];
    let counts = [
        "0", "1", "31", "10000", "10001", "100", "101", "3660", "3661", "1.0", "\"1\"", "-1",
    ];
    let mut cases: Vec<(&str, &str)> = Vec::new();
    for key in [
        "jitter",
        "deadline",
        "catch_up.max_age",
        "retry.first",
        "retry.max",
        "backfill_new",
    ] {
        cases.extend(durations.map(|value| (key, value)));
    }
    for key in ["checks.unique", "notify.all", "cron"] {
        cases.extend(lists.map(|value| (key, value)));
    }
    for key in [
        "checks.min_property_coverage",
        "checks.min_rows_vs_median",
        "checks.max_null_rate.a",
    ] {
        cases.extend(shares.map(|value| (key, value)));
    }
    for key in [
        "chunk.properties",
        "chunk.days",
        "catch_up.max_runs",
        "retry.attempts",
    ] {
        cases.extend(counts.map(|value| (key, value)));
    }
    cases.extend(
        [
            "[0, 1]",
            "[1, 0]",
            "[0]",
            "[0, 1, 2]",
            "[1, 1]",
            "1",
            "[nan, 1]",
            "[\"a\", 1]",
        ]
        .map(|v| ("checks.range.a", v)),
    );
    cases.extend(
        [
            "\"last_1_days\"",
            "\"last_1_day\"",
            "\"last_0_days\"",
            "\"last_01_days\"",
            "\"last_3660_days\"",
            "\"last_3661_days\"",
            "\"last_99999999999_days\"",
            "\"today\"",
            "\"Yesterday\"",
            "{ from = \"-3d\", to = \"0d\" }",
            "{ from = \"-3d\", to = \"1d\" }",
            "{ from = \"-3d\", to = \"+1d\" }",
            "{ from = \"-03d\", to = \"-1d\" }",
            "{ from = \"-9999d\", to = \"-1d\" }",
            "{ from = \"-3\", to = \"-1\" }",
            "{ from = \"2025-02-30\", to = \"2025-03-01\" }",
            "{ from = \"-0d\", to = \"0d\" }",
            "{ from = \"0000-01-01\", to = \"0000-01-02\" }",
        ]
        .map(|v| ("window", v)),
    );
    cases.extend(
        [
            "{ ids = [1, 1] }",
            "{ ids = [0] }",
            "{ ids = [] }",
            "{ ids = [1.0] }",
            "{ ids = \"all\" }",
            "{ comp_sets = [1], subjects_only = true }",
            "{ ids = [1], subjects_only = true }",
            "{ accounts = \"all\" }",
            "{ accounts = \"some\" }",
            "{ accounts = [] }",
            "{ accounts = [1], comp_sets = [1] }",
            "{ file = \"\" }",
            "{}",
            "{ ids = [9223372036854775807] }",
            "[1]",
        ]
        .map(|v| ("properties", v)),
    );
    cases.extend(["\"\"", "\"x\"", "1"].map(|v| ("columns.property", v)));
    cases.extend(["\"\"", "\"UTC\"", "1"].map(|v| ("timezone", v)));
    cases.extend(["\"\"", "\"x\"", "1"].map(|v| ("description", v)));
    cases.extend(["true", "\"true\"", "1"].map(|v| ("enabled", v)));
    let base = [
        ("report", "\"property\""),
        ("format", "\"csv\""),
        ("cron", "\"30 12 * * *\""),
        ("timezone", "\"UTC\""),
        ("window", "\"yesterday\""),
        ("properties", "{ ids = [1] }"),
    ];
    let mut differing = Vec::new();
    for (key, value) in cases {
        let mut text = String::new();
        for (own, usual) in base {
            if own != key {
                text.push_str(&format!("{own} = {usual}\n"));
            }
        }
        text.push_str(&format!("{key} = {value}\n"));
        if text.parse::<toml::Table>().is_err() {
            continue;
        }
        std::fs::write(&file, &text).unwrap();
        let faults = faults_of(&file);
        let marked = !complaints(&schema, &text).is_empty();
        // What the program takes no editor may mark.
        assert!(!(marked && faults.is_empty()), "{key} = {value}");
        if !marked && !faults.is_empty() {
            differing.push(format!("{key} = {value}"));
        }
    }
    assert_eq!(differing, BEYOND_A_SCHEMA_TOO);
}

/// Sums of durations, what a cron means, days of a calendar, order of numbers, and 1.0, which JSON holds to be whole.
const BEYOND_A_SCHEMA_TOO: &[&str] = &[
    r#"jitter = "3651d""#,
    r#"jitter = "11y""#,
    r#"deadline = "3651d""#,
    r#"deadline = "11y""#,
    r#"catch_up.max_age = "3651d""#,
    r#"catch_up.max_age = "11y""#,
    r#"retry.first = "3651d""#,
    r#"retry.first = "11y""#,
    r#"retry.max = "3651d""#,
    r#"retry.max = "11y""#,
    r#"backfill_new = "3651d""#,
    r#"backfill_new = "1h1h""#,
    r#"cron = ["a"]"#,
    r#"cron = "a""#,
    r#"cron = ["a", "a"]"#,
    r#"chunk.properties = 1.0"#,
    r#"chunk.days = 1.0"#,
    r#"catch_up.max_runs = 1.0"#,
    r#"retry.attempts = 1.0"#,
    r#"checks.range.a = [1, 0]"#,
    r#"window = { from = "2025-02-30", to = "2025-03-01" }"#,
    r#"properties = { ids = [1.0] }"#,
];
