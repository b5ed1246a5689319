//! Reads one table key by key. Every fault is noted and reading goes on, so that a file's faults come all at once;
//! at the end, keys that nobody asked for are faults too.

use super::sheet::Sheet;
use std::cell::RefCell;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

pub(super) struct Section<'t> {
    pub sheet: &'t Sheet,
    table: &'t DeTable<'t>,
    /// Where a missing key is reported.
    pub span: Range<usize>,
    /// `api.` for the keys of `[api]`.
    prefix: String,
    known: RefCell<Vec<&'static str>>,
    missing: RefCell<Vec<(&'static str, &'static str)>>,
    /// Keys of the top level, which often land in the last table by mistake.
    above: &'static [&'static str],
}

impl<'t> Section<'t> {
    /// The whole file; `keys` are those of its top level.
    pub fn top(
        sheet: &'t Sheet,
        table: &'t DeTable<'t>,
        keys: &'static [&'static str],
    ) -> Section<'t> {
        Section {
            sheet,
            table,
            span: 0..0,
            prefix: String::new(),
            known: RefCell::default(),
            missing: RefCell::default(),
            above: keys,
        }
    }

    /// The table under `key`, if it is there.
    pub fn section(&self, key: &'static str) -> Option<Section<'t>> {
        let at = self.value(key)?;
        self.table_at(key, &at)
    }

    /// The table that `at` is; a fault if it is something else.
    pub fn table_at(&self, key: &str, at: &At<&'t DeValue<'t>>) -> Option<Section<'t>> {
        let DeValue::Table(table) = at.value else {
            return self.wrong_type(key, at, "a table");
        };
        Some(Section {
            sheet: self.sheet,
            table,
            span: at.span.clone(),
            prefix: format!("{}{key}.", self.prefix),
            known: RefCell::default(),
            missing: RefCell::default(),
            above: self.above,
        })
    }

    /// All keys of a table whose keys the user chooses.
    pub fn entries(&self) -> impl Iterator<Item = (At<&'t str>, At<&'t DeValue<'t>>)> + use<'t> {
        self.table.iter().map(|(key, value)| {
            let name = At {
                value: key.get_ref().as_ref(),
                span: key.span(),
            };
            (
                name,
                At {
                    value: value.get_ref(),
                    span: value.span(),
                },
            )
        })
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The key with its section: `api.base_url`.
    pub fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Where the key itself stands.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        let found = self.table.get_key_value(key);
        found.map_or(self.span.clone(), |(key, _)| key.span())
    }

    pub fn value(&self, key: &'static str) -> Option<At<&'t DeValue<'t>>> {
        self.know(key);
        let value = self.table.get(key)?;
        Some(At {
            value: value.get_ref(),
            span: value.span(),
        })
    }

    fn know(&self, key: &'static str) {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
    }

    /// Notes a fault if `key` is absent.
    pub fn require(&self, key: &'static str, help: &'static str) {
        if !self.has(key) {
            self.know(key);
            self.missing.borrow_mut().push((key, help));
        }
    }

    /// Notes a fault. Returns `None`, for the caller to return.
    pub fn fault<T>(
        &self,
        span: Range<usize>,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.sheet.fault(span, code, message, help);
        None
    }

    pub fn wrong_type<T>(&self, key: &str, at: &At<&DeValue<'_>>, expected: &str) -> Option<T> {
        let found = match at.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}{key}` is {found}", self.prefix);
        self.fault(
            at.span.clone(),
            "bad-type",
            message,
            format!("{expected} is expected here"),
        )
    }

    /// Reports unknown keys, and missing ones that no unknown key was meant for.
    pub fn finish(self) {
        let known = self.known.borrow();
        let mut meant = Vec::new();
        for key in self.table.keys() {
            let name: &str = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let near = nearest(name, known.iter().copied().filter(|k| !self.has(k)));
            meant.extend(near);
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None if !self.prefix.is_empty() && self.above.contains(&name) => {
                    format!("`{name}` belongs to the file itself: move it above the first [table]")
                }
                None => format!("known here: {}", known.join(", ")),
            };
            let message = format!("unknown key `{}{}`", self.prefix, brief(name));
            self.sheet.fault(key.span(), "unknown-key", message, help);
        }
        for (key, help) in self.missing.borrow().iter() {
            if !meant.contains(key) {
                let message = format!("`{}{key}` is missing", self.prefix);
                self.sheet
                    .fault(self.span.clone(), "missing-key", message, *help);
            }
        }
    }
}

/// The word most like `text`, if one is like it at all.
pub(super) fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let text = text.to_ascii_lowercase();
    words
        .map(|word| {
            (
                strsim::damerau_levenshtein(&text, &word.to_ascii_lowercase()),
                word,
            )
        })
        .filter(|(distance, word)| *distance <= 1.max(word.len().max(text.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Enough of a text to recognise it in a message.
pub(super) fn brief(text: &str) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(60).collect();
    if chars.next().is_some() {
        format!("{head}…")
    } else {
        head
    }
}
