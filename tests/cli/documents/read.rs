//! The documents, and what is in them.

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A text for people and where it lies.
pub struct Document {
    pub path: PathBuf,
    pub text: String,
}

impl Document {
    /// For messages: below the repository.
    pub fn name(&self) -> String {
        let below = self.path.strip_prefix(root()).expect("it lies there");
        below.display().to_string()
    }
}

/// README, everything in `docs/`, and the other pages that lead there.
pub fn documents() -> Vec<Document> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "RELIABILITY.md",
        "CHANGELOG.md",
        "src/ARCHITECTURE.md",
    ]
    .iter()
    .map(|path| root().join(path))
    .collect();
    let docs = fs::read_dir(root().join("docs")).expect("docs/ is there");
    let docs = docs.map(|entry| entry.expect("it is read").path());
    paths.extend(docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    paths.sort();
    let read = |path: PathBuf| Document {
        text: fs::read_to_string(&path).expect("it is read"),
        path,
    };
    paths.into_iter().map(read).collect()
}

/// The commands of each block that begins with three backticks and `kind`: without comments, lines that go on joined.
pub fn blocks(text: &str, kind: &str) -> Vec<Vec<String>> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<String>> = None;
    for line in text.lines() {
        let line = line.trim();
        match &mut open {
            None if line.strip_prefix("```") == Some(kind) => open = Some(Vec::new()),
            None => {}
            Some(_) if line.starts_with("```") => blocks.extend(open.take()),
            Some(commands) => take(commands, line),
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks
}

fn take(commands: &mut Vec<String>, line: &str) {
    let goes_on = commands.last().is_some_and(|last| last.ends_with('\\'));
    let line = match line.find(" #") {
        Some(at) => line[..at].trim_end(),
        None => line,
    };
    if goes_on {
        let last = commands.last_mut().expect("there is one");
        last.pop();
        last.push_str(line);
    } else if !line.is_empty() && !line.starts_with('#') {
        commands.push(line.to_owned());
    }
}

/// What stands between single backticks outside of blocks.
pub fn quoted(text: &str) -> Vec<String> {
    let mut quoted = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            quoted.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    quoted
}

#[test]
fn blocks_are_read_as_a_shell_would() {
    let text = "a\n   ```sh\n   one --two   # three\n   # no\n   four \\\n     five\n   ```\n```toml\nx = 1\n```\n```sh\nsix\n```\n";
    let expected = [vec!["one --two", "four five"], vec!["six"]];
    assert_eq!(blocks(text, "sh"), expected);
    assert_eq!(
        quoted("`a` b `c d`\n```sh\n`no`\n```\n`e`"),
        ["a", "c d", "e"]
    );
}
