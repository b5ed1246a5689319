//! What the rows hold: keys, nulls, ranges.

use super::scope::Scope;
use super::{check, pass_if};
use crate::landing::inspect::Watched;
use crate::run::{Check, CheckStatus};
use serde_json::{Value, json};

/// Keys named in a check.
const NAMED: usize = 5;

/// No key twice within one file.
pub(super) fn unique(scope: &Scope) -> Option<Check> {
    let columns = &scope.order.checks.unique;
    if columns.is_empty() {
        return None;
    }
    let expected = json!({"columns": columns, "duplicates": 0});
    let rows = scope.rows();
    if rows == 0 {
        return Some(unlooked("unique".to_owned(), expected));
    }
    let mut first: Vec<&String> = Vec::new();
    let mut absent: Vec<&String> = Vec::new();
    for seen in scope.with_rows() {
        let Some(unique) = &seen.part.facts.unique else {
            continue;
        };
        if seen.duplicates > 0 {
            first.extend(unique.first.iter().take(NAMED - first.len().min(NAMED)));
        }
        for name in &unique.absent {
            if !absent.contains(&name) {
                absent.push(name);
            }
        }
    }
    let within: u64 = scope.parts.iter().map(|seen| seen.duplicates).sum();
    let duplicates = within + scope.repeated;
    let mut observed = json!({"duplicates": duplicates, "rows": rows});
    if !first.is_empty() {
        observed["first"] = json!(first);
    }
    if !absent.is_empty() {
        observed["absent"] = json!(absent);
    }
    let good = duplicates == 0 && absent.is_empty();
    Some(check("unique", pass_if(good), observed, expected))
}

/// Said of a check that had no row to look at: neither passed nor failed.
fn unlooked(name: String, expected: Value) -> Check {
    let observed = json!({"rows": 0, "reason": "there is no row to look at"});
    check(name, CheckStatus::Warn, observed, expected)
}

fn no_column(name: String, expected: Value) -> Check {
    let observed = json!({"reason": "the files have no such column"});
    check(name, CheckStatus::Fail, observed, expected)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub(super) fn null_rates(scope: &Scope) -> Vec<Check> {
    let rows = scope.rows();
    let limits = scope.order.checks.max_null_rate.iter();
    let look = |(column, limit): (&String, &f64)| {
        let name = format!("max_null_rate:{column}");
        let expected = json!({"rate": limit});
        match scope.watched(column) {
            _ if rows == 0 => unlooked(name, expected),
            Some(seen) if seen.present => {
                let rate = seen.nulls as f64 / rows as f64;
                let observed = json!({"rate": rate, "nulls": seen.nulls, "rows": rows});
                check(name, pass_if(rate <= *limit), observed, expected)
            }
            _ => no_column(name, expected),
        }
    };
    limits.map(look).collect()
}

pub(super) fn ranges(scope: &Scope) -> Vec<Check> {
    let rows = scope.rows();
    let bounds = scope.order.checks.range.iter();
    let look = |(column, (low, high)): (&String, &(f64, f64))| {
        let name = format!("range:{column}");
        let expected = json!({"min": low, "max": high});
        match scope.watched(column) {
            _ if rows == 0 => unlooked(name, expected),
            Some(Watched {
                present: true,
                outside,
                unreadable,
                min,
                max,
                nulls,
            }) => {
                let observed = json!({
                    "min": min, "max": max, "outside": outside, "unreadable": unreadable,
                    "nulls": nulls, "rows": rows,
                });
                check(
                    name,
                    pass_if(outside == 0 && unreadable == 0),
                    observed,
                    expected,
                )
            }
            _ => no_column(name, expected),
        }
    };
    bounds.map(look).collect()
}
