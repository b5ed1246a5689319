//! A checker that finds nothing is only worth something if it finds what is planted.

use crate::rules::{self, Finding};
use crate::source::Source;
use crate::table::Table;

const TABLE: &str = "
## Who may import whom

| from | may import |
|---|---|
| `a` | |
| `b` | `a` |
| `run` | `schedule` |
| `schedule` | |
| `store` | `run` |
| `sandbox` | |
| `engine` | `run` `store` `clock` |
| `cli` | `engine` |
| `callback` | |
| `coverage` | |

## Next
| `z` | `run` |
";

fn lines(findings: &[Finding]) -> Vec<usize> {
    let mut lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
    lines.sort_unstable();
    lines
}

fn imports(path: &str, text: &str) -> Vec<usize> {
    lines(&rules::imports(
        &Source::new(path, text),
        &Table::read(TABLE),
    ))
}

fn purity(text: &str) -> Vec<usize> {
    lines(&rules::purity(&Source::new("run/x.rs", text)))
}

fn belongings(path: &str, text: &str) -> Vec<usize> {
    lines(&rules::belongings(&Source::new(path, text)))
}

#[test]
fn forbidden_imports_are_found_in_every_form() {
    assert_eq!(imports("run/x.rs", "use crate::store::Key;"), [1]);
    assert_eq!(imports("run/x.rs", "pub(crate) use crate::store;"), [1]);
    assert_eq!(
        imports(
            "run/x.rs",
            "\nuse crate::{schedule::Name,\n  store::{Key, Tree}};"
        ),
        [3]
    );
    assert_eq!(
        imports(
            "run/x.rs",
            "use crate::{\n  store,\n  engine::{a, b::c},\n};"
        ),
        [2, 3]
    );
    assert_eq!(imports("run/x.rs", "fn f(k: &crate::store::Key) {}"), [1]);
    assert_eq!(imports("run/x.rs", "fn f() { crate::cli::run(); }"), [1]);
    assert_eq!(imports("sandbox/mod.rs", "use crate::clock;"), [1]);
    assert_eq!(
        imports(
            "run/x.rs",
            "#[cfg(test)]\nmod tests { use crate::engine::X; }"
        ),
        [2]
    );
    assert_eq!(imports("run/a/b.rs", "use crate :: store :: Key;"), [1]);
}

#[test]
fn climbing_out_of_a_room_is_found() {
    assert_eq!(imports("run/x.rs", "use super::super::store::Key;"), [1]);
    assert_eq!(imports("run/mod.rs", "use super::store::Key;"), [1]);
    assert_eq!(
        imports(
            "run/deep/x.rs",
            "use super::super::super::{store::Key, schedule};"
        ),
        [1]
    );
    assert_eq!(
        imports(
            "run/x.rs",
            "mod tests {\n use super::super::super::engine::X;\n}"
        ),
        [2]
    );
}

#[test]
fn allowed_imports_pass() {
    assert_eq!(
        imports(
            "run/x.rs",
            "use crate::schedule::Name; use super::Part; use crate::run::Job;"
        ),
        []
    );
    assert_eq!(
        imports(
            "run/x.rs",
            "mod tests { use super::super::Part; use super::*; }"
        ),
        []
    );
    assert_eq!(imports("run/deep/x.rs", "use super::super::Part;"), []);
    assert_eq!(
        imports(
            "engine/mod.rs",
            "use crate::{clock, run::{Job, store}, store};"
        ),
        []
    );
    assert_eq!(
        imports(
            "run/x.rs",
            "// use crate::store\n/* crate::store /* */ crate::cli */"
        ),
        []
    );
    assert_eq!(
        imports(
            "run/x.rs",
            r##"const X: &str = "crate::store"; const Y: &str = r#"crate::cli"#;"##
        ),
        []
    );
    assert_eq!(imports("lib.rs", "pub use crate::store;"), []);
    assert_eq!(
        imports(
            "run/x.rs",
            "fn f<'a>(c: char) -> bool { c == '\"' } // crate::store"
        ),
        []
    );
}

