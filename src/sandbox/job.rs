//! One batch job as the service keeps it, and what an order must look like.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::data::{Format, Report};
use super::faults::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Submitted,
    Cancelled,
    Failed,
    Succeeded,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Submitted => "submitted",
            Status::Cancelled => "cancelled",
            Status::Failed => "failed",
            Status::Succeeded => "succeeded",
        }
    }

    pub fn is_final(self) -> bool {
        self != Status::Submitted
    }
}

/// A create request that has been accepted.
#[derive(Debug, Clone)]
pub struct Order {
    pub report: Report,
    pub format: Format,
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub property_ids: Vec<i64>,
    pub callback_url: Option<String>,
}

/// What a refused create or query is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `{"error":"Invalid parameter","message":…}`
    Parameter(String),
    /// `{"errors":[…]}`
    List(Vec<String>),
}

const FIELDS: &[&str] = &[
    "report_type",
    "output_format",
    "start_date",
    "end_date",
    "property_ids",
    "callback_url",
];

impl Order {
    /// Reads a create's body; the names of the fields the API does not know come second.
    pub fn read(body: &[u8]) -> Result<(Order, Vec<String>), Refusal> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| parameter("request body must be a JSON object"))?;
        let body = body
            .as_object()
            .ok_or_else(|| parameter("request body must be a JSON object"))?;
        let order = Order {
            report: choice(body, "report_type", "floorplans, property, units")?,
            format: choice(body, "output_format", "csv, jsonl, parquet")?,
            from: day(body, "start_date")?,
            to: day(body, "end_date")?,
            property_ids: property_ids(body)?,
            callback_url: callback_url(body)?,
        };
        if order.to < order.from {
            return Err(parameter("end_date must not be before start_date"));
        }
        let unknown = body
            .keys()
            .filter(|name| !FIELDS.contains(&name.as_str()))
            .cloned()
            .collect();
        Ok((order, unknown))
    }
}

fn parameter(message: impl Into<String>) -> Refusal {
    Refusal::Parameter(message.into())
}

fn required<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a Value, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Err(parameter(format!("{name} is required"))),
        Some(value) => Ok(value),
    }
}

fn choice<T: serde::de::DeserializeOwned>(
    body: &Map<String, Value>,
    name: &str,
    known: &str,
) -> Result<T, Refusal> {
    let value = required(body, name)?;
    serde_json::from_value(value.clone())
        .map_err(|_| parameter(format!("{name} must be one of {known}")))
}

fn day(body: &Map<String, Value>, name: &str) -> Result<NaiveDate, Refusal> {
    let text = required(body, name)?.as_str().unwrap_or_default();
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    // `%m` also takes a single digit, which the vendor's format does not.
    parsed
        .filter(|day| day.to_string() == text)
        .ok_or_else(|| parameter(format!("{name} must be in YYYY-MM-DD format")))
}

fn property_ids(body: &Map<String, Value>) -> Result<Vec<i64>, Refusal> {
    let ids = required(body, "property_ids")?;
    let ids = ids
        .as_array()
        .ok_or_else(|| parameter("property_ids must be an array"))?;
    if ids.is_empty() {
        return Err(parameter("property_ids must not be empty"));
    }
    ids.iter()
        .map(Value::as_i64)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Refusal::List(vec!["property_ids must contain integers only".into()]))
}

fn callback_url(body: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let Some(value) = body.get("callback_url").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = value.as_str().unwrap_or_default();
    reqwest::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .map(|_| Some(text.to_owned()))
        .ok_or_else(|| parameter("callback_url must be a valid URL"))
}

/// A file written for a job, in the spool folder.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub path: PathBuf,
    pub bytes: u64,
    /// Without quotes.
    pub etag: String,
    pub written_at: DateTime<Utc>,
}

#[derive(Debug)]
pub struct Job {
    /// 1 for the first job of the world.
    pub created_n: u64,
    pub id: String,
    pub order: Order,
    pub status: Status,
    pub error_message: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// From when on the list shows it.
    pub listed_from: Instant,
    pub artifact: Option<Artifact>,
    pub restated: u64,
    /// The faults that were drawn for it when it was created.
    pub faults: BTreeSet<Fault>,
    pub vanished: bool,
    /// Its file is being written; nothing else may end it.
    pub ending: bool,
    pub downloads: u64,
    pub status_reads: u64,
    pub callbacks_sent: u64,
    pub callbacks_answered: u64,
    /// Ends the job before its time, or at all when it is held.
    pub release: Arc<Notify>,
}

