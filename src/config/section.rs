//! Reads one table key by key. Every fault is noted and reading goes on, so that a file's faults come all at once;
//! at the end, keys that nobody asked for are faults too.

use super::sheet::Sheet;
use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// Durations end here, so that no sum of them overflows: ten years.
const DURATION_MAX: Duration = Duration::from_secs(3650 * 86_400);

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

    pub fn text(&self, key: &'static str) -> Option<At<Cow<'t, str>>> {
        let at = self.value(key)?;
        self.text_at(key, &at)
    }

    pub fn text_at(&self, key: &str, at: &At<&'t DeValue<'t>>) -> Option<At<Cow<'t, str>>> {
        let span = at.span.clone();
        match at.value {
            DeValue::String(text) => Some(At {
                value: Cow::Borrowed(text.as_ref()),
                span,
            }),
            // The environment has no quotes: `APTIQD_API__CLIENT_ID=123` means the text.
            _ => match self.sheet.override_text(&at.span) {
                Some(raw) => Some(At {
                    value: Cow::Borrowed(raw),
                    span,
                }),
                None => self.wrong_type(key, at, "a text in quotes"),
            },
        }
    }

    /// A list of texts; a single text is a list of one.
    pub fn texts(&self, key: &'static str) -> Option<At<Vec<At<Cow<'t, str>>>>> {
        let at = self.value(key)?;
        self.texts_at(key, &at)
    }

    pub fn texts_at(
        &self,
        key: &str,
        at: &At<&'t DeValue<'t>>,
    ) -> Option<At<Vec<At<Cow<'t, str>>>>> {
        let span = at.span.clone();
        let value = match at.value {
            DeValue::Array(list) => list
                .iter()
                .map(|one| {
                    self.text_at(
                        key,
                        &At {
                            value: one.get_ref(),
                            span: one.span(),
                        },
                    )
                })
                .collect::<Option<_>>()?,
            DeValue::String(_) => vec![self.text_at(key, at)?],
            _ if self.sheet.override_text(&span).is_some() => vec![self.text_at(key, at)?],
            _ => return self.wrong_type(key, at, "a text in quotes or a list of them"),
        };
        Some(At { value, span })
    }

    pub fn integer(&self, key: &'static str, allowed: RangeInclusive<i64>) -> Option<i64> {
        let at = self.value(key)?;
        let number = self.integer_at(key, &at)?;
        if allowed.contains(&number) {
            return Some(number);
        }
        let (low, high) = allowed.into_inner();
        let help = format!("give a number from {low} to {high}");
        self.fault(
            at.span,
            "out-of-range",
            format!("`{}{key}` is {number}", self.prefix),
            help,
        )
    }

    pub fn integer_at(&self, key: &str, at: &At<&DeValue<'_>>) -> Option<i64> {
        let DeValue::Integer(text) = at.value else {
            return self.wrong_type(key, at, "a whole number");
        };
        let number = i64::from_str_radix(text.as_str(), text.radix()).ok();
        number.or_else(|| {
            let message = format!("`{text}` is too large a number");
            self.fault(
                at.span.clone(),
                "out-of-range",
                message,
                "numbers go up to 9223372036854775807",
            )
        })
    }

    /// A number, written with or without a fraction.
    pub fn float_at(&self, key: &str, at: &At<&DeValue<'_>>) -> Option<f64> {
        let number: Option<f64> = match at.value {
            DeValue::Integer(_) => return self.integer_at(key, at).map(|n| n as f64),
            DeValue::Float(text) => text.as_str().parse().ok(),
            _ => return self.wrong_type(key, at, "a number"),
        };
        number.filter(|n| n.is_finite()).or_else(|| {
            let message = format!("`{}{key}` is no finite number", self.prefix);
            self.fault(
                at.span.clone(),
                "out-of-range",
                message,
                "write a plain number such as 0.98",
            )
        })
    }

    /// A share, from 0 to 1.
    pub fn share(&self, key: &'static str) -> Option<f64> {
        let at = self.value(key)?;
        self.share_at(key, &at)
    }

    pub fn share_at(&self, key: &str, at: &At<&DeValue<'_>>) -> Option<f64> {
        let share = self.float_at(key, at)?;
        if (0.0..=1.0).contains(&share) {
            return Some(share);
        }
        let help = match share {
            s if s > 1.0 && s <= 100.0 => format!(
                "a share goes from 0 to 1: {share} percent is {}",
                share / 100.0
            ),
            _ => "a share goes from 0 to 1".to_owned(),
        };
        self.fault(
            at.span.clone(),
            "out-of-range",
            format!("`{}{key}` is {share}", self.prefix),
            help,
        )
    }

    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let at = self.value(key)?;
        match at.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type(key, &at, "true or false, without quotes"),
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let at = self.text(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == at.value) {
            return Some(*value);
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = match nearest(&at.value, words.iter().copied()) {
            Some(word) => format!("did you mean \"{word}\"?"),
            None => format!("one of {}", words.join(", ")),
        };
        let message = format!("`{}{key}` is \"{}\"", self.prefix, brief(&at.value));
        self.fault(at.span, "bad-value", message, help)
    }

    /// A duration of at least `least`, in humantime's words.
    pub fn duration(&self, key: &'static str, least: Duration) -> Option<At<Duration>> {
        let at = self.value(key)?;
        if let (DeValue::Integer(number), None) = (at.value, self.sheet.override_text(&at.span)) {
            let help = format!("say of what: \"{number}s\", \"{number}m\" or \"{number}h\"");
            return self.fault(
                at.span,
                "bad-type",
                format!("`{}{key}` is a bare number", self.prefix),
                help,
            );
        }
        let at = self.text_at(key, &at)?;
        let fault = |help: &str| {
            let message = format!("`{}{key}` is \"{}\"", self.prefix, brief(&at.value));
            self.fault(at.span.clone(), "bad-duration", message, help)
        };
        if at.value.contains('M') {
            return fault("`M` would be months: write `m` for minutes or `d` for days");
        }
        let Ok(duration) = humantime::parse_duration(&at.value) else {
            return fault("write a number and its unit, such as 30s, 15m, 6h or 7d");
        };
        if duration < least {
            return fault("the shortest duration is 1s");
        }
        if duration > DURATION_MAX {
            return fault("the longest duration is 3650d");
        }
        Some(At {
            value: duration,
            span: at.span,
        })
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
