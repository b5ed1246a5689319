//! The forms of `properties`: ids, a CSV file, comp sets, accounts.

use super::Fault;
use super::section::{At, Section, brief, nearest};
use super::sheet::{text_of, unreadable};
use crate::schedule::{Accounts, Properties, Property};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::de::DeValue;

/// A list of properties in a CSV file may be this long.
const CSV_MAX: u64 = 64 << 20;

/// Of one list no more faults than these are reported one by one.
const FAULTS_MAX: usize = 20;

const FORMS: [&str; 4] = ["ids", "file", "comp_sets", "accounts"];

pub(super) fn properties(top: &Section<'_>) -> Option<Properties> {
    let section = top.section("properties")?;
    let given: Vec<&str> = FORMS.into_iter().filter(|form| section.has(form)).collect();
    let found = match given.as_slice() {
        [form] => one_form(&section, form),
        [] => {
            section.require(
                "ids",
                "one of ids = [99001416], file = \"properties.csv\", comp_sets = [11848667], accounts = \"all\"",
            );
            know_all(&section);
            None
        }
        [_, second, ..] => {
            know_all(&section);
            let message = format!("`properties` has {}", given.join(" and "));
            let span = section.key_span(second);
            section.fault(
                span,
                "contradiction",
                message,
                "keep one of them; write a schedule for each",
            )
        }
    };
    misplaced(&section, &given);
    section.finish();
    found
}

fn one_form(section: &Section<'_>, form: &str) -> Option<Properties> {
    let listed = |ids: Vec<i64>| {
        ids.into_iter()
            .map(|id| Property { id, name: None })
            .collect()
    };
    match form {
        "ids" => ids(section, "ids").map(|ids| Properties::Listed(listed(ids))),
        "file" => file(section).map(Properties::Listed),
        "comp_sets" => {
            let subjects_only = section.boolean("subjects_only").unwrap_or(false);
            ids(section, "comp_sets").map(|ids| Properties::CompSets { ids, subjects_only })
        }
        _ => accounts(section).map(Properties::Accounts),
    }
}

/// Marks every key as known where another fault says enough.
fn know_all(section: &Section<'_>) {
    for key in FORMS
        .into_iter()
        .chain(["column", "name_column", "subjects_only"])
    {
        section.value(key);
    }
}

/// Keys that mean something beside another form only.
fn misplaced(section: &Section<'_>, given: &[&str]) {
    let [form] = given else { return };
    for (key, owner) in [
        ("column", "file"),
        ("name_column", "file"),
        ("subjects_only", "comp_sets"),
    ] {
        if section.has(key) && *form != owner {
            section.value(key);
            let message = format!("`{key}` says nothing beside `{form}`");
            section.sheet.fault(
                section.key_span(key),
                "contradiction",
                message,
                format!("it goes with `{owner}`: remove it"),
            );
        }
    }
}

/// A non-empty list of distinct ids, sorted.
fn ids(section: &Section<'_>, key: &'static str) -> Option<Vec<i64>> {
    let at = section.value(key)?;
    let DeValue::Array(list) = at.value else {
        return section.wrong_type(key, &at, "a list of ids");
    };
    if list.is_empty() {
        return section.fault(
            at.span,
            "empty-ids",
            format!("`properties.{key}` is empty"),
            "give at least one id",
        );
    }
    let mut seen: BTreeMap<i64, Range<usize>> = BTreeMap::new();
    let mut sound = true;
    for one in list.iter() {
        let id = section.integer_at(
            key,
            &At {
                value: one.get_ref(),
                span: one.span(),
            },
        );
        let fault = match id {
            None => None,
            Some(id) if id < 1 => Some((
                "bad-id",
                format!("{id} is no id"),
                "ids are positive numbers",
            )),
            Some(id) => match seen.insert(id, one.span()) {
                Some(_) => Some((
                    "duplicate-ids",
                    format!("{id} is listed twice"),
                    "remove one of the two",
                )),
                None => continue,
            },
        };
        if let Some((code, message, help)) = fault {
            section.sheet.fault(one.span(), code, message, help);
        }
        sound = false;
    }
    sound.then(|| seen.into_keys().collect())
}

