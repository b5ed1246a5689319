//! The checks of a run, each with what was seen and what was wanted, also when it passes.

use super::cells::Cells;
use super::compose::{Composition, Found};
use super::inspect::{Foreign, KEYS_MAX, Unique, Watched, read_keys};
use super::manifest::{Column, Manifest};
use super::merge::Merged;
use super::{PublishOrder, layout, schema};
use crate::run::{Check, CheckStatus};
use crate::schedule::{OnFail, SchemaChange};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

/// So many earlier partitions make a median.
const HISTORY: usize = 28;

/// All that the checks look at.
pub(super) struct Evidence<'a> {
    pub root: &'a Path,
    pub order: &'a PublishOrder,
    pub found: &'a [Found<'a>],
    pub composition: &'a Composition,
    /// The staged file of each target, if it has rows.
    pub files: &'a [Option<Merged>],
    pub columns: &'a [Column],
    /// Cells that this run delivered.
    pub delivered: &'a Cells,
}

/// Every check of the contract, in its order.
pub(super) fn evaluate(evidence: &Evidence) -> Vec<Check> {
    let order = evidence.order;
    let mut checks = vec![coverage(evidence), rows(evidence)];
    checks.extend(unexpected(evidence));
    checks.push(rows_vs_median(evidence));
    checks.push(unique(evidence));
    let watched = watched(evidence);
    for (name, limit) in &order.checks.max_null_rate {
        checks.push(null_rate(
            name,
            *limit,
            watched.get(name),
            total_rows(evidence.found),
        ));
    }
    for (name, bounds) in &order.checks.range {
        checks.push(range(
            name,
            *bounds,
            watched.get(name),
            total_rows(evidence.found),
        ));
    }
    checks.push(schema::check(evidence.root, order, evidence.columns));
    checks.push(format(evidence));
    checks
}

/// The failed checks that keep a run out of `data/`. Too little coverage does not: what came is
/// published, and the run is incomplete.
pub(super) fn forbidding<'c>(order: &PublishOrder, checks: &'c [Check]) -> Vec<&'c Check> {
    let failed = checks
        .iter()
        .filter(|check| check.status == CheckStatus::Fail);
    failed
        .filter(|check| match check.name.as_str() {
            "coverage" | "rows" => false,
            "schema" if order.checks.schema_change == SchemaChange::Reject => true,
            _ => order.checks.on_fail == OnFail::Quarantine,
        })
        .collect()
}

fn check(name: impl Into<String>, status: CheckStatus, observed: Value, expected: Value) -> Check {
    Check {
        name: name.into(),
        status,
        observed,
        expected,
    }
}

fn pass_if(good: bool) -> CheckStatus {
    if good {
        CheckStatus::Pass
    } else {
        CheckStatus::Fail
    }
}

fn total_rows(found: &[Found]) -> u64 {
    found.iter().map(|part| part.facts.rows).sum()
}

/// The share of asked cells that were delivered.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn share(delivered: &Cells) -> f64 {
    match delivered.size() {
        0 => 0.0,
        size => delivered.count() as f64 / size as f64,
    }
}

fn coverage(evidence: &Evidence) -> Check {
    let (order, delivered) = (evidence.order, evidence.delivered);
    let with_rows = || evidence.found.iter().filter(|part| part.facts.rows > 0);
    let wanted = order.checks.min_property_coverage.unwrap_or(1.0);
    let status = match share(delivered) {
        share if delivered.count() == delivered.size() || share >= 1.0 => CheckStatus::Pass,
        share if share >= wanted => CheckStatus::Warn,
        _ => CheckStatus::Fail,
    };
    let columns = &order.columns;
    let mut basis = Vec::new();
    for (column, proven) in [
        (
            &columns.property,
            with_rows().all(|part| part.facts.has_property),
        ),
        (&columns.date, with_rows().all(|part| part.facts.has_date)),
    ] {
        if !proven {
            basis.push(format!(
                "no column `{column}`: what was asked for counts as delivered"
            ));
        }
    }
    if basis.is_empty() {
        basis.push("rows".to_owned());
    }
    let observed = json!({
        "cells": delivered.count(), "of": delivered.size(), "share": share(delivered),
        "basis": basis.join("; "),
    });
    check("coverage", status, observed, json!({"share": wanted}))
}

