//! What each file must keep to.

use crate::source::Source;
use crate::table::Table;
use std::fmt;

pub const PURE: [&str; 4] = ["schedule", "run", "coverage", "roster"];

/// What a pure folder may not say, and why.
const IMPURE: [(&str, &str); 22] = [
    ("async", "purity: no async"),
    ("await", "purity: no async"),
    ("tokio", "purity: no runtime"),
    ("futures_util", "purity: no runtime"),
    ("reqwest", "purity: no I/O"),
    ("axum", "purity: no I/O"),
    ("sled", "purity: no I/O"),
    ("rustix", "purity: no I/O"),
    ("std::fs", "purity: no I/O"),
    ("std::net", "purity: no I/O"),
    ("std::io", "purity: no I/O"),
    ("std::process", "purity: no I/O"),
    ("std::thread", "purity: no threads"),
    ("std::env", "purity: no environment"),
    ("SystemTime", "purity: time is an argument"),
    ("Instant", "purity: time is an argument"),
    ("Utc::now", "purity: time is an argument"),
    ("HashMap", "purity: its order is random; BTreeMap"),
    ("HashSet", "purity: its order is random; BTreeSet"),
    ("RandomState", "purity: no randomness"),
    ("rand", "purity: no randomness"),
    ("getrandom", "purity: no randomness"),
];

const IMPURE_MACROS: [&str; 4] = ["println!", "print!", "eprintln!", "eprint!"];

/// The hard cap for a file, in lines.
pub const LINES_MAX: usize = 400;

pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.path, self.line, self.what)
    }
}

fn finding(source: &Source, offset: usize, code: &str, what: String) -> Finding {
    Finding {
        path: source.path.clone(),
        line: code[..offset].matches('\n').count() + 1,
        what,
    }
}

/// Every `crate::x`, grouped or inline, and every `super::` that leaves its room. Tests are held to it too.
pub fn imports(source: &Source, table: &Table) -> Vec<Finding> {
    reached(source)
        .into_iter()
        .filter(|(_, room)| !table.allows(&source.room, room))
        .map(|(offset, room)| {
            let what = format!("`{}` may not import `{room}`", source.room);
            finding(source, offset, &source.code, what)
        })
        .collect()
}

pub fn is_listed(source: &Source, table: &Table) -> Vec<Finding> {
    if table.is_listed(&source.room) {
        return Vec::new();
    }
    let what = format!("`{}` has no row in the table", source.room);
    vec![finding(source, 0, "", what)]
}

/// The rooms that a file names, with the place of each.
fn reached(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut rooms = Vec::new();
    for offset in words(code, "crate") {
        rooms.extend(heads(code, offset + "crate".len()));
    }
    for (offset, ups) in climbs(code) {
        // From a file `depth` modules deep, that many steps up end at the crate's root. Inline modules are deeper, so the
        // count of `mod x {` before it may be taken off; one step too many is what counts.
        let inline = inline_depth(code, offset);
        if ups >= source.depth + inline && source.depth > 0 {
            rooms.extend(heads(code, offset + ups * "super::".len() - 2));
        }
    }
    rooms.retain(|(_, room)| room.chars().next().is_some_and(char::is_lowercase));
    rooms.retain(|(_, room)| room != "self");
    rooms
}

/// The first names behind a path's `::`: one, or those of a group.
fn heads(code: &str, at: usize) -> Vec<(usize, String)> {
    let rest = &code[at..];
    let Some(tail) = rest.trim_start().strip_prefix("::") else {
        return Vec::new();
    };
    let start = code.len() - tail.trim_start().len();
    let mut names = Vec::new();
    let mut depth = 0;
    let mut expects_name = true;
    for (i, c) in code[start..].char_indices() {
        match c {
            '{' => (depth, expects_name) = (depth + 1, depth == 0),
            '}' => depth -= 1,
            ',' => expects_name = depth == 1,
            c if expects_name && (c.is_alphanumeric() || c == '_') => {
                let name: String = code[start + i..].chars().take_while(is_word).collect();
                names.push((start + i, name));
                expects_name = false;
            }
            _ => {}
        }
        let done = depth == 0 && (!names.is_empty() || c == ';' || c == '*');
        if done {
            break;
        }
    }
    names
}

/// Chains of `super::` with their length.
fn climbs(code: &str) -> Vec<(usize, usize)> {
    let mut chains = Vec::new();
    let mut behind = 0;
    for offset in words(code, "super") {
        if offset < behind {
            continue;
        }
        let rest = &code[offset..];
        let ups = (1..)
            .take_while(|n| rest.starts_with(&"super::".repeat(*n)))
            .count();
        if ups > 0 {
            behind = offset + ups * "super::".len();
            chains.push((offset, ups));
        }
    }
    chains
}

