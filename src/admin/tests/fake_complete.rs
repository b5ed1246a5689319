//! The remembering daemon, asked about completeness.

use super::fake::{Fake, run};
use crate::admin::view::*;
use crate::admin::{Actor, BackfillOrder, Completeness, Intent, Refusal, Subject};
use crate::schedule::{Name, Window};

impl Completeness for Fake {
    async fn coverage(&self, schedule: Name, window: Option<Window>) -> Result<Coverage, Refusal> {
        self.note(format!("coverage {schedule} {window:?}"));
        let window = window.ok_or_else(|| Refusal::unknown_schedule(schedule.as_str()))?;
        Ok(Coverage {
            schema: "aptiqd.coverage/1".into(),
            schedule: schedule.to_string(),
            from: window.from,
            to: window.to,
            cells: CoverageCells::default(),
            missing: Vec::new(),
        })
    }

    async fn freshness(&self) -> Result<Freshness, Refusal> {
        Ok(Freshness::new(Vec::new()))
    }

    async fn backfill(
        &self,
        order: BackfillOrder,
        _: Actor,
        intent: Intent,
    ) -> Result<Backfill, Refusal> {
        self.note(format!("backfill {order:?} {intent:?}"));
        Ok(Backfill::new(vec![run("owned.b1-1")]))
    }

    async fn properties(&self) -> Result<Properties, Refusal> {
        Ok(Properties::new(Vec::new()))
    }

    async fn exclude(
        &self,
        property: i64,
        reason: String,
        _: Actor,
        intent: Intent,
    ) -> Result<Properties, Refusal> {
        self.note(format!("exclude {property} {reason} {intent:?}"));
        Ok(Properties::new(Vec::new()))
    }

    async fn include(
        &self,
        property: i64,
        reason: Option<String>,
        _: Actor,
        intent: Intent,
    ) -> Result<Properties, Refusal> {
        self.note(format!("include {property} {reason:?} {intent:?}"));
        Ok(Properties::new(Vec::new()))
    }

    async fn prune(&self, _: Actor, intent: Intent) -> Result<Pruned, Refusal> {
        self.note(format!("prune {intent:?}"));
        let retention = std::time::Duration::from_secs(1);
        let dry = intent == Intent::DryRun;
        Ok(Pruned::new(Vec::new(), Vec::new(), retention, dry))
    }

    async fn why(&self, subject: Subject) -> Result<Why, Refusal> {
        self.note(format!("why {subject:?}"));
        Ok(Why::new("owned"))
    }
}
