//! `[checks]`: what a delivered file must satisfy.

use super::section::{At, Section};
use crate::schedule::{Checks, OnFail, SchemaChange};
use std::collections::BTreeMap;

pub(super) fn checks(top: &Section<'_>) -> Checks {
    let mut checks = Checks {
        min_property_coverage: None,
        min_rows_vs_median: None,
        unique: Vec::new(),
        max_null_rate: BTreeMap::new(),
        range: BTreeMap::new(),
        schema_change: SchemaChange::Notify,
        on_fail: OnFail::Quarantine,
    };
    let Some(section) = top.section("checks") else {
        return checks;
    };
    checks.min_property_coverage = section.share("min_property_coverage");
    checks.min_rows_vs_median = section.share("min_rows_vs_median");
    if let Some(list) = section.texts("unique") {
        checks.unique = list
            .value
            .into_iter()
            .map(|at| at.value.into_owned())
            .collect();
    }
    if let Some(rates) = section.section("max_null_rate") {
        let share = |(key, at): (At<&str>, At<_>)| {
            Some((key.value.to_owned(), rates.share_at(key.value, &at)?))
        };
        checks.max_null_rate = rates.entries().filter_map(share).collect();
    }
    if let Some(ranges) = section.section("range") {
        checks.range = ranges
            .entries()
            .filter_map(|(key, at)| Some((key.value.to_owned(), bounds(&ranges, key.value, &at)?)))
            .collect();
    }
    let change = section.choice(
        "schema_change",
        &[
            ("notify", SchemaChange::Notify),
            ("reject", SchemaChange::Reject),
            ("accept", SchemaChange::Accept),
        ],
    );
    checks.schema_change = change.unwrap_or(checks.schema_change);
    let on_fail = section.choice(
        "on_fail",
        &[("quarantine", OnFail::Quarantine), ("land", OnFail::Land)],
    );
    checks.on_fail = on_fail.unwrap_or(checks.on_fail);
    section.finish();
    checks
}

/// `[least, most]`.
fn bounds(section: &Section<'_>, key: &str, at: &At<&toml::de::DeValue<'_>>) -> Option<(f64, f64)> {
    let toml::de::DeValue::Array(list) = at.value else {
        return section.fault(
            at.span.clone(),
            "bad-type",
            format!("`checks.range.{key}` is no list"),
            "write [least, most]",
        );
    };
    let [least, most] = &list[..] else {
        let message = format!("`checks.range.{key}` is no pair");
        return section.fault(
            at.span.clone(),
            "bad-value",
            message,
            "write two: [least, most]",
        );
    };
    let number = |one: &toml::Spanned<toml::de::DeValue<'_>>| {
        let at = At {
            value: one.get_ref(),
            span: one.span(),
        };
        section.float_at(key, &at)
    };
    let (least, most) = (number(least)?, number(most)?);
    if least <= most {
        return Some((least, most));
    }
    let message = format!("`checks.range.{key}` goes from {least} to {most}");
    section.fault(
        at.span.clone(),
        "contradiction",
        message,
        "the smaller number comes first",
    )
}
