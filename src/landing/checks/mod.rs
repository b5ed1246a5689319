//! The checks of a run and of each of its files, each with what was seen and what was wanted, also when
//! it passes. What was not asked for, or cannot be looked at, is not listed.

mod rows;
mod scope;
mod values;
mod windows;

use super::PublishOrder;
use super::compose::{Composition, Found};
use super::layout;
use super::merge::Merged;
use super::schema;
use crate::run::{Check, CheckStatus, Fault};
use crate::schedule::{OnFail, SchemaChange};
pub(super) use rows::share;
use scope::{History, Repeats, Scope};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;
pub(super) use windows::event as windows_event;

/// All that the checks look at.
pub(super) struct Evidence<'a> {
    pub root: &'a Path,
    pub order: &'a PublishOrder,
    pub found: &'a [Found<'a>],
    pub composition: &'a Composition,
    /// The staged file of each target, if it has rows.
    pub files: &'a [Option<Merged>],
    /// Cells that this run delivered.
    pub delivered: &'a super::cells::Cells,
    pub schema: &'a schema::Comparison,
}

/// What was found of the run as a whole, and of each of its files.
pub(super) struct Findings {
    pub run: Vec<Check>,
    /// One list a target of the composition.
    pub files: Vec<Vec<Check>>,
}

/// Every check of the contract, in its order.
pub(super) fn evaluate(evidence: &Evidence) -> Result<Findings, Fault> {
    let order = evidence.order;
    let targets = &evidence.composition.targets;
    let keys: HashSet<&str> = targets
        .iter()
        .map(|target| target.slice.key.as_str())
        .collect();
    let history = match order.checks.min_rows_vs_median {
        Some(_) => History::read(evidence.root, order, &keys),
        None => History::default(),
    };
    let repeats = match order.checks.unique.is_empty() {
        true => Repeats::default(),
        false => Repeats::find(order, evidence.found, |part| {
            layout::staged(evidence.root, &order.run, part, "keys")
        })?,
    };
    let schema = schema::check(order, evidence.schema);
    let beside: Vec<Check> = schema
        .into_iter()
        .chain(windows::overlapping(evidence))
        .collect();
    let of = |scope: &Scope| look(scope, &history, &beside);
    let files = targets.iter().zip(evidence.files);
    Ok(Findings {
        run: of(&Scope::of_run(evidence, &repeats)),
        files: files
            .map(|(target, file)| of(&Scope::of_file(evidence, target, file.as_ref(), &repeats)))
            .collect(),
    })
}

/// `beside`: what is so of the run and of each file alike.
fn look(scope: &Scope, history: &History, beside: &[Check]) -> Vec<Check> {
    let mut checks = vec![rows::coverage(scope), rows::rows(scope)];
    checks.extend(rows::unexpected(scope));
    checks.extend(rows::rows_vs_median(scope, history));
    checks.extend(values::unique(scope));
    checks.extend(values::null_rates(scope));
    checks.extend(values::ranges(scope));
    checks.extend_from_slice(beside);
    checks.push(rows::format(scope));
    checks
}

/// The failed checks that keep a run out of `data/`. Too little coverage does not: what came is
/// published, and the run is incomplete.
pub(super) fn forbidding<'c>(order: &PublishOrder, checks: &'c [Check]) -> Vec<&'c Check> {
    if order.accepted_by.is_some() {
        return Vec::new();
    }
    let failed = checks
        .iter()
        .filter(|check| check.status == CheckStatus::Fail);
    failed
        .filter(|check| match check.name.as_str() {
            rows::COVERAGE | rows::ROWS => false,
            schema::CHECK if order.checks.schema_change == SchemaChange::Reject => true,
            _ => order.checks.on_fail == OnFail::Quarantine,
        })
        .collect()
}

/// The failed checks that a person must know of although the rows have landed.
pub(super) fn overruled(checks: &[Check]) -> Vec<&Check> {
    checks
        .iter()
        .filter(|check| check.status == CheckStatus::Fail)
        .filter(|check| !matches!(check.name.as_str(), rows::COVERAGE | rows::ROWS))
        .collect()
}

/// Failed checks with the figure that tells most, for a reason.
pub(super) fn named(checks: &[&Check]) -> String {
    let words = checks.iter().map(|check| {
        let seen = check.observed.as_object();
        let telling = [
            "rate",
            "outside",
            "duplicates",
            "ratio",
            "rows",
            "absent",
            "removed",
            "retyped",
            "added",
        ];
        let figure = telling.iter().find_map(|key| {
            let value = seen?.get(*key).filter(|value| !is_nothing(value))?;
            Some(format!(" ({key} {value})"))
        });
        format!("{}{}", check.name, figure.unwrap_or_default())
    });
    words.collect::<Vec<_>>().join(", ")
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_u64() == Some(0) || value.as_array().is_some_and(Vec::is_empty)
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