impl Job {
    /// Nothing more happens to it.
    pub fn is_over(&self) -> bool {
        self.vanished || self.status.is_final()
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The job as the API shows it.
    pub fn view(&self) -> Value {
        let status = match self.has(Fault::UnknownStatus) && !self.status.is_final() {
            true => "queued_for_warehouse",
            false if self.has(Fault::Flips) && self.downloads > 0 => Status::Submitted.name(),
            false => self.status.name(),
        };
        let mut view = json!({
            "job_id": self.id,
            "report_type": self.order.report,
            "status": status,
            "output_format": self.order.format,
            "property_ids": self.order.property_ids,
            "start_date": self.order.from,
            "end_date": self.order.to,
            "created_at": instant(self.created_at),
            "updated_at": instant(self.updated_at),
        });
        if let Some(url) = &self.order.callback_url
            && !self.has(Fault::NoEcho)
        {
            view["callback_url"] = json!(url);
        }
        if self.has(Fault::NewField) {
            view["expires_at"] = json!(instant(self.created_at));
        }
        if let Some(message) = &self.error_message {
            view["error_message"] = json!(message);
        }
        view
    }

    /// The job as `/_sandbox/state` shows it.
    pub fn inside_view(&self) -> Value {
        let mut view = self.view();
        view["status"] = json!(self.status.name());
        if let Some(url) = &self.order.callback_url {
            view["callback_url"] = json!(url);
        }
        view["created_n"] = json!(self.created_n);
        view["downloads"] = json!(self.downloads);
        view["status_reads"] = json!(self.status_reads);
        view["callbacks_sent"] = json!(self.callbacks_sent);
        view["callbacks_answered"] = json!(self.callbacks_answered);
        view["bytes"] = json!(self.artifact.as_ref().map(|artifact| artifact.bytes));
        view["vanished"] = json!(self.vanished);
        view["faults"] = self.faults.iter().map(|fault| fault.name()).collect();
        view
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Value)) -> Refusal {
        let mut body = json!({
            "report_type": "property", "output_format": "csv", "start_date": "2026-11-01", "end_date": "2026-11-02",
            "property_ids": [1, 2], "callback_url": "http://127.0.0.1:9/cb"
        });
        Order::read(body.to_string().as_bytes()).expect("the unchanged body is good");
        change(&mut body);
        Order::read(body.to_string().as_bytes()).expect_err("the change makes it bad")
    }

    #[test]
    fn each_fault_of_a_create_has_its_message() {
        let message = |text: &str| Refusal::Parameter(text.to_owned());
        let start = message("start_date must be in YYYY-MM-DD format");
        assert_eq!(
            refusal(|body| body["start_date"] = json!("11/01/2026")),
            start
        );
        assert_eq!(
            refusal(|body| body["start_date"] = json!("2026-11-1")),
            start
        );
        assert_eq!(
            refusal(|body| body["start_date"] = json!("2026-02-30")),
            start
        );
        assert_eq!(
            refusal(|body| body["property_ids"] = json!([])),
            message("property_ids must not be empty")
        );
        assert_eq!(
            refusal(|body| body["callback_url"] = json!("soon")),
            message("callback_url must be a valid URL")
        );
        assert_eq!(
            refusal(|body| body["end_date"] = json!("2026-10-31")),
            message("end_date must not be before start_date")
        );
        assert_eq!(
            refusal(|body| body["report_type"] = json!("rents")),
            message("report_type must be one of floorplans, property, units")
        );
        assert_eq!(
            refusal(|body| body["output_format"] = Value::Null),
            message("output_format is required")
        );
        assert!(matches!(
            refusal(|body| body["property_ids"] = json!(["1"])),
            Refusal::List(_)
        ));
    }

    #[test]
    fn fields_that_the_api_does_not_know_are_named() {
        let body = json!({
            "report_type": "units", "output_format": "jsonl", "start_date": "2026-11-01", "end_date": "2026-11-01",
            "property_ids": [1], "idempotency_key": "x"
        });
        let (_, unknown) = Order::read(body.to_string().as_bytes()).unwrap();
        assert_eq!(unknown, ["idempotency_key"]);
    }
}
