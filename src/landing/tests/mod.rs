mod age;
mod codings;
mod columnless;
mod crash;
mod damage;
mod download;
mod formats;
mod history;
mod lies;
mod listed;
mod order;
mod partitions;
mod prune;
mod quality;
mod restated;
mod retyped;
mod rows;
mod server;
mod tamper;
mod union;
mod windows;

use super::disk::Disk;
use super::*;
use crate::run::{CellSpan, Remedy, Verdict};
use crate::schedule::{OnFail, SchemaChange};
use chrono::NaiveDate;
use rows::Row;
use server::{Reply, Server};
use std::path::Path;

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

pub fn window(from: &str, to: &str) -> Window {
    Window::new(day(from), day(to)).expect("a window")
}

pub fn columns() -> Columns {
    Columns {
        property: "id".to_owned(),
        date: "report_generation_date".to_owned(),
    }
}

/// Runs are delivered in the order of their numbers, all of them before they are published.
pub fn delivered_at(run: u32) -> DateTime<Utc> {
    let first: DateTime<Utc> = "2026-11-30T00:00:00Z".parse().expect("moment");
    first + chrono::TimeDelta::minutes(run.into())
}

pub fn no_checks() -> Checks {
    Checks {
        min_property_coverage: None,
        min_rows_vs_median: None,
        unique: Vec::new(),
        max_null_rate: BTreeMap::new(),
        range: BTreeMap::new(),
        schema_change: SchemaChange::Notify,
        on_fail: OnFail::Quarantine,
    }
}

/// A landing folder, a download host, and one schedule's way of asking.
pub struct World {
    pub folder: tempfile::TempDir,
    pub server: Server,
    pub landing: Landing,
    pub format: Format,
    pub partition: Partition,
    pub checks: Checks,
    pub accepted_by: Option<String>,
}

pub fn settings(root: &Path) -> Settings {
    Settings {
        root: root.to_owned(),
        bytes_max: 64 << 20,
        allowed_hosts: vec!["127.0.0.1".to_owned()],
        loopback_allowed: true,
        read_timeout: Duration::from_secs(20),
    }
}

impl World {
    pub async fn new(format: Format, partition: Partition) -> World {
        let folder = tempfile::tempdir().expect("folder");
        World {
            landing: Landing::open(settings(folder.path())).expect("landing"),
            server: Server::start().await,
            folder,
            format,
            partition,
            checks: no_checks(),
            accepted_by: None,
        }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn schedule(&self) -> Name {
        Name::parse("owned").expect("name")
    }

    pub fn run(&self, number: u32) -> RunId {
        format!("owned.b20261201T000000000Z-{number}")
            .parse()
            .expect("run")
    }

    pub fn fetch_order(
        &self,
        run: u32,
        part: PartNumber,
        job: &str,
        properties: &[i64],
        days: Window,
    ) -> FetchOrder {
        FetchOrder {
            schedule: self.schedule(),
            run: self.run(run),
            part,
            job_id: job.to_owned(),
            format: self.format,
            terms: Terms {
                properties: properties.to_vec(),
                window: days,
                partition: self.partition,
                columns: columns(),
                checks: self.checks.clone(),
            },
        }
    }

    /// Serves `body` and fetches it as a part.
    pub async fn deliver_bytes(
        &self,
        run: u32,
        part: PartNumber,
        properties: &[i64],
        days: Window,
        body: Vec<u8>,
    ) -> Result<Delivered, Fault> {
        let job = format!("job-{run}-{part}");
        let location = self.server.serve(Reply::of(body));
        let order = self.fetch_order(run, part, &job, properties, days);
        let artifact = self.landing.fetch(order, &location).await?;
        Ok(Delivered {
            number: part,
            job_id: job,
            properties: properties.to_vec(),
            window: days,
            artifact,
            delivered_at: delivered_at(run),
        })
    }

    pub async fn deliver(
        &self,
        run: u32,
        part: PartNumber,
        properties: &[i64],
        days: Window,
        rows: &[Row],
    ) -> Delivered {
        let body = rows::encode(self.format, rows);
        self.deliver_bytes(run, part, properties, days, body)
            .await
            .expect("delivered")
    }

    pub fn order(
        &self,
        run: u32,
        properties: &[i64],
        days: Window,
        parts: Vec<Delivered>,
    ) -> PublishOrder {
        PublishOrder {
            schedule: self.schedule(),
            run: self.run(run),
            report: Report::Property,
            format: self.format,
            partition: self.partition,
            window: days,
            properties: properties.to_vec(),
            whole: false,
            columns: columns(),
            checks: self.checks.clone(),
            accepted_by: self.accepted_by.clone(),
            parts,
            earlier: Vec::new(),
            at: "2026-12-01T00:00:00Z".parse().expect("moment"),
        }
    }

    pub async fn publish(
        &self,
        run: u32,
        properties: &[i64],
        days: Window,
        parts: Vec<Delivered>,
    ) -> Published {
        self.landing
            .publish(self.order(run, properties, days, parts))
            .await
            .expect("published")
    }

    /// Delivers one part with all rows and publishes it.
    pub async fn land(
        &self,
        run: u32,
        properties: &[i64],
        days: Window,
        rows: &[Row],
    ) -> Published {
        let part = self.deliver(run, 1, properties, days, rows).await;
        self.publish(run, properties, days, vec![part]).await
    }

    pub fn data(&self, key: &str) -> std::path::PathBuf {
        self.root()
            .join(layout::data(&self.schedule(), key, self.format))
    }

    /// The published rows of a partition, sorted.
    pub fn rows(&self, key: &str) -> Vec<Row> {
        let mut rows = rows::decode(self.format, &self.data(key));
        rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        rows
    }

    pub fn manifest(&self, key: &str) -> Manifest {
        Manifest::load(self.root(), &self.schedule(), key)
            .expect("read")
            .expect("there")
    }

    pub fn changes(&self) -> Vec<serde_json::Value> {
        let path = layout::meta(self.root(), &self.schedule()).join("changes.jsonl");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line"))
            .collect()
    }

    /// Everything visible below `data/`, sorted.
    pub fn visible(&self) -> Vec<String> {
        let mut open = vec![self.root().join("data")];
        let mut found = Vec::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(
                    std::fs::read_dir(&path)
                        .expect("folder")
                        .map(|e| e.expect("entry").path()),
                );
            } else {
                let path = path.strip_prefix(self.root()).expect("below the root");
                found.push(path.display().to_string());
            }
        }
        found.sort();
        found
    }
}

pub fn span(property: i64, from: &str, to: &str) -> CellSpan {
    CellSpan {
        property,
        from: day(from),
        to: day(to),
    }
}

pub const FORMATS: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Parquet];
