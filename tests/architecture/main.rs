//! The import table of `src/ARCHITECTURE.md` and the rules beside it, held over every source file.

mod rules;
mod self_test;
mod source;
mod table;

use rules::Finding;
use source::Source;
use std::path::Path;
use table::Table;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> Table {
    let text = std::fs::read_to_string(root().join("src/ARCHITECTURE.md")).expect("the table");
    Table::read(&text)
}

fn findings_of(rule: impl Fn(&Source) -> Vec<Finding>) -> String {
    let sources = Source::all(&root().join("src"));
    assert!(sources.len() > 20, "only {} sources found", sources.len());
    let findings: Vec<String> = sources
        .iter()
        .flat_map(rule)
        .map(|finding| finding.to_string())
        .collect();
    findings.join("\n")
}

#[test]
fn folders_import_only_what_the_table_allows() {
    let table = table();
    let findings = findings_of(|source| rules::imports(source, &table));
    assert!(findings.is_empty(), "\n{findings}");
}

#[test]
fn every_folder_is_in_the_table() {
    let table = table();
    let findings = findings_of(|source| rules::is_listed(source, &table));
    assert!(findings.is_empty(), "\n{findings}");
}

#[test]
fn the_table_names_only_what_exists_and_has_no_cycle() {
    let table = table();
    let sources = Source::all(&root().join("src"));
    let rooms: Vec<&str> = sources.iter().map(|source| source.room.as_str()).collect();
    for room in table.rooms() {
        assert!(rooms.contains(&room), "`{room}` has no source");
    }
    assert_eq!(table.cycle(), None);
}

#[test]
fn pure_folders_are_pure() {
    let findings = findings_of(rules::purity);
    assert!(findings.is_empty(), "\n{findings}");
}

#[test]
fn crates_and_calls_stay_where_they_belong() {
    let findings = findings_of(rules::belongings);
    assert!(findings.is_empty(), "\n{findings}");
}

#[test]
fn files_stay_small() {
    let findings = findings_of(rules::length);
    assert!(findings.is_empty(), "\n{findings}");
}