/// How many `mod x { … }` of this file are open at `offset`.
fn inline_depth(code: &str, offset: usize) -> usize {
    let mut open: Vec<bool> = Vec::new();
    for (i, c) in code[..offset].char_indices() {
        match c {
            '{' => open.push(opens_module(&code[..i])),
            '}' => drop(open.pop()),
            _ => {}
        }
    }
    open.iter().filter(|is_module| **is_module).count()
}

fn opens_module(before: &str) -> bool {
    let mut back = before.split_whitespace().rev();
    let _name = back.next();
    back.next() == Some("mod")
}

pub fn purity(source: &Source) -> Vec<Finding> {
    if !PURE.contains(&source.room.as_str()) {
        return Vec::new();
    }
    let code = &source.shipped;
    let grouped = grouped_std(code);
    let named = IMPURE
        .iter()
        .flat_map(|(word, why)| words(code, word).into_iter().map(move |at| (at, *why)));
    let macros = IMPURE_MACROS.iter().flat_map(|word| {
        words(code, word)
            .into_iter()
            .map(|at| (at, "purity: no output"))
    });
    named
        .chain(macros)
        .chain(grouped)
        .map(|(at, why)| finding(source, at, code, why.to_owned()))
        .collect()
}

/// `use std::{fs, net}`.
fn grouped_std(code: &str) -> Vec<(usize, &'static str)> {
    let banned = ["fs", "net", "io", "process", "thread", "env"];
    words(code, "std")
        .into_iter()
        .filter(|at| code[at + 3..].trim_start().starts_with("::{"))
        .flat_map(|at| heads(code, at + 3))
        .filter(|(_, name)| banned.contains(&name.as_str()))
        .map(|(at, _)| (at, "purity: no I/O, threads or environment"))
        .collect()
}

/// Crates that one file wraps, the clock, and the room that shares nothing.
pub fn belongings(source: &Source) -> Vec<Finding> {
    let code = &source.shipped;
    let stem = source.stem();
    let in_part = |room: &str, name: &str| {
        let part = format!("{room}/{name}/");
        source.room == room && (stem.starts_with(name) || source.path.starts_with(&part))
    };
    let mut places = Vec::new();
    if !in_part("schedule", "cadence") {
        places.extend(uses_of(code, "cron").map(|at| (at, "only schedule/cadence names `cron`")));
    }
    if !in_part("store", "state") {
        places.extend(uses_of(code, "sled").map(|at| (at, "only store/state names `sled`")));
    }
    // The sandbox shares no code with the client it tests, so it has a clock of its own.
    if source.path != "clock.rs" && source.room != "sandbox" {
        for call in ["Utc::now", "Local::now", "SystemTime::now"] {
            let calls = words(code, call).into_iter();
            places.extend(calls.map(|at| (at, "only clock.rs reads the wall clock")));
        }
    }
    places
        .into_iter()
        .map(|(at, why)| finding(source, at, code, why.to_owned()))
        .collect()
}

/// Where a crate is named: at the head of a path, or `use sled;`. Not `self::sled`, `mod sled` or a field of that name.
fn uses_of<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    words(code, name).into_iter().filter(move |&at| {
        let before = code[..at].trim_end();
        let behind = code[at + name.len()..].trim_start();
        let parent = before.strip_suffix("::").unwrap_or("");
        let is_head = !parent.ends_with(|c| is_word(&c) || c == '>');
        let is_use = before.trim_end_matches("::").trim_end().ends_with("use");
        is_head && (behind.starts_with("::") || is_use)
    })
}

pub fn length(source: &Source) -> Vec<Finding> {
    if source.lines <= LINES_MAX {
        return Vec::new();
    }
    let what = format!("{} lines, at most {LINES_MAX}: cut it", source.lines);
    vec![finding(source, 0, "", what)]
}

fn is_word(c: &char) -> bool {
    c.is_alphanumeric() || *c == '_'
}

/// Where `word` stands by itself.
fn words(code: &str, word: &str) -> Vec<usize> {
    let ends_open = word.ends_with('!');
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| !code[..at].chars().next_back().is_some_and(|c| is_word(&c)))
        .filter(|&at| {
            let behind = code[at + word.len()..].chars().next();
            ends_open || !behind.is_some_and(|c| is_word(&c))
        })
        .collect()
}
