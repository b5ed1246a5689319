//! What is wrong with a configuration, where, and how it is mended.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::Path;

/// One fault, or one warning, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file as it was named, or the environment variable.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// A short stable word, such as `unknown-key`.
    pub code: &'static str,
    pub message: String,
    pub help: String,
    #[serde(skip)]
    excerpt: Option<Box<Excerpt>>,
}

/// The line at fault, free of secrets, and the bytes to underline.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    marked: Range<usize>,
}

/// Longer lines are shown in part.
const SHOWN_MAX: usize = 160;

impl Fault {
    /// A fault of a whole file, or of one whose text cannot be shown.
    pub fn of_file(
        file: &Path,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Fault {
        Fault {
            file: file.display().to_string(),
            line: 1,
            column: 1,
            code,
            message: message.into(),
            help: help.into(),
            excerpt: None,
        }
    }

    /// Whether only a secret is not in place, or not for this user to read: who plans or reads need not have it.
    pub fn is_of_secret(&self) -> bool {
        [
            "secret-permissions",
            "bad-secret",
            "bad-key",
            "unreadable",
            "missing-file",
            "missing-credential",
        ]
        .contains(&self.code)
    }

    /// The same, at a line (from 1).
    #[must_use]
    pub fn at_line(self, line: usize) -> Fault {
        Fault { line, ..self }
    }

    /// A fault at `span` of `text`, which is the whole of what `file` names.
    pub(super) fn at(
        file: &str,
        text: &str,
        span: Range<usize>,
        code: &'static str,
        message: String,
        help: String,
    ) -> Fault {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
        let end = floor(text, span.end).clamp(start, line_end);
        let line = text[line_start..line_end].trim_end_matches('\r');
        Fault {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            code,
            message,
            help,
            excerpt: Some(Box::new(Excerpt::new(
                line,
                start - line_start..end - line_start,
            ))),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            file,
            line,
            column,
            message,
            code,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: {message} [{code}]")
    }
}

impl Excerpt {
    fn new(line: &str, marked: Range<usize>) -> Excerpt {
        let masked = masked(line);
        let from = floor(&masked, marked.start.saturating_sub(SHOWN_MAX / 2));
        let from = if masked.len() > SHOWN_MAX { from } else { 0 };
        let to = floor(&masked, (from + SHOWN_MAX).min(masked.len()));
        Excerpt {
            line: masked[from..to].replace('\t', " "),
            marked: marked.start.clamp(from, to) - from..marked.end.clamp(from, to) - from,
        }
    }
}

fn floor(text: &str, index: usize) -> usize {
    (0..=index.min(text.len()))
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0)
}

/// The line with what may be secret in it starred out, byte for byte: the path of a notifier's `url` (whoever knows
/// a chat hook's address can write to it) and a password before an `@`.
fn masked(line: &str) -> String {
    let Some(at) = line.find("://") else {
        return line.to_owned();
    };
    let rest = &line[at + 3..];
    let end = rest.find(['"', '\'', ' ', ',', '}']).unwrap_or(rest.len());
    let address = &rest[..end];
    let secret = match (address.rfind('@'), address.find('/')) {
        (Some(sign), _) => 0..sign,
        (None, Some(slash)) if names_a_hook(&line[..at]) => slash + 1..end,
        _ => return line.to_owned(),
    };
    let stars = "*".repeat(secret.len());
    format!(
        "{}{stars}{}",
        &line[..at + 3 + secret.start],
        &line[at + 3 + secret.end..]
    )
}

/// Whether the text before an address ends in the key `url` itself, not `base_url` or the like.
fn names_a_hook(before: &str) -> bool {
    let key = before.trim_end_matches(|c: char| !c.is_whitespace() && c != '=');
    let key = key.trim_end_matches([' ', '\t', '=']);
    match key.strip_suffix("url") {
        Some(head) => !head.ends_with(|c: char| c == '_' || c.is_ascii_alphanumeric()),
        // No key before it: the value of an environment variable, or the middle of a list.
        None => true,
    }
}

/// All faults as a person reads them: `file:line:col` first, then the line, a caret and help.
pub fn render(faults: &[Fault]) -> String {
    let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for (index, fault) in faults.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{fault}");
        if let Some(excerpt) = &fault.excerpt {
            let mark = AnnotationKind::Primary.span(excerpt.marked.clone());
            let snippet = Snippet::source(excerpt.line.as_str())
                .line_start(fault.line)
                .annotation(mark);
            let group = Group::with_level(Level::ERROR).element(snippet);
            let _ = writeln!(text, "{}", renderer.render(&[group]));
        }
        if !fault.help.is_empty() {
            let _ = writeln!(text, "help: {}", fault.help);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str, part: &str) -> Fault {
        let at = text.find(part).unwrap();
        Fault::at(
            "a.toml",
            text,
            at..at + part.len(),
            "bad-thing",
            "it is bad".into(),
            "mend it".into(),
        )
    }

    #[test]
    fn a_fault_shows_its_line_and_marks_the_part() {
        let shown = render(&[fault("one = 1\ntwo = \"ä\" # here\n", "here")]);
        assert_eq!(
            shown,
            "a.toml:2:13: it is bad [bad-thing]\n  |\n2 | two = \"ä\" # here\n  |             ^^^^\nhelp: mend it\n"
        );
    }

    #[test]
    fn secrets_in_a_line_are_starred() {
        for (line, shown) in [
            (
                "url = \"https://hooks.slack.com/services/T0/B0/abc\" # x",
                "url = \"https://hooks.slack.com/******************\" # x",
            ),
            (
                "ops = { kind = \"ping\", url = 'https://hc.io/uuid' }",
                "ops = { kind = \"ping\", url = 'https://hc.io/****' }",
            ),
            (
                "base_url = \"https://data.example.com/api/v1\"",
                "base_url = \"https://data.example.com/api/v1\"",
            ),
            (
                "base_url = \"https://me:secret@example.com/api\"",
                "base_url = \"https://*********@example.com/api\"",
            ),
        ] {
            assert_eq!(masked(line), shown);
            assert_eq!(masked(line).len(), line.len());
        }
    }

    #[test]
    fn a_long_line_is_shown_around_the_mark() {
        let text = format!("key = \"{}X{}\"", "a".repeat(5000), "b".repeat(5000));
        let fault = fault(&text, "X");
        let excerpt = fault.excerpt.unwrap();
        assert!(excerpt.line.len() <= SHOWN_MAX);
        assert_eq!(&excerpt.line[excerpt.marked.clone()], "X");
    }

    #[test]
    fn spans_beyond_the_text_or_inside_a_character_are_no_panic() {
        for span in [0..0, 3..900, 800..900, 1..2] {
            render(&[Fault::at(
                "a",
                "ä\n",
                span,
                "x",
                String::new(),
                String::new(),
            )]);
        }
    }
}
