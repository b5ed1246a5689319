//! Completeness out of the running engine.

use super::super::live::{mode, unexpected};
use super::super::outside::Outside;
use super::super::{Actor, Intent, Live, Refusal, present, view};
use super::{BackfillOrder, Completeness, Subject};
use crate::coverage::CellState;
use crate::roster::{Answer, Backfill, CellMap, Command, Exclusion, PropertyNow, ScheduleNow};
use crate::run::Run;
use crate::schedule::{Name, Window};
use crate::store::Store;
use chrono::{DateTime, Utc};

impl<S: Store, O: Outside> Completeness for Live<S, O> {
    async fn coverage(
        &self,
        schedule: Name,
        window: Option<Window>,
    ) -> Result<view::Coverage, Refusal> {
        let command = Command::Coverage {
            schedule: schedule.clone(),
            window,
        };
        let Answer::Coverage(coverage) = self.ask(command).await? else {
            return Err(unexpected());
        };
        let tally = coverage.tally;
        let missing = coverage.missing.iter().map(|span| view::MissingSpan {
            property: span.property,
            from: span.from,
            to: span.to,
        });
        Ok(view::Coverage {
            schema: "aptiqd.coverage/1".to_owned(),
            schedule: schedule.to_string(),
            from: coverage.window.from,
            to: coverage.window.to,
            cells: view::CoverageCells {
                landed: tally.landed,
                empty: tally.empty,
                missing: tally.missing,
                failed: tally.failed,
                excluded: tally.excluded,
                not_due: tally.not_due,
            },
            missing: missing.collect(),
        })
    }

    async fn cells(
        &self,
        schedule: Name,
        window: Option<Window>,
    ) -> Result<view::CellMap, Refusal> {
        let map = self.cell_map(schedule.clone(), window).await?;
        let rows = map.rows.into_iter().map(|row| view::CellsOfProperty {
            id: row.property,
            cells: row
                .spans
                .iter()
                .fold(String::new(), |text, (window, state)| {
                    text + &format!("{}{}", window.len(), letter(*state))
                }),
            name: row.name,
        });
        Ok(view::CellMap {
            schema: "aptiqd.cells/1".to_owned(),
            schedule: schedule.to_string(),
            from: map.window.from,
            to: map.window.to,
            properties: rows.collect(),
        })
    }

    async fn freshness(&self) -> Result<view::Freshness, Refusal> {
        let snapshot = self.snapshot().await?;
        let schedules = snapshot.schedules.iter();
        let mut ages: Vec<view::Age> = schedules.filter_map(|now| age(now, snapshot.at)).collect();
        ages.sort_by(|a, b| (a.level, &a.schedule).cmp(&(b.level, &b.schedule)));
        Ok(view::Freshness::new(ages))
    }

    async fn backfill(
        &self,
        order: BackfillOrder,
        actor: Actor,
        intent: Intent,
    ) -> Result<view::Backfill, Refusal> {
        let command = Command::Backfill {
            wanted: Backfill {
                schedule: order.schedule,
                window: order.window,
                only: order.only,
                max_active: order.max_active,
                order: order.order,
            },
            by: actor.label(),
            mode: mode(intent),
        };
        let answer = self.ask(command).await?;
        let Answer::Backfill {
            runs,
            left,
            not_due,
        } = answer
        else {
            return Err(unexpected());
        };
        let cells = |run: &Run| u64::from(run.property_count) * u64::from(run.window.len());
        let shown = runs.iter().map(present::whole_run);
        let mut backfill = view::Backfill::new(shown.collect());
        backfill.property_days = runs.iter().map(cells).sum();
        backfill.left = left;
        backfill.not_due = not_due;
        Ok(backfill)
    }

    async fn properties(&self) -> Result<view::Properties, Refusal> {
        self.properties_after(Command::Properties).await
    }

    async fn exclude(
        &self,
        property: i64,
        reason: String,
        actor: Actor,
        intent: Intent,
    ) -> Result<view::Properties, Refusal> {
        let command = Command::Exclude {
            property,
            reason,
            by: actor.label(),
            mode: mode(intent),
        };
        self.properties_after(command).await
    }

    async fn include(
        &self,
        property: i64,
        reason: Option<String>,
        actor: Actor,
        intent: Intent,
    ) -> Result<view::Properties, Refusal> {
        let command = Command::Include {
            property,
            reason,
            by: actor.label(),
            mode: mode(intent),
        };
        self.properties_after(command).await
    }

    async fn prune(&self, actor: Actor, intent: Intent) -> Result<view::Pruned, Refusal> {
        let pruned = self.outside.prune(actor.label(), mode(intent)).await;
        pruned.map_err(Refusal::unavailable)
    }

    async fn why(&self, subject: Subject) -> Result<view::Why, Refusal> {
        match subject {
            Subject::Path(path) => self.why_path(&path).await,
            Subject::Cell {
                schedule,
                property,
                date,
            } => self.why_cell(schedule, property, date).await,
        }
    }
}

impl<S: Store, O: Outside> Live<S, O> {
    pub(in super::super) async fn cell_map(
        &self,
        schedule: Name,
        window: Option<Window>,
    ) -> Result<CellMap, Refusal> {
        match self.ask(Command::CellMap { schedule, window }).await? {
            Answer::CellMap(map) => Ok(*map),
            _ => Err(unexpected()),
        }
    }

    async fn properties_after(&self, command: Command) -> Result<view::Properties, Refusal> {
        let Answer::Properties(properties) = self.ask(command).await? else {
            return Err(unexpected());
        };
        let shown = properties.into_iter().map(property).collect();
        Ok(view::Properties::new(shown))
    }
}

fn letter(state: CellState) -> char {
    match state {
        CellState::Landed => 'l',
        CellState::Empty => 'e',
        CellState::Missing => 'm',
        CellState::Failed => 'f',
        CellState::Excluded => 'x',
        CellState::NotDue => '.',
    }
}

fn property(now: PropertyNow) -> view::Property {
    view::Property {
        id: now.id,
        name: now.name,
        schedules: now.schedules.into_iter().map(String::from).collect(),
        excluded: now.excluded.map(exclusion),
    }
}

pub(super) fn exclusion(exclusion: Exclusion) -> view::Exclusion {
    view::Exclusion {
        reason: exclusion.reason,
        by: exclusion.by,
        since: exclusion.since,
    }
}

/// Nobody waits for the data of a schedule that is disabled.
fn age(now: &ScheduleNow, at: DateTime<Utc>) -> Option<view::Age> {
    let (schedule, mark) = (&now.schedule, &now.mark);
    if !schedule.enabled {
        return None;
    }
    let last_success = mark.last_landed.as_ref().map(|landed| landed.at);
    let since = last_success.unwrap_or(mark.first_seen);
    let age = (at - since).to_std().unwrap_or_default();
    let level = match schedule.freshness.as_deref() {
        None => view::AgeLevel::Unset,
        Some(limits) if age > limits.error_after => view::AgeLevel::Error,
        Some(limits) if age > limits.warn_after => view::AgeLevel::Warn,
        Some(_) => view::AgeLevel::Ok,
    };
    let limits = schedule.freshness.as_ref();
    Some(view::Age {
        schedule: schedule.name.to_string(),
        level,
        since,
        age_seconds: age.as_secs(),
        warn_after_seconds: limits.map(|limits| limits.warn_after.as_secs()),
        error_after_seconds: limits.map(|limits| limits.error_after.as_secs()),
        last_success,
        data_through: mark.data_through,
    })
}
