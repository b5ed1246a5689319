//! Where output goes: with `--json` one document on stdout and the rest on stderr; for people the
//! answer on stdout. A reader that went away is no error.

use super::exit::Failure;
use crate::admin::view::ErrorDocument;
use serde::Serialize;
use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

/// The narrowest and the usual width of a table.
const WIDTH_MIN: u16 = 40;
const WIDTH: u16 = 80;

/// Who reads stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Person,
    Script,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Warn,
    Bad,
    Dim,
    Strong,
}

#[derive(Debug)]
pub struct Console {
    reader: Reader,
    coloured_out: bool,
    coloured_err: bool,
    width: u16,
    closed: Cell<bool>,
    /// Output was lost for another reason than a reader that went away.
    lost: Cell<bool>,
}

impl Console {
    pub fn new(reader: Reader) -> Console {
        let wanted = colour_wanted(|name| std::env::var(name).ok());
        let terminal = |is: bool| wanted.unwrap_or(is);
        let width = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        Console {
            reader,
            coloured_out: terminal(io::stdout().is_terminal()),
            coloured_err: terminal(io::stderr().is_terminal()),
            width: width.unwrap_or(WIDTH).clamp(WIDTH_MIN, 200),
            closed: Cell::new(false),
            lost: Cell::new(false),
        }
    }

    /// Whether output could not be written, as on a full disk: then the verb has not done its work.
    pub fn lost_output(&self) -> bool {
        self.lost.get()
    }

    pub fn is_json(&self) -> bool {
        self.reader == Reader::Script
    }

    pub fn width(&self) -> u16 {
        self.width
    }

    /// Nobody reads stdout any more.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// One JSON document on one line of stdout.
    pub fn document(&self, document: &impl Serialize) {
        if let Ok(mut line) = serde_json::to_string(document) {
            line.push('\n');
            self.put(&mut io::stdout().lock(), &line);
        }
    }

    /// The answer, for a person; lines end in a newline.
    pub fn say(&self, text: &str) {
        match self.reader {
            Reader::Person => self.put(&mut io::stdout().lock(), text),
            Reader::Script => self.put(&mut io::stderr().lock(), text),
        }
    }

    /// Something beside the answer, on stderr.
    pub fn note(&self, text: &str) {
        self.put(&mut io::stderr().lock(), text);
    }

    pub fn fail(&self, failure: &Failure) {
        if self.is_json() {
            let error = failure.error.clone();
            if let Ok(line) = serde_json::to_string(&ErrorDocument { error }) {
                self.note(&format!("{line}\n"));
            }
            return;
        }
        if let Some(excerpt) = &failure.excerpt {
            self.note(&format!("{}\n", excerpt.trim_end()));
        }
        let word = self.tint_err("error", Tone::Bad);
        self.note(&format!("{word}: {}\n", failure.error.message));
        if !failure.error.help.is_empty() {
            self.note(&format!("help: {}\n", failure.error.help));
        }
    }

    /// `text` in a tone, if stdout is coloured.
    pub fn tint(&self, text: &str, tone: Tone) -> String {
        let coloured = match self.reader {
            Reader::Person => self.coloured_out,
            Reader::Script => self.coloured_err,
        };
        tinted(text, tone, coloured)
    }

    pub fn tint_err(&self, text: &str, tone: Tone) -> String {
        tinted(text, tone, self.coloured_err)
    }

    fn put(&self, stream: &mut impl Write, text: &str) {
        // Whoever hung up (`| head`) has what they wanted.
        let written = stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush());
        if let Err(error) = written {
            self.closed.set(true);
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.lost.set(true);
            }
        }
    }
}

fn tinted(text: &str, tone: Tone, coloured: bool) -> String {
    if !coloured {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Dim => "2",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// What the environment says about colours; `None`: as the terminal is.
fn colour_wanted(variable: impl Fn(&str) -> Option<String>) -> Option<bool> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return Some(false);
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return Some(true);
    }
    let dumb = set("TERM").is_some_and(|term| term == "dumb");
    let off = set("CLICOLOR").is_some_and(|value| value == "0");
    (dumb || off).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> Option<bool> {
        colour_wanted(|name| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn colours_follow_the_usual_variables() {
        assert_eq!(wanted(&[]), None);
        assert_eq!(
            wanted(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]),
            Some(false)
        );
        assert_eq!(wanted(&[("NO_COLOR", "")]), None);
        assert_eq!(wanted(&[("CLICOLOR_FORCE", "1")]), Some(true));
        assert_eq!(wanted(&[("CLICOLOR", "0")]), Some(false));
        assert_eq!(wanted(&[("CLICOLOR", "1")]), None);
        assert_eq!(wanted(&[("TERM", "dumb")]), Some(false));
    }
}
