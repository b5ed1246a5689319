//! The table "Who may import whom".

use std::collections::{BTreeMap, BTreeSet};

/// Root files without a row: leaves that anyone in the table may be allowed to import, and that import nothing.
const LEAVES: [&str; 3] = ["clock", "telemetry", "sd_notify"];

/// Root files that see everything: the module list and the process.
const TOP: [&str; 2] = ["lib", "main"];

pub struct Table {
    rows: BTreeMap<String, BTreeSet<String>>,
}

impl Table {
    /// Reads the rows under the heading "Who may import whom"; every name stands in backticks.
    pub fn read(markdown: &str) -> Table {
        let (_, section) = markdown
            .split_once("## Who may import whom")
            .expect("ARCHITECTURE.md has the heading");
        let section = section.split("\n## ").next().expect("a first piece");
        let rows: BTreeMap<_, _> = section.lines().filter_map(row).collect();
        assert!(rows.len() >= 10, "only {} rows were understood", rows.len());
        Table { rows }
    }

    pub fn is_listed(&self, room: &str) -> bool {
        self.rows.contains_key(room) || LEAVES.contains(&room) || TOP.contains(&room)
    }

    pub fn allows(&self, from: &str, to: &str) -> bool {
        from == to || TOP.contains(&from) || self.rows.get(from).is_some_and(|may| may.contains(to))
    }

    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        let imported = self.rows.values().flatten();
        self.rows.keys().chain(imported).map(String::as_str)
    }

    /// A room that can reach itself, if there is one.
    pub fn cycle(&self) -> Option<&str> {
        self.rows.keys().map(String::as_str).find(|room| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&str> = vec![room];
            while let Some(next) = open.pop() {
                for to in self.rows.get(next).into_iter().flatten() {
                    if to == room {
                        return true;
                    }
                    if seen.insert(to) {
                        open.push(to);
                    }
                }
            }
            false
        })
    }
}

fn row(line: &str) -> Option<(String, BTreeSet<String>)> {
    let mut cells = line.strip_prefix('|')?.split('|');
    let from = names(cells.next()?).pop_first()?;
    let may = names(cells.next()?);
    Some((from, may))
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}