#[test]
fn rows_outside_the_section_do_not_count() {
    let table = Table::read(TABLE);
    assert!(!table.is_listed("z"));
    assert!(table.is_listed("engine") && table.is_listed("clock"));
    assert!(!table.is_listed("helpers"));
    assert_eq!(table.cycle(), None);
    let looped = TABLE.replace("| `a` | |", "| `a` | `b` |");
    assert_eq!(Table::read(&looped).cycle(), Some("a"));
}

#[test]
fn impurities_are_found() {
    for bad in [
        "async fn f() {}",
        "fn f() { tokio::spawn(x); }",
        "use std::fs;",
        "use std::{fmt, fs};",
        "use std::net::TcpStream;",
        "fn f() { std::env::var(\"X\"); }",
        "use std::time::SystemTime;",
        "use std::time::{Duration, Instant};",
        "fn f() { let now = chrono::Utc::now(); }",
        "use std::collections::HashMap;",
        "use std::collections::{BTreeMap, HashSet};",
        "fn f() { println!(\"x\"); }",
        "fn f() { getrandom::fill(b); }",
        "fn f() { rand::random(); }",
    ] {
        assert_eq!(purity(bad), [1], "{bad}");
    }
}

#[test]
fn purity_lets_tests_comments_and_likenesses_pass() {
    for good in [
        "// async, tokio, HashMap",
        "fn instant() { let asynchronous = 1; let operand = brand; }",
        "use std::{fmt, time::Duration};",
        "fn f() {}\n#[cfg(test)]\nmod tests {\n use std::collections::HashMap;\n fn g() { println!(); }\n}",
    ] {
        assert_eq!(purity(good), [], "{good}");
    }
    assert!(rules::purity(&Source::new("engine/x.rs", "async fn f() {}")).is_empty());
    assert!(rules::purity(&Source::new("run/tests.rs", "use std::fs;")).is_empty());
    // Code behind a test module still counts.
    assert_eq!(purity("#[cfg(test)]\nmod tests {}\nuse std::fs;"), [3]);
    assert_eq!(purity("#[cfg(test)]\nmod tests;\nuse std::fs;"), [3]);
}

#[test]
fn wrapped_crates_and_the_clock_stay_where_they_belong() {
    assert_eq!(belongings("schedule/window.rs", "use cron::Schedule;"), [1]);
    assert_eq!(belongings("schedule/cadence.rs", "use cron::Schedule;"), []);
    assert_eq!(
        belongings("schedule/cadence/fields.rs", "use cron::Schedule;"),
        []
    );
    assert_eq!(
        belongings("schedule/cadence_tests.rs", "use cron::Schedule;"),
        []
    );
    assert_eq!(
        belongings("store/journal.rs", "fn f(db: &sled::Db) {}"),
        [1]
    );
    assert_eq!(
        belongings("engine/mod.rs", "use sled;\nuse ::sled::Db;"),
        [1, 2]
    );
    assert_eq!(belongings("store/state/sled.rs", "use sled::Db;"), []);
    assert_eq!(
        belongings(
            "store/mod.rs",
            "mod sled;\npub use self::sled::SledStore;\nstruct S { sled: u8 }"
        ),
        []
    );
    assert_eq!(
        belongings(
            "config/mod.rs",
            "struct S { cron: String } fn f(s: S) { s.cron.len(); }"
        ),
        []
    );
    assert_eq!(
        belongings("cli/plan.rs", "fn f() { chrono::Utc::now(); }"),
        [1]
    );
    assert_eq!(
        belongings(
            "landing/x.rs",
            "use std::time::SystemTime;\nfn f() { SystemTime::now(); }"
        ),
        [2]
    );
    assert_eq!(belongings("clock.rs", "fn f() { Utc::now(); }"), []);
    assert_eq!(belongings("sandbox/world.rs", "fn f() { Utc::now(); }"), []);
}

#[test]
fn long_files_are_found() {
    let at_limit = "\n".repeat(rules::LINES_MAX);
    assert!(rules::length(&Source::new("run/x.rs", &at_limit)).is_empty());
    let over = "\n".repeat(rules::LINES_MAX + 1);
    assert_eq!(lines(&rules::length(&Source::new("run/x.rs", &over))), [1]);
}
