//! Values of one key, each with the type and the range it must have.

use super::section::{At, Section, brief, nearest};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;

/// Durations end here, so that no sum of them overflows: ten years.
const DURATION_MAX: Duration = Duration::from_secs(3650 * 86_400);

impl<'t> Section<'t> {
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
            format!("`{}` is {number}", self.name(key)),
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
            let message = format!("`{}` is no finite number", self.name(key));
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
            format!("`{}` is {share}", self.name(key)),
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
        let message = format!("`{}` is \"{}\"", self.name(key), brief(&at.value));
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
                format!("`{}` is a bare number", self.name(key)),
                help,
            );
        }
        let at = self.text_at(key, &at)?;
        let fault = |help: &str| {
            let message = format!("`{}` is \"{}\"", self.name(key), brief(&at.value));
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
}
