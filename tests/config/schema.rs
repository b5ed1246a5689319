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
