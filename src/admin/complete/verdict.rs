//! Why a cell is as it is, in words, and what mends it.

use crate::coverage::CellState;
use crate::roster::CellNow;
use crate::run::{Part, PartState, Run, RunState};
use crate::schedule::Name;
use chrono::NaiveDate;

/// Why the cell is as it is, and the command that mends it.
pub(super) fn verdict(
    schedule: &Name,
    property: i64,
    date: NaiveDate,
    cell: &CellNow,
    run: Option<&Run>,
) -> (String, Option<String>) {
    let backfill =
        |only: &str| format!("aptiqd backfill {schedule} --from {date} --to {date}{only}");
    if let Some(excluded) = &cell.excluded
        && cell.state == CellState::Excluded
    {
        let because = format!(
            "{property} is excluded by {}: {}",
            excluded.by, excluded.reason
        );
        return (
            because,
            Some(format!("aptiqd properties include {property}")),
        );
    }
    if let Some(run) = run.filter(|run| !run.state.is_terminal()) {
        let because = format!("{} is {} and will bring it", run.id, run.state.as_str());
        return (because, Some(format!("aptiqd show {}", run.id)));
    }
    if !cell.declared && cell.state != CellState::Landed {
        let because = format!("`{schedule}` does not export {property}");
        let mend = format!("add it to properties in {schedule}.toml, then `aptiqd reload`");
        return (because, Some(mend));
    }
    let reason = |run: &Run| {
        run.reason
            .clone()
            .unwrap_or_else(|| run.state.as_str().to_owned())
    };
    match (cell.state, run) {
        (CellState::Landed, Some(run)) => (format!("{} landed it", run.id), None),
        (CellState::Landed, None) => {
            let because = "it has landed; the store does not know the run any more";
            (because.to_owned(), None)
        }
        (CellState::Empty, _) => {
            let because = "ApartmentIQ delivered no row for it".to_owned();
            (because, Some(backfill(" --only lacking")))
        }
        (CellState::Failed, Some(run)) => {
            let because = format!("{} {}: {}", run.id, run.state.as_str(), reason(run));
            let failed = |part: &Part| part.state == PartState::Abandoned;
            // A retry tries failed parts again; without one it would end the same way.
            let mend = match run.parts.is_empty() || run.live_parts().any(failed) {
                true => format!("aptiqd retry {}", run.id),
                false => backfill(" --only failed"),
            };
            (because, Some(mend))
        }
        (CellState::Failed, None) => (
            "its run failed".to_owned(),
            Some(backfill(" --only failed")),
        ),
        (CellState::NotDue, _) => match cell.next {
            Some(at) => (
                format!("it is due with the fire of {}", at.to_rfc3339()),
                None,
            ),
            None => ("it is not due yet".to_owned(), None),
        },
        (_, Some(run)) if run.state == RunState::Skipped => {
            let because = format!("the fire that asks for it was skipped: {}", reason(run));
            (because, Some(backfill("")))
        }
        (_, Some(run)) => {
            let because = format!("{} {}: {}", run.id, run.state.as_str(), reason(run));
            (because, Some(backfill("")))
        }
        (_, None) => {
            let because = "no run has asked for it yet".to_owned();
            (because, Some(backfill("")))
        }
    }
}
