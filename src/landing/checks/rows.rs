//! Response against request: whose rows came, of which days, and how many.

use super::scope::{History, Scope, Seen};
use super::{check, pass_if};
use crate::landing::cells::Cells;
use crate::landing::inspect::Foreign;
use crate::run::{Check, CheckStatus};
use serde_json::{Value, json};

pub(super) const COVERAGE: &str = "min_property_coverage";
pub(super) const ROWS: &str = "rows";
/// Absent cells and files named in a check; all of them are in the manifests.
const NAMED: usize = 20;

/// The share of asked cells that are there.
#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(in crate::landing) fn share(asked: u64, landed: u64) -> f64 {
    match asked {
        0 => 0.0,
        asked => landed as f64 / asked as f64,
    }
}

pub(super) fn coverage(scope: &Scope) -> Check {
    let (asked, landed) = (scope.asked.count(), scope.landed.count());
    let wanted = scope.order.checks.min_property_coverage.unwrap_or(1.0);
    let status = match share(asked, landed) {
        _ if landed == asked && asked > 0 => CheckStatus::Pass,
        share if share >= wanted => CheckStatus::Warn,
        _ => CheckStatus::Fail,
    };
    let (missing, more) = absent(&scope.asked, &scope.landed);
    let mut observed = json!({
        "share": share(asked, landed), "cells": landed, "of": asked, "basis": basis(scope),
    });
    if !missing.is_empty() {
        observed["missing"] = json!(missing);
    }
    if more > 0 {
        observed["missing_more"] = json!(more);
    }
    check(COVERAGE, status, observed, json!({"share": wanted}))
}

/// The first absent cells by name, and how many spans more there are.
fn absent(asked: &Cells, landed: &Cells) -> (Vec<String>, usize) {
    let mut gaps = asked.clone();
    landed
        .spans()
        .into_iter()
        .for_each(|span| gaps.clear_span(span));
    let gaps = gaps.spans();
    let named = gaps.iter().take(NAMED);
    let named = named.map(|gap| format!("{} {}", gap.property, gap.window()));
    (named.collect(), gaps.len().saturating_sub(NAMED))
}

/// What the share was counted by.
fn basis(scope: &Scope) -> String {
    let columns = &scope.order.columns;
    let all = |has: fn(&Seen) -> bool| scope.with_rows().all(has);
    let mut words = Vec::new();
    for (column, proven) in [
        (&columns.property, all(|seen| seen.part.facts.has_property)),
        (&columns.date, all(|seen| seen.part.facts.has_date)),
    ] {
        if !proven {
            words.push(format!(
                "no column `{column}`: what was asked for counts as delivered"
            ));
        }
    }
    match words.is_empty() {
        true => "rows".to_owned(),
        false => words.join("; "),
    }
}

/// Zero rows are never silent; nor is a file that was asked for and has none.
pub(super) fn rows(scope: &Scope) -> Check {
    let rows = scope.rows();
    let empty: Vec<&str> = scope
        .files
        .iter()
        .filter(|(_, rows)| *rows == 0)
        .map(|(key, _)| *key)
        .collect();
    let status = match (rows, empty.is_empty()) {
        (0, _) => CheckStatus::Fail,
        (_, false) => CheckStatus::Warn,
        _ => CheckStatus::Pass,
    };
    let observed = match rows > 0 && !empty.is_empty() {
        true => {
            let named = &empty[..empty.len().min(NAMED)];
            json!({"rows": rows, "files_without_rows": empty.len(), "first": named})
        }
        false => json!({"rows": rows}),
    };
    check(ROWS, status, observed, json!({"rows": "at least 1"}))
}

/// Rows of properties or days that nobody asked for. Without the column there is nothing to look at.
pub(super) fn unexpected(scope: &Scope) -> Vec<Check> {
    let columns = &scope.order.columns;
    let mut properties = Foreign::default();
    let mut days = Foreign::default();
    let (mut unkeyed, mut undated) = (0, 0);
    for seen in &scope.parts {
        properties.add(&seen.foreign_properties);
        if seen.whole {
            days.add(&seen.part.facts.foreign_days);
            unkeyed += seen.part.facts.unkeyed;
            undated += seen.part.facts.undated;
        }
    }
    let mut checks = Vec::new();
    if scope.parts.iter().any(|seen| seen.part.facts.has_property) {
        let column = &columns.property;
        checks.push(foreign(
            "unexpected_properties",
            column,
            &properties,
            unkeyed,
        ));
    }
    if scope.parts.iter().any(|seen| seen.part.facts.has_date) {
        checks.push(foreign("unexpected_dates", &columns.date, &days, undated));
    }
    checks
}

fn foreign(name: &str, column: &str, foreign: &Foreign, unreadable: u64) -> Check {
    let observed = json!({
        "rows": foreign.rows, "first": foreign.first, "unreadable": unreadable, "column": column,
    });
    let status = pass_if(foreign.rows == 0 && unreadable == 0);
    check(name, status, observed, json!({"rows": 0, "unreadable": 0}))
}

/// The smallest file against the median of earlier ones.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
pub(super) fn rows_vs_median(scope: &Scope, history: &History) -> Option<Check> {
    let limit = scope.order.checks.min_rows_vs_median?;
    let tell = |status, observed: Value| {
        Some(check(
            "min_rows_vs_median",
            status,
            observed,
            json!({"ratio": limit}),
        ))
    };
    let Some(median) = history.median() else {
        let observed =
            json!({"earlier_files": 0, "reason": "there is no earlier file to compare with"});
        return tell(CheckStatus::Warn, observed);
    };
    let filled = scope.files.iter().filter(|(_, rows)| *rows > 0);
    let Some((key, rows)) = filled.min_by_key(|(_, rows)| *rows) else {
        let observed = json!({"rows": 0, "median": median, "ratio": 0.0});
        return tell(CheckStatus::Fail, observed);
    };
    let ratio = *rows as f64 / median;
    let observed = json!({
        "ratio": ratio, "rows": rows, "median": median, "earlier_files": history.0.len(),
        "partition": key,
    });
    tell(pass_if(ratio >= limit), observed)
}

/// Oddities of form that change no value.
pub(super) fn format(scope: &Scope) -> Check {
    let remarks: Vec<String> = scope
        .parts
        .iter()
        .flat_map(|seen| {
            let number = seen.part.part.number;
            let remarks = seen.part.facts.remarks.iter();
            remarks.map(move |remark| format!("part {number} {remark}"))
        })
        .take(NAMED)
        .collect();
    let status = match remarks.is_empty() {
        true => CheckStatus::Pass,
        false => CheckStatus::Warn,
    };
    let format = scope.order.format.as_str();
    let observed = json!({"format": format, "remarks": remarks});
    check("format", status, observed, json!({"format": format}))
}
