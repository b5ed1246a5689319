//! One file under examination: its text, what the environment puts over it, and the faults found so far.

use super::Fault;
use chrono::{DateTime, Utc};
use std::cell::RefCell;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A configuration or schedule file may be this long.
pub(super) const FILE_MAX: u64 = 1 << 20;

/// A file's text with its faults. Positions are offsets into the file followed by every override's value, so that one
/// range of numbers says where anything came from.
pub(super) struct Sheet {
    path: PathBuf,
    text: String,
    overrides: Vec<Override>,
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<Fault>>,
    /// Warnings are looked for only if someone will read them, as of this time.
    pub now: Option<DateTime<Utc>>,
}

/// A value out of the environment that stands in for a key.
pub(super) struct Override {
    pub variable: String,
    pub value: String,
    /// Where its value begins, in the sheet's positions.
    pub base: usize,
}

impl Sheet {
    /// Reads `path`; a file that cannot be read as text of reasonable length is one fault.
    pub fn open(path: &Path) -> Result<Sheet, Fault> {
        let text = text_of(path, FILE_MAX)?;
        Ok(Sheet::new(path, text))
    }

    pub fn new(path: &Path, text: String) -> Sheet {
        Sheet {
            path: path.to_owned(),
            text,
            overrides: Vec::new(),
            faults: RefCell::default(),
            warnings: RefCell::default(),
            now: None,
        }
    }

    /// Takes one more value from the environment.
    pub fn push_override(&mut self, variable: String, value: String) {
        let base = match self.overrides.last() {
            Some(last) => last.base + last.value.len() + 1,
            None => self.text.len() + 1,
        };
        self.overrides.push(Override {
            variable,
            value,
            base,
        });
    }

    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// The file's TOML; `None` after noting its first syntax fault.
    pub fn table(&self) -> Option<DeTable<'_>> {
        match DeTable::parse(&self.text) {
            Ok(table) => Some(table.into_inner()),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let message = syntax_message(error.message());
                let help = syntax_help(&message, &self.text[span.start.min(self.text.len())..]);
                self.fault(span, "bad-toml", format!("not TOML: {message}"), help);
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that relative paths of this file start from.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The source text at `span`.
    pub fn source(&self, span: &Range<usize>) -> &str {
        let (_, text, span) = self.origin(span.clone());
        text.get(span).unwrap_or("")
    }

    /// The raw value of the override that `span` lies in, if it lies in one.
    pub fn override_text(&self, span: &Range<usize>) -> Option<&str> {
        (span.start > self.text.len()).then(|| self.origin(span.clone()).1)
    }

    pub fn fault(
        &self,
        span: Range<usize>,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let fault = self.placed(span, code, message.into(), help.into());
        self.faults.borrow_mut().push(fault);
    }

    pub fn warn(
        &self,
        span: Range<usize>,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push_warning(self.placed(span, code, message.into(), help.into()));
    }

    /// Something of another file, or of the environment, that is probably not meant.
    pub fn push_warning(&self, warning: Fault) {
        self.warnings.borrow_mut().push(warning);
    }

    /// A fault of another file that this one names.
    pub fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// `value` if nothing was wrong, else every fault in the order of the file; and the warnings.
    pub fn close<T>(self, value: Option<T>) -> (Result<T, Vec<Fault>>, Vec<Fault>) {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        let outcome = match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => Err(faults),
        };
        (outcome, self.warnings.into_inner())
    }

    fn placed(
        &self,
        span: Range<usize>,
        code: &'static str,
        message: String,
        help: String,
    ) -> Fault {
        let (name, text, span) = self.origin(span);
        Fault::at(&name, text, span, code, message, help)
    }

    /// What the position belongs to: its name, its text, and the span within it.
    fn origin(&self, span: Range<usize>) -> (String, &str, Range<usize>) {
        let within = |over: &&Override| over.base <= span.start;
        match self.overrides.iter().rev().find(within) {
            Some(over) => {
                let span = span.start - over.base..span.end.saturating_sub(over.base);
                (format!("${}", over.variable), &over.value, span)
            }
            None => (self.path.display().to_string(), &self.text, span),
        }
    }
}

/// A text file of at most `max` bytes.
pub(super) fn text_of(path: &Path, max: u64) -> Result<String, Fault> {
    // Room for an ordinary file, so that it is read in one go.
    let mut bytes = Vec::with_capacity(4096);
    std::fs::File::open(path)
        .and_then(|file| file.take(max + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > max {
        let help = "split it, or put long lists of properties into a CSV file";
        let message = format!("the file is longer than {} KiB", max >> 10);
        return Err(Fault::of_file(path, "too-large", message, help));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Fault::of_file(
            path,
            "bad-utf8",
            "the file is not UTF-8",
            "save it as UTF-8 and look at this line",
        )
        .at_line(line)
    })
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::NotFound => Fault::of_file(
            path,
            "missing-file",
            "there is no such file",
            "look at the path",
        ),
        _ => Fault::of_file(
            path,
            "unreadable",
            format!("cannot be read: {error}"),
            "look at its permissions",
        ),
    }
}

/// The parser's words; what it expected is kept only if it is a character to write.
fn syntax_message(words: &str) -> String {
    let mut lines = words.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    match lines.next() {
        Some(expected) if expected.contains('`') => format!("{first}, {expected}"),
        _ => first,
    }
}

fn syntax_help(message: &str, rest: &str) -> String {
    if message.contains("duplicate key") {
        "keep one of the two".to_owned()
    } else if message.contains("string values must be quoted")
        || rest.starts_with(|c: char| c.is_alphabetic())
    {
        "text is written in double quotes: key = \"text\"".to_owned()
    } else {
        "see https://toml.io for the form; `aptiqd init` writes an example".to_owned()
    }
}
