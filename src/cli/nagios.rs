//! The answer as a monitoring plugin gives it: one line, and an exit code of its own meaning.

use super::Context;
use super::exit::{Exit, Failure, Outcome};
use crate::admin::view::Code;

/// 0, 1, 2 and 3 of the plugins' conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    Ok,
    Warning,
    Critical,
    Unknown,
}

/// One line about one service.
pub struct Plugin<'c> {
    service: &'static str,
    context: &'c Context,
}

/// The plugin, if it is asked for; it speaks no JSON.
pub fn asked<'c>(
    service: &'static str,
    wanted: bool,
    context: &'c Context,
) -> Result<Option<Plugin<'c>>, Failure> {
    if wanted && context.console.is_json() {
        let message = "--nagios and --json are two forms of one answer";
        return Err(Failure::new(Code::Usage, message, "take one of them"));
    }
    Ok(wanted.then_some(Plugin { service, context }))
}

impl Plugin<'_> {
    /// `perfdata` as the conventions have it, or nothing.
    pub fn report(&self, grade: Grade, sentence: &str, perfdata: &str) -> Outcome {
        self.context
            .console
            .say(&line(self.service, grade, sentence, perfdata));
        // Other meanings than those of the verbs, by the same numbers.
        Ok(match grade {
            Grade::Ok => Exit::Done,
            Grade::Warning => Exit::Failed,
            Grade::Critical => Exit::Usage,
            Grade::Unknown => Exit::Incomplete,
        })
    }

    /// Nothing can be said of the service.
    pub fn unknown(&self, failure: &Failure) -> Outcome {
        self.report(Grade::Unknown, &failure.error.message, "")
    }
}

fn line(service: &str, grade: Grade, sentence: &str, perfdata: &str) -> String {
    let word = match grade {
        Grade::Ok => "OK",
        Grade::Warning => "WARNING",
        Grade::Critical => "CRITICAL",
        Grade::Unknown => "UNKNOWN",
    };
    // The bar begins the figures, and a line break would end the answer.
    let plain = |c: char| if c == '|' || c.is_control() { ' ' } else { c };
    let sentence: String = sentence.chars().map(plain).collect();
    match perfdata {
        "" => format!("{service} {word} - {sentence}\n"),
        figures => format!("{service} {word} - {sentence} | {figures}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_with_one_bar() {
        let text = line("APTIQD", Grade::Warning, "a | b\nc", "x=1");
        assert_eq!(text, "APTIQD WARNING - a   b c | x=1\n");
        assert_eq!(line("S", Grade::Unknown, "gone", ""), "S UNKNOWN - gone\n");
    }
}
