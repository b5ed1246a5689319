//! `APTIQD_SECTION__KEY` in the environment stands in for `key` of `[section]`, and `APTIQD_SCHEDULES` for the one
//! key above all sections.

use super::Fault;
use super::sheet::{Override, Sheet};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const PREFIX: &str = "APTIQD_";
/// Keys that hold a list, which a variable may give without TOML's brackets: `a.example,b.example`.
const LISTS: [&str; 1] = ["allowed_hosts"];

/// Whether a variable of this name is an override: other `APTIQD_` variables, as `APTIQD_CONFIG`, are not.
pub(super) fn is_override(variable: &str) -> bool {
    match variable.strip_prefix(PREFIX) {
        Some(rest) => rest == "SCHEDULES" || rest.split("__").count() > 1,
        None => false,
    }
}

/// A warning of a variable that names a section and overrides nothing: `APTIQD_API_BASE_URL` for `APTIQD_API__BASE_URL`.
pub(super) fn nearly(variable: &str, keys: &[&str]) -> Option<Fault> {
    let rest = variable.strip_prefix(PREFIX)?;
    let mut sections = keys.iter().filter(|key| **key != "schedules");
    let meant = sections.find_map(|section| {
        let section = section.to_ascii_uppercase();
        let key = match rest.strip_prefix(&section)? {
            "" => "KEY",
            key => key.strip_prefix('_')?,
        };
        Some(format!("{PREFIX}{section}__{key}"))
    })?;
    Some(Fault::of_file(
        Path::new(&format!("${variable}")),
        "no-override",
        format!("`{variable}` overrides nothing"),
        format!("a section and its key are joined by two underscores: {meant}"),
    ))
}

/// Puts every override of the sheet into the file's table.
pub(super) fn apply<'t>(sheet: &'t Sheet, table: &mut DeTable<'t>) {
    for over in sheet.overrides() {
        let path = over.variable[PREFIX.len()..].to_ascii_lowercase();
        let mut keys: Vec<&str> = path.split("__").collect();
        let last = keys.pop().unwrap_or_default();
        put(table, &keys, last, over);
    }
}

fn put<'t>(table: &mut DeTable<'t>, path: &[&str], last: &str, over: &'t Override) {
    let span = over.base..over.base + over.value.len();
    let key = |name: &str| Spanned::new(span.clone(), name.to_owned().into());
    let Some((first, rest)) = path.split_first() else {
        table.remove(last);
        table.insert(key(last), value_of(over, last));
        return;
    };
    if !table.contains_key(*first) {
        table.insert(
            key(first),
            Spanned::new(span.clone(), DeValue::Table(DeTable::new())),
        );
    }
    // A section that is no table is the file's own fault, found when it is read.
    if let Some(DeValue::Table(inner)) = table.get_mut(*first).map(Spanned::get_mut) {
        put(inner, rest, last, over);
    }
}

/// The value as TOML if it is some, else as text, or as the texts of a list.
fn value_of<'t>(over: &'t Override, key: &str) -> Spanned<DeValue<'t>> {
    match DeValue::parse(&over.value) {
        Ok(mut value) => {
            shift(&mut value, over.base);
            value
        }
        Err(_) => {
            let span = over.base..over.base + over.value.len();
            let text =
                |text: &'t str| Spanned::new(span.clone(), DeValue::String(text.trim().into()));
            match LISTS.contains(&key) {
                true => {
                    let texts = over.value.split(',').map(text).collect();
                    Spanned::new(span.clone(), DeValue::Array(texts))
                }
                false => text(&over.value),
            }
        }
    }
}

fn shift(value: &mut Spanned<DeValue<'_>>, by: usize) {
    let moved: Range<usize> = value.span().start + by..value.span().end + by;
    let mut inner = std::mem::replace(value.get_mut(), DeValue::Boolean(false));
    match &mut inner {
        DeValue::Array(list) => list.iter_mut().for_each(|one| shift(one, by)),
        DeValue::Table(table) => table.iter_mut().for_each(|(_, one)| shift(one, by)),
        _ => {}
    }
    *value = Spanned::new(moved, inner);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sections_and_the_top_key_are_overrides() {
        for yes in [
            "APTIQD_API__BASE_URL",
            "APTIQD_SCHEDULES",
            "APTIQD_NOTIFY__OPS__URL",
            "APTIQD_X__Y",
        ] {
            assert!(is_override(yes), "{yes}");
        }
        for no in [
            "APTIQD_CONFIG",
            "APTIQD_LOG",
            "PATH",
            "XAPTIQD_API__BASE_URL",
        ] {
            assert!(!is_override(no), "{no}");
        }
    }

    #[test]
    fn a_variable_that_is_nearly_an_override_is_told() {
        let keys = ["schedules", "api", "callback"];
        for (variable, meant) in [
            ("APTIQD_API", "APTIQD_API__KEY"),
            ("APTIQD_CALLBACK_LISTEN", "APTIQD_CALLBACK__LISTEN"),
        ] {
            let warning = nearly(variable, &keys).expect("a warning");
            assert!(warning.help.ends_with(meant), "{}", warning.help);
        }
        for other in [
            "APTIQD_APIARY",
            "APTIQD_SCHEDULES_PATH",
            "APTIQD_LOG",
            "API_BASE_URL",
            "APTIQD_",
        ] {
            assert_eq!(nearly(other, &keys), None, "{other}");
        }
    }
}
