//! A source file as the rules see it: code without comments, strings and tests.

use std::path::Path;

pub struct Source {
    /// Below `src/`.
    pub path: String,
    /// The top-level folder, or the root file's stem.
    pub room: String,
    /// How many modules deep: `crate` is 0, `crate::run` is 1.
    pub depth: usize,
    /// Comments and the insides of strings are blanks; line numbers are kept.
    pub code: String,
    /// As `code`, and `#[cfg(test)]` modules are blanks too; empty for a file of tests.
    pub shipped: String,
    pub lines: usize,
}

impl Source {
    pub fn all(folder: &Path) -> Vec<Source> {
        let mut sources = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in std::fs::read_dir(&next).expect("a folder of sources") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = std::fs::read_to_string(&path).expect("UTF-8");
                    let below = path.strip_prefix(folder).expect("below src");
                    sources.push(Source::new(&below.to_string_lossy(), &text));
                }
            }
        }
        sources
    }

    pub fn new(path: &str, text: &str) -> Source {
        let stem = path.strip_suffix(".rs").expect("a Rust file");
        let names: Vec<&str> = stem.split('/').collect();
        let last = *names.last().expect("a name");
        let is_own_module = !matches!(last, "mod" | "lib" | "main");
        let code = blank_comments_and_strings(text);
        let is_test = names.iter().any(|name| *name == "tests" || *name == "test");
        Source {
            path: path.to_owned(),
            room: names[0].to_owned(),
            depth: names.len() - 1 + usize::from(is_own_module),
            shipped: if is_test {
                String::new()
            } else {
                blank_tests(&code)
            },
            code,
            lines: text.lines().count(),
        }
    }

    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.strip_suffix(".rs").unwrap_or(name)
    }
}

fn blank(piece: &[char]) -> String {
    let keep_breaks = |c: &char| if *c == '\n' { '\n' } else { ' ' };
    piece.iter().map(keep_breaks).collect()
}

/// A scanner that knows just enough Rust: comments (nested), strings, raw strings, characters against lifetimes.
fn blank_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = opaque_end(&chars, at);
        if end > at {
            code.push_str(&blank(&chars[at..end]));
            at = end;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

/// Where the comment, string or character that begins at `at` ends; `at` itself if none begins there.
fn opaque_end(chars: &[char], at: usize) -> usize {
    let next = |n: usize| chars.get(at + n).copied().unwrap_or('\0');
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next(1) == '/' => line_end(chars, at),
        '/' if next(1) == '*' => block_end(chars, at),
        '"' => quote_end(chars, at + 1),
        'r' if !in_word && (next(1) == '"' || next(1) == '#') => raw_end(chars, at + 1),
        'b' if !in_word && next(1) == 'r' => raw_end(chars, at + 2).max(at),
        '\'' if next(1) == '\\' => character_end(chars, at + 2),
        '\'' if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn line_end(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
}

fn block_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut i = at;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    i
}

fn quote_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn character_end(chars: &[char], at: usize) -> usize {
    let escaped = at + 1;
    let rest = &chars[escaped.min(chars.len())..];
    escaped + rest.iter().position(|c| *c == '\'').map_or(0, |n| n + 1)
}

/// Behind `r`: hashes, a quote, and on to the quote with as many hashes. A raw identifier (`r#type`) is none.
fn raw_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return 0;
    }
    let mut i = at + hashes + 1;
    while i < chars.len() {
        let closes =
            chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
        if closes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    chars.len()
}

/// Blanks what `#[cfg(test)]` and `#[test]` stand before: up to the end of the item.
fn blank_tests(code: &str) -> String {
    let mut shipped = code.to_owned();
    for mark in ["#[cfg(test)]", "#[test]"] {
        while let Some(start) = shipped.find(mark) {
            let end = item_end(&shipped, start);
            let blanked: Vec<char> = shipped[start..end].chars().collect();
            shipped.replace_range(start..end, &blank(&blanked));
        }
    }
    shipped
}

/// The first `;` outside braces, or the brace that closes the first one opened.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (i, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (c == ';' || c == '}') {
            return start + i + 1;
        }
    }
    code.len()
}
