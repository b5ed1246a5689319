//! Argv as people and scripts type it.

use super::*;

fn cli(words: &str) -> Result<Cli, clap::Error> {
    parse(words.split_whitespace().map(Into::into).collect())
}

#[test]
fn the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn global_flags_stand_before_or_after_the_verb() {
    for words in [
        "aptiqd --json --config a.toml runs",
        "aptiqd runs --json --config a.toml",
        "aptiqd --json runs --config a.toml",
    ] {
        let cli = cli(words).unwrap();
        assert!(cli.json, "{words}");
        assert_eq!(cli.config, Some("a.toml".into()), "{words}");
    }
}

#[test]
fn a_mistyped_verb_is_a_usage_error_with_a_suggestion() {
    let error = cli("aptiqd triger owned").err().unwrap();
    assert!(error.render().to_string().contains("trigger"));
    assert_eq!(refuse(&error), Exit::Usage);
}

#[test]
fn help_is_an_answer_and_begins_with_examples() {
    for words in ["aptiqd --help", "aptiqd trigger --help", "aptiqd --version"] {
        let error = cli(words).err().unwrap();
        assert_eq!(error.exit_code(), 0, "{words}");
    }
    let help = cli("aptiqd trigger --help")
        .err()
        .unwrap()
        .render()
        .to_string();
    let (examples, usage) = (help.find("Examples:"), help.find("Usage:"));
    assert!(examples.is_some() && examples < usage, "{help}");
}

#[test]
fn every_verb_has_an_example_and_short_lines() {
    let mut long = Vec::new();
    for verb in command().get_subcommands_mut() {
        let name = verb.get_name().to_owned();
        let help = verb.render_help().to_string();
        assert!(
            help.contains("Examples:\n  aptiqd "),
            "{name} has no example"
        );
        let lines = help.lines().filter(|line| line.chars().count() > 100);
        long.extend(lines.map(|line| format!("{name}: {line}")));
    }
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn days_go_together_and_are_days() {
    assert!(cli("aptiqd trigger owned --from 2026-11-01 --to 2026-11-30").is_ok());
    assert!(cli("aptiqd trigger owned --from 2026-11-01").is_err());
    assert!(cli("aptiqd trigger owned --from 2026-02-30 --to 2026-03-01").is_err());
    assert!(cli("aptiqd trigger owned --wait --dry-run").is_err());
}

#[test]
fn a_pause_needs_a_reason() {
    assert!(cli("aptiqd pause owned").is_err());
    assert!(cli("aptiqd pause owned --reason audit").is_ok());
}

#[test]
fn names_are_encoded_into_paths() {
    assert_eq!(encode("owned-daily.m20261122"), "owned-daily.m20261122");
    assert_eq!(encode("a/../b?c d"), "a%2F..%2Fb%3Fc%20d");
}