fn accounts(section: &Section<'_>) -> Option<Accounts> {
    let at = section.value("accounts")?;
    match at.value {
        DeValue::String(word) if word == "all" => Some(Accounts::All),
        DeValue::String(word) => {
            let message = format!("`properties.accounts` is \"{}\"", brief(word));
            section.fault(
                at.span,
                "bad-value",
                message,
                "write \"all\" or a list of account ids",
            )
        }
        _ => ids(section, "accounts").map(Accounts::Ids),
    }
}

fn file(section: &Section<'_>) -> Option<Vec<Property>> {
    let (at, column) = (section.text("file"), section.text("column"));
    let name_column = section.text("name_column");
    let at = at?;
    let path = section.sheet.folder().join(at.value.as_ref());
    if let Err(error) = std::fs::metadata(&path) {
        let fault = unreadable(&path, &error);
        let help = "a relative path starts from the schedule's own folder";
        return section.fault(
            at.span,
            fault.code,
            format!("{}: {}", path.display(), fault.message),
            help,
        );
    }
    let text = match text_of(&path, CSV_MAX) {
        Ok(text) => text,
        Err(fault) => {
            section.sheet.push(fault);
            return None;
        }
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.strip_prefix('\u{feff}').unwrap_or(&text).as_bytes());
    let headers = reader.headers().cloned().unwrap_or_default();
    let headers: Vec<&str> = headers.iter().map(str::trim).collect();
    let position = |wanted: &str, span: Range<usize>| {
        let found = headers.iter().position(|header| *header == wanted);
        found.or_else(|| {
            let help = match nearest(wanted, headers.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("it has {}", brief(&headers.join(", "))),
            };
            let message = format!("{} has no column \"{}\"", path.display(), brief(wanted));
            section.fault(span, "missing-column", message, help)
        })
    };
    let (wanted, span) = column.map_or(("id".into(), at.span.clone()), |at| (at.value, at.span));
    let id_at = position(&wanted, span);
    let name_at = match name_column {
        Some(at) => Some(position(&at.value, at.span)?),
        None => None,
    };
    let (properties, mut faults) = rows(&path, reader, id_at?, name_at);
    if faults.len() > FAULTS_MAX {
        let more = faults.len() - FAULTS_MAX;
        faults.truncate(FAULTS_MAX);
        faults.push(Fault::of_file(
            &path,
            "bad-id",
            format!("and {more} more lines like these"),
            "mend the file's export",
        ));
    }
    if faults.is_empty() && properties.is_empty() {
        return section.fault(
            at.span,
            "empty-ids",
            format!("{} lists no property", path.display()),
            "give at least one",
        );
    }
    let sound = faults.is_empty();
    faults
        .into_iter()
        .for_each(|fault| section.sheet.push(fault));
    sound.then(|| properties.into_values().collect())
}

/// The properties by id, and what is wrong with their lines.
fn rows(
    path: &Path,
    mut reader: csv::Reader<&[u8]>,
    id_at: usize,
    name_at: Option<usize>,
) -> (BTreeMap<i64, Property>, Vec<Fault>) {
    let mut properties = BTreeMap::new();
    let mut lines: BTreeMap<i64, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.push(Fault::of_file(
                    path,
                    "bad-csv",
                    format!("no CSV: {error}"),
                    "save it as CSV again",
                ));
                break;
            }
        };
        let line = record
            .position()
            .map_or(1, |position| position.line() as usize);
        let text = record.get(id_at).unwrap_or("").trim();
        match text.parse::<i64>() {
            Ok(id) if id >= 1 => {
                if let Some(first) = lines.insert(id, line) {
                    let help = format!("it stands on line {first} already: remove one of the two");
                    faults.push(
                        Fault::of_file(
                            path,
                            "duplicate-ids",
                            format!("{id} is listed twice"),
                            help,
                        )
                        .at_line(line),
                    );
                }
                let name = name_at
                    .and_then(|at| record.get(at))
                    .map(str::trim)
                    .filter(|name| !name.is_empty());
                properties.insert(
                    id,
                    Property {
                        id,
                        name: name.map(Box::from),
                    },
                );
            }
            _ => {
                let message = format!("\"{}\" is no property id", brief(text));
                faults.push(
                    Fault::of_file(path, "bad-id", message, "ids are positive whole numbers")
                        .at_line(line),
                );
            }
        }
    }
    (properties, faults)
}
