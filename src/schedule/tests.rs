//! A schedule to test with.

use super::*;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn schedule(name: &str, cron: &str) -> Schedule {
    Schedule {
        name: Name::parse(name).unwrap(),
        description: Box::default(),
        report: Report::Property,
        format: Format::Csv,
        cadence: Cadence::compile(&[cron.to_owned()], Tz::UTC).unwrap(),
        timezone: Tz::UTC,
        window: WindowRule::Yesterday,
        properties: Properties::Listed(vec![Property { id: 1, name: None }]),
        chunk: Chunk {
            properties: 25,
            days: 31,
        },
        partition: Partition::Date,
        overlap: Overlap::Queue,
        catch_up: CatchUp {
            mode: CatchUpMode::Coalesce,
            max_age: Duration::from_secs(604_800),
            max_runs: 31,
        },
        jitter: Duration::ZERO,
        deadline: Duration::from_secs(21_600),
        retry: Retry {
            attempts: 4,
            first: Duration::from_secs(30),
            max: Duration::from_secs(1800),
        },
        enabled: true,
        columns: Arc::new(Columns {
            property: "id".to_owned(),
            date: "report_generation_date".to_owned(),
        }),
        checks: Arc::new(Checks {
            min_property_coverage: None,
            min_rows_vs_median: None,
            unique: Vec::new(),
            max_null_rate: BTreeMap::new(),
            range: BTreeMap::new(),
            schema_change: SchemaChange::Notify,
            on_fail: OnFail::Quarantine,
        }),
        backfill_new: None,
        freshness: None,
        notify: BTreeMap::new(),
    }
}