fn rows(evidence: &Evidence) -> Check {
    let rows = total_rows(evidence.found);
    check("rows", pass_if(rows > 0), json!(rows), json!("at least 1"))
}

fn unexpected(evidence: &Evidence) -> [Check; 2] {
    let mut properties = Foreign::default();
    let mut days = Foreign::default();
    let (mut unkeyed, mut undated) = (0, 0);
    let mut has = (false, false);
    for part in evidence.found {
        properties.add(&part.facts.foreign_properties);
        days.add(&part.facts.foreign_days);
        unkeyed += part.facts.unkeyed;
        undated += part.facts.undated;
        has = (
            has.0 || part.facts.has_property,
            has.1 || part.facts.has_date,
        );
    }
    let verdict = |name: &str, column: &str, has: bool, foreign: &Foreign, unreadable: u64| {
        if !has {
            let observed = json!(format!("not checked: no column `{column}`"));
            return check(name, CheckStatus::Pass, observed, json!({"rows": 0}));
        }
        let observed = json!({
            "rows": foreign.rows, "first": foreign.first, "unreadable": unreadable, "column": column,
        });
        let status = pass_if(foreign.rows == 0 && unreadable == 0);
        check(name, status, observed, json!({"rows": 0, "unreadable": 0}))
    };
    let columns = &evidence.order.columns;
    [
        verdict(
            "unexpected_properties",
            &columns.property,
            has.0,
            &properties,
            unkeyed,
        ),
        verdict("unexpected_dates", &columns.date, has.1, &days, undated),
    ]
}

