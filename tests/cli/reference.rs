//! `docs/cli.md` and `docs/configuration.md` say what the binary says. `APTIQD_WRITE_DOCS=1` writes them anew.

use super::{run, stdout};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

#[track_caller]
fn holds(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    if std::env::var_os("APTIQD_WRITE_DOCS").is_some() {
        fs::write(&path, text).expect("it can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let drift = kept
        .lines()
        .zip(text.lines())
        .position(|(kept, now)| kept != now);
    assert!(
        kept == text,
        "docs/{name} has drifted (first at line {:?}): APTIQD_WRITE_DOCS=1 cargo test --test cli reference",
        drift.map(|line| line + 1)
    );
}

/// The words of a help text's list of commands.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.trim().is_empty());
    let words = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let words = words.filter_map(|line| line.split_whitespace().next());
    words
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

fn section(folder: &Path, words: &[&str], text: &mut String) {
    let asked: Vec<&str> = words.iter().copied().chain(["--help"]).collect();
    let help = stdout(&run(folder, &asked));
    let marks = "#".repeat(words.len() + 1);
    let title = words.join(" ");
    let _ = write!(
        text,
        "\n{marks} aptiqd {title}\n\n```text\n{}\n```\n",
        help.trim()
    );
    for command in commands(&help) {
        let deeper: Vec<&str> = words.iter().copied().chain([command.as_str()]).collect();
        section(folder, &deeper, text);
    }
}

#[test]
fn the_command_line_is_as_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = stdout(&run(folder.path(), &["--help"]));
    let verbs = commands(&help);
    assert!(verbs.len() > 20, "{verbs:?}");
    let mut text = String::from(
        "# The command line\n\nMade from the binary's own help; a test holds it to that.\n",
    );
    let _ = write!(text, "\n```text\n{}\n```\n", help.trim());
    for verb in &verbs {
        section(folder.path(), &[verb], &mut text);
    }
    holds("cli.md", &text);
}

fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix("#/"));
    name.map_or(schema, |path| {
        path.split('/').fold(root, |value, step| &value[step])
    })
}

fn kind(schema: &Value, root: &Value) -> String {
    let own = resolved(schema, root);
    if let Some(words) = own["enum"].as_array() {
        let words: Vec<String> = words
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap_or_default()))
            .collect();
        return words.join(" ");
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = own[choice].as_array().filter(|_| own["type"].is_null()) {
            let kinds: Vec<String> = choices.iter().map(|schema| kind(schema, root)).collect();
            return kinds.join(" or ");
        }
    }
    if let Some(constant) = own["const"].as_str() {
        return format!("`{constant}`");
    }
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next());
    name.or(own["type"].as_str())
        .unwrap_or("table")
        .replace('_', " ")
}

/// A row a key, tables before the keys below them.
fn rows(prefix: &str, schema: &Value, root: &Value, text: &mut String) {
    let Some(keys) = resolved(schema, root)["properties"].as_object() else {
        return;
    };
    for (key, schema) in keys {
        let key = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        let own = resolved(schema, root);
        let default = match &schema["default"] {
            Value::Null => String::new(),
            value => format!("`{value}`"),
        };
        let words = schema["description"]
            .as_str()
            .or(own["description"].as_str())
            .unwrap_or_default();
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(
            text,
            "| `{key}` | {} | {} | {} |",
            cell(&kind(schema, root)),
            cell(&default),
            cell(words)
        );
        rows(&key, schema, root, text);
    }
}

#[test]
fn the_configuration_is_as_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = String::from(
        "# Configuration\n\nMade from `aptiqd schema config` and `aptiqd schema schedule`; a test holds it to that. Durations are written as \
         `90s`, `15m`, `6h`, `7d`.\nEvery key of `aptiqd.toml` can be overridden by `APTIQD_SECTION__KEY`.\n",
    );
    for (name, title) in [
        ("config", "aptiqd.toml"),
        ("schedule", "schedules/NAME.toml"),
    ] {
        let schema: Value =
            serde_json::from_str(&stdout(&run(folder.path(), &["schema", name]))).expect("JSON");
        let _ = write!(
            text,
            "\n## {title}\n\n| key | kind | default | meaning |\n|---|---|---|---|\n"
        );
        rows("", &schema, &schema, &mut text);
    }
    holds("configuration.md", &text);
}
