//! The remembering daemon as a whole.

use super::fake::{Fake, run};
use crate::admin::page::{Coming, Overview, PastRun, ScheduleCells, Survey, Usage};
use crate::admin::{Daemon, Refusal};
use crate::coverage::CellState;
use crate::roster::{CellMap, CellRow};
use crate::schedule::Window;
use chrono_tz::Tz;

impl Survey for Fake {
    async fn survey(&self) -> Result<Overview, Refusal> {
        let mut status = self.status().await?;
        status.sort();
        let day = |text: &str| text.parse().unwrap();
        let window = |from, to| Window::new(day(from), day(to)).unwrap();
        let landed = window("2026-11-01", "2026-11-20");
        let lacking = window("2026-11-21", "2026-11-22");
        let row = |property, last| CellRow {
            property,
            name: Some("<i>Elm</i> & Oak".into()),
            spans: vec![(landed, CellState::Landed), (lacking, last)],
        };
        let rows = vec![row(7, CellState::Landed), row(8, CellState::Missing)];
        Ok(Overview {
            at: "2026-11-22T19:00:00Z".parse().unwrap(),
            status,
            schedules: vec![ScheduleCells {
                name: "owned".into(),
                enabled: true,
                zone: Tz::UTC,
                map: CellMap {
                    window: landed.union(lacking),
                    rows,
                },
            }],
            runs: vec![PastRun {
                run: run("owned.m1"),
                started_at: None,
                exported_at: None,
                schema_change: Some("added <b>rent</b>".into()),
            }],
            more_runs: false,
            fires: vec![Coming {
                schedule: "owned".into(),
                at: "2026-11-23T18:30:00Z".parse().unwrap(),
                zone: Tz::America__Chicago,
                window: lacking,
                properties: Some(2),
                parts: Some(1),
            }],
            usage: Usage::default(),
        })
    }
}