/// Rows of the newest earlier partitions of the schedule.
fn history(root: &Path, order: &PublishOrder, except: &HashSet<&str>) -> Vec<u64> {
    let folder = layout::meta(root, &order.schedule);
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut keys: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .filter(|key| key.contains('=') && !except.contains(key.as_str()))
        .collect();
    keys.sort_unstable_by(|a, b| b.cmp(a));
    keys.iter()
        .take(HISTORY)
        .filter_map(|key| Manifest::load(root, &order.schedule, key).ok().flatten())
        .map(|manifest| manifest.file.rows)
        .filter(|rows| *rows > 0)
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn rows_vs_median(evidence: &Evidence) -> Check {
    const NAME: &str = "min_rows_vs_median";
    let Some(limit) = evidence.order.checks.min_rows_vs_median else {
        return check(
            NAME,
            CheckStatus::Pass,
            json!("not configured"),
            json!(null),
        );
    };
    let expected = json!({"ratio": limit});
    let targets = &evidence.composition.targets;
    let keys = targets
        .iter()
        .map(|target| target.slice.key.as_str())
        .collect();
    let mut earlier = history(evidence.root, evidence.order, &keys);
    if earlier.len() < 3 {
        let observed = json!({"earlier": earlier.len(), "reason": "fewer than 3 earlier files"});
        return check(NAME, CheckStatus::Pass, observed, expected);
    }
    earlier.sort_unstable();
    let middle = earlier.len() / 2;
    let median = if earlier.len().is_multiple_of(2) {
        (earlier[middle - 1] + earlier[middle]) as f64 / 2.0
    } else {
        earlier[middle] as f64
    };
    let files = targets.iter().zip(evidence.files);
    let lowest = files
        .filter_map(|(target, file)| Some((file.as_ref()?.rows, &target.slice.key)))
        .min();
    let Some((rows, key)) = lowest else {
        return check(
            NAME,
            CheckStatus::Pass,
            json!("no rows to compare"),
            expected,
        );
    };
    let ratio = rows as f64 / median;
    let observed = json!({"ratio": ratio, "rows": rows, "median": median, "partition": key});
    check(NAME, pass_if(ratio >= limit), observed, expected)
}

fn unique(evidence: &Evidence) -> Check {
    let columns = &evidence.order.checks.unique;
    if columns.is_empty() {
        return check(
            "unique",
            CheckStatus::Pass,
            json!("not configured"),
            json!(null),
        );
    }
    let mut total = Unique::default();
    let mut known: HashSet<u64> = HashSet::new();
    for part in evidence.found {
        let Some(seen) = &part.facts.unique else {
            continue;
        };
        total.checked += seen.checked;
        total.duplicates += seen.duplicates;
        total.first.extend(
            seen.first
                .iter()
                .take(5 - total.first.len().min(5))
                .cloned(),
        );
        if part.facts.rows > 0 {
            total.absent.extend(
                seen.absent
                    .iter()
                    .filter(|name| !total.absent.contains(name))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
        let order = evidence.order;
        let path = layout::staged(evidence.root, &order.run, part.part.number, "keys");
        for key in read_keys(&path).unwrap_or_default() {
            if known.len() < KEYS_MAX && !known.insert(key) {
                total.duplicates += 1;
            }
        }
    }
    let rows = total_rows(evidence.found);
    let mut observed =
        json!({"duplicates": total.duplicates, "first": total.first, "rows": total.checked});
    if total.checked < rows || known.len() >= KEYS_MAX {
        observed["reason"] = json!(format!("not checked beyond {} keys", KEYS_MAX));
    }
    if !total.absent.is_empty() {
        observed["absent"] = json!(total.absent);
    }
    let good = total.duplicates == 0 && total.absent.is_empty();
    check(
        "unique",
        pass_if(good),
        observed,
        json!({"columns": columns, "duplicates": 0}),
    )
}

/// The watched columns of all parts together.
fn watched(evidence: &Evidence) -> BTreeMap<String, Watched> {
    let mut all: BTreeMap<String, Watched> = BTreeMap::new();
    for part in evidence.found.iter().filter(|part| part.facts.rows > 0) {
        for (name, seen) in &part.facts.watched {
            let sum = all.entry(name.clone()).or_default();
            sum.present |= seen.present;
            sum.nulls += seen.nulls;
            sum.unreadable += seen.unreadable;
            sum.outside += seen.outside;
            let joined = |a: Option<f64>, b: Option<f64>, pick: fn(f64, f64) -> f64| match (a, b) {
                (Some(a), Some(b)) => Some(pick(a, b)),
                (a, b) => a.or(b),
            };
            sum.min = joined(sum.min, seen.min, f64::min);
            sum.max = joined(sum.max, seen.max, f64::max);
        }
    }
    all
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn null_rate(name: &str, limit: f64, seen: Option<&Watched>, rows: u64) -> Check {
    let title = format!("max_null_rate:{name}");
    let expected = json!({"rate": limit});
    match seen {
        _ if rows == 0 => check(title, CheckStatus::Pass, json!("no rows"), expected),
        Some(seen) if seen.present => {
            let rate = seen.nulls as f64 / rows as f64;
            let observed = json!({"rate": rate, "nulls": seen.nulls, "rows": rows});
            check(title, pass_if(rate <= limit), observed, expected)
        }
        _ => check(title, CheckStatus::Fail, json!("no such column"), expected),
    }
}

fn range(name: &str, (low, high): (f64, f64), seen: Option<&Watched>, rows: u64) -> Check {
    let title = format!("range:{name}");
    let expected = json!({"min": low, "max": high});
    match seen {
        _ if rows == 0 => check(title, CheckStatus::Pass, json!("no rows"), expected),
        Some(seen) if seen.present => {
            let observed = json!({
                "min": seen.min, "max": seen.max, "outside": seen.outside, "unreadable": seen.unreadable,
            });
            let good = seen.outside == 0 && seen.unreadable == 0;
            check(title, pass_if(good), observed, expected)
        }
        _ => check(title, CheckStatus::Fail, json!("no such column"), expected),
    }
}

/// Oddities of form that change no value.
fn format(evidence: &Evidence) -> Check {
    let remarks: Vec<String> = evidence
        .found
        .iter()
        .flat_map(|part| {
            let number = part.part.number;
            part.facts
                .remarks
                .iter()
                .map(move |remark| format!("part {number} {remark}"))
        })
        .take(20)
        .collect();
    let status = if remarks.is_empty() {
        CheckStatus::Pass
    } else {
        CheckStatus::Warn
    };
    check(
        "format",
        status,
        json!({"remarks": remarks}),
        json!(evidence.order.format.as_str()),
    )
}
