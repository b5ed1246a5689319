//! Every file below `broken/` has one fault. What a user reads about it is kept beside it; after a deliberate change,
//! `UPDATE_EXPECTED=1 cargo test --test config` writes it anew.

use aptiqd::config::{Fault, Scope, load, load_folder_in, render};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/broken")
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder().join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

/// Holds the report against the file beside the case.
fn hold(case: &Path, faults: &[Fault], folder: &Path, failures: &mut Vec<String>) {
    let name = case.file_name().unwrap().to_string_lossy();
    if faults.len() != 1 {
        failures.push(format!(
            "{name}: {} faults\n{}",
            faults.len(),
            render(faults)
        ));
        return;
    }
    if faults[0].help.is_empty() {
        failures.push(format!("{name}: no help"));
    }
    let shown = render(faults).replace(&format!("{}/", folder.display()), "");
    let expected = case.with_extension("expected");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&expected, &shown).unwrap();
    }
    let kept = std::fs::read_to_string(&expected).unwrap_or_default();
    if kept != shown {
        failures.push(format!("{name}\n--- kept\n{kept}--- shown\n{shown}"));
    }
}

fn finish(count: usize, least: usize, failures: &[String]) {
    assert!(count >= least, "only {count} cases");
    assert!(
        failures.is_empty(),
        "{} of {count}:\n\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_broken_schedule_has_one_precise_fault() {
    let cases = cases("schedules");
    let scope = Scope {
        notifiers: Some(BTreeSet::from(["ops".to_owned()])),
        now: None,
        landing: None,
    };
    let mut failures = Vec::new();
    for case in &cases {
        // Alone in a folder, with the property lists beside it.
        let alone = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(folder().join("schedules")).unwrap() {
            let path = entry.unwrap().path();
            if path == *case || path.extension().is_some_and(|extension| extension == "csv") {
                std::fs::copy(&path, alone.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let faults = load_folder_in(alone.path(), &scope)
            .err()
            .unwrap_or_default();
        hold(case, &faults, alone.path(), &mut failures);
    }
    finish(cases.len(), 60, &failures);
}

#[test]
fn every_broken_configuration_has_one_precise_fault() {
    let cases = cases("daemon");
    let mut failures = Vec::new();
    for case in &cases {
        let alone = tempfile::tempdir().unwrap();
        super::daemon::secret_files(alone.path());
        let file = alone.path().join("aptiqd.toml");
        let text = std::fs::read_to_string(case).unwrap();
        // Variables of the case stand in comments: `# env: NAME=value`.
        let env: Vec<(String, String)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# env: ")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        std::fs::write(&file, &text).unwrap();
        let faults = load(&file, env.into_iter()).err().unwrap_or_default();
        hold(case, &faults, alone.path(), &mut failures);
    }
    finish(cases.len(), 30, &failures);
}
