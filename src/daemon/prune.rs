//! Old raw files: removed by the clock, or when somebody asks.

use super::Parts;
use crate::clock;
use crate::engine::Asked;
use crate::landing::{PruneOrder, Pruned};
use crate::roster::{Answer, Command, Mode};
use crate::run::{Fault, FaultClass, RunId};
use crate::store::Store;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks, a small part of the retention and within these.
const PERIOD_SHARE: u32 = 24;
const PERIOD_MIN: Duration = Duration::from_secs(1);
const PERIOD_MAX: Duration = Duration::from_secs(3_600);

impl<S: Store> Parts<S> {
    /// Removes what is older than `landing.raw_retention`, and notes it in the journal.
    pub async fn prune(&self, by: &str, mode: Mode) -> Result<Pruned, Fault> {
        let now = clock::now();
        let open = self
            .open_runs()
            .await
            .map_err(|asked| Fault::new(FaultClass::Cancelled, asked.to_string()))?;
        let order = PruneOrder {
            open,
            retention: self.config.landing.raw_retention,
            now,
            dry: mode == Mode::Dry,
        };
        let pruned = self.landing.prune(order).await?;
        if mode == Mode::Act && !pruned.removed.is_empty() {
            let bytes: u64 = pruned.removed.iter().map(|run| run.bytes).sum();
            let paths = pruned.removed.iter().take(50).map(|run| run.path.as_str());
            let body = json!({
                "event": "raw_pruned", "by": by, "runs": pruned.removed.len(), "bytes": bytes,
                "paths": paths.collect::<Vec<_>>(),
            });
            // The files are gone either way; a daemon that stops now tells of them no more.
            let _ = self.handle.ask(Command::Note(body)).await;
        }
        Ok(pruned)
    }

    async fn open_runs(&self) -> Result<BTreeSet<RunId>, Asked> {
        match self.handle.ask(Command::Snapshot).await? {
            Answer::Snapshot(snapshot) => {
                Ok(snapshot.open.into_iter().map(|open| open.run.id).collect())
            }
            _ => Err(Asked::Stopping),
        }
    }

    /// Prunes again and again until the daemon stops.
    pub async fn prune_by_the_clock(self, stop: CancellationToken) {
        let period = self.config.landing.raw_retention / PERIOD_SHARE;
        let period = period.clamp(PERIOD_MIN, PERIOD_MAX);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(period) => {}
            }
            if let Err(fault) = self.prune("the clock", Mode::Act).await {
                tracing::warn!(error = %fault, "old raw files could not be removed");
            }
        }
    }
}
