//! The vendor's JSON, read with tolerance: a field that is missing or odd costs that field only,
//! save `job_id`, without which there is no job.

use super::http::CreateJob;
use super::reply::bounded;
use crate::run::{JobSeen, JobStatus};
use crate::schedule::{Format, Report, Window};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

const JOB_ID_BYTES_MAX: usize = 128;
const ERROR_MESSAGE_BYTES_MAX: usize = 4096;
const CALLBACK_URL_BYTES_MAX: usize = 2048;

const JOB_FIELDS: [&str; 11] = [
    "job_id",
    "report_type",
    "status",
    "output_format",
    "property_ids",
    "start_date",
    "end_date",
    "callback_url",
    "error_message",
    "created_at",
    "updated_at",
];

/// The body of a create.
#[derive(Serialize)]
pub(super) struct CreateBody<'a> {
    report_type: Report,
    output_format: Format,
    start_date: NaiveDate,
    end_date: NaiveDate,
    property_ids: &'a [i64],
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<&'a str>,
}

impl<'a> From<&'a CreateJob> for CreateBody<'a> {
    fn from(order: &'a CreateJob) -> CreateBody<'a> {
        CreateBody {
            report_type: order.report,
            output_format: order.format,
            start_date: order.window.from,
            end_date: order.window.to,
            property_ids: &order.property_ids,
            callback_url: order.callback_url.as_deref(),
        }
    }
}

/// A job, or `None` if the value has no usable `job_id`.
pub(super) fn job(value: &Value) -> Option<JobSeen> {
    let job = value.as_object()?;
    Some(JobSeen {
        job_id: job_id(job)?,
        status: JobStatus::parse(text(job, "status").unwrap_or_default()),
        error_message: text(job, "error_message").map(|t| prefix(t, ERROR_MESSAGE_BYTES_MAX)),
        callback_url: text(job, "callback_url")
            .filter(|url| url.len() <= CALLBACK_URL_BYTES_MAX)
            .map(str::to_owned),
        report: word(job, "report_type"),
        format: word(job, "output_format"),
        window: window(job),
        property_ids: property_ids(job),
        created_at: moment(job, "created_at"),
    })
}

/// The jobs in a body of the API, a page of them or one, read as the client reads them; `None` if there are none.
pub fn jobs_in(body: &[u8]) -> Option<Vec<JobSeen>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    match page(&value) {
        Some((jobs, _)) => Some(jobs.iter().filter_map(job).collect()),
        None => job(&value).map(|job| vec![job]),
    }
}

/// What the contract does not know in a job: fields, and words where words are fixed.
pub(super) fn drift_of_job(value: &Value) -> Vec<String> {
    let Some(job) = value.as_object() else {
        return Vec::new();
    };
    let unknown = job.keys().filter(|key| !JOB_FIELDS.contains(&key.as_str()));
    let mut notes: Vec<String> = unknown
        .map(|key| format!("job field `{}`", short(key)))
        .collect();
    notes.extend(job.iter().filter_map(odd_type));
    if let Some(JobStatus::Unknown(status)) = text(job, "status").map(JobStatus::parse) {
        notes.push(format!("job status `{}`", short(&status)));
    }
    notes
}

/// A known field whose value is of a kind that the contract does not give it.
fn odd_type((name, value): (&String, &Value)) -> Option<String> {
    let as_expected = match name.as_str() {
        "job_id" => value.is_string() || value.is_number(),
        "property_ids" => value
            .as_array()
            .is_some_and(|ids| ids.iter().all(Value::is_i64)),
        known if JOB_FIELDS.contains(&known) => value.is_string(),
        _ => true,
    };
    let kind = match value {
        Value::Null => return None,
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) if name == "property_ids" => "a list of other things than whole numbers",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    (!as_expected).then(|| format!("job field `{name}` is {kind}"))
}

/// What the contract does not know around the jobs of a page.
pub(super) fn drift_of_page(value: &Value) -> Vec<String> {
    let unknown = |value: Option<&Value>, known: &[&str], place: &str| {
        let fields = value.and_then(Value::as_object).into_iter().flatten();
        let odd = fields.filter(|(name, _)| !known.contains(&name.as_str()));
        odd.map(|(name, _)| format!("{place} field `{}`", short(name)))
            .collect::<Vec<String>>()
    };
    let mut notes = unknown(Some(value), &["jobs", "pagination"], "list");
    let known = ["current_page", "total_pages", "total_count", "per_page"];
    notes.extend(unknown(value.get("pagination"), &known, "pagination"));
    if place_of(value).total_count.is_none() {
        notes.push(
            "list without `total_count`: what it does not hold may still be there".to_owned(),
        );
    }
    notes
}

/// The listed jobs' values and the page's place; `None` without a `jobs` list.
pub(super) fn page(value: &Value) -> Option<(&[Value], PagePlace)> {
    let jobs = value.get("jobs")?.as_array()?;
    Some((jobs, place_of(value)))
}

/// Where a page stands, as far as it says so: in `pagination`, or in `meta`, which some of the vendor's kind use.
pub(super) fn place_of(page: &Value) -> PagePlace {
    let number = |field: &str| {
        let mut places = ["pagination", "meta"].into_iter();
        places.find_map(|place| page.get(place)?.get(field)?.as_u64())
    };
    // A number beyond all limits is still one.
    let pages = |field| number(field).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    PagePlace {
        current: pages("current_page"),
        total_pages: pages("total_pages"),
        total_count: number("total_count"),
    }
}

pub(super) struct PagePlace {
    pub(super) current: Option<u32>,
    pub(super) total_pages: Option<u32>,
    pub(super) total_count: Option<u64>,
}

/// An id that stands in a path as it is.
fn job_id(job: &Map<String, Value>) -> Option<String> {
    let id = match job.get("job_id")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    is_job_id(&id).then_some(id)
}

pub(super) fn is_job_id(id: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !id.is_empty() && id.len() <= JOB_ID_BYTES_MAX && id.bytes().all(safe)
}

fn text<'a>(job: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    job.get(field)?.as_str()
}

fn word<T: DeserializeOwned>(job: &Map<String, Value>, field: &str) -> Option<T> {
    serde_json::from_value(job.get(field)?.clone()).ok()
}

fn window(job: &Map<String, Value>) -> Option<Window> {
    let day = |field| text(job, field)?.get(..10)?.parse::<NaiveDate>().ok();
    Window::new(day("start_date")?, day("end_date")?)
}

fn property_ids(job: &Map<String, Value>) -> Vec<i64> {
    let list = job.get("property_ids").and_then(Value::as_array);
    let mut ids: Vec<i64> = list.into_iter().flatten().filter_map(integer).collect();
    ids.sort_unstable();
    ids
}

/// A number, or the digits of one in a string.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn moment(job: &Map<String, Value>, field: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text(job, field)?).ok()?;
    Some(at.with_timezone(&Utc))
}

fn prefix(text: &str, bytes_max: usize) -> String {
    let mut text = super::without_mac(text);
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

fn short(text: &str) -> String {
    bounded(text).chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_full_job_is_read_whole() {
        let seen = job(&json!({
            "job_id": "7b0c-1", "report_type": "property", "status": "succeeded",
            "output_format": "parquet", "property_ids": [3, 1, "2"], "start_date": "2026-11-01",
            "end_date": "2026-11-30", "callback_url": "https://e.example/x", "error_message": null,
            "created_at": "2026-11-22T12:30:00-06:00", "updated_at": null
        }))
        .unwrap();
        assert_eq!(seen.job_id, "7b0c-1");
        assert_eq!(seen.status, JobStatus::Succeeded);
        assert_eq!(seen.property_ids, [1, 2, 3]);
        assert_eq!(seen.window.unwrap().to_string(), "2026-11-01..2026-11-30");
        assert_eq!(seen.format, Some(Format::Parquet));
        assert_eq!(
            seen.created_at.unwrap().to_rfc3339(),
            "2026-11-22T18:30:00+00:00"
        );
    }

    #[test]
    fn an_odd_field_costs_that_field_only() {
        let odd = json!({
            "job_id": "a", "status": "paused", "report_type": "leases", "start_date": "2026-11-30",
            "end_date": "2026-11-01", "property_ids": {"a": 1}, "created_at": 5, "rows": 12
        });
        let seen = job(&odd).unwrap();
        assert_eq!(seen.status, JobStatus::Unknown("paused".into()));
        assert_eq!(
            (seen.report, seen.window, seen.created_at),
            (None, None, None)
        );
        assert_eq!(
            drift_of_job(&odd),
            [
                "job field `rows`",
                "job field `created_at` is a number",
                "job field `property_ids` is an object",
                "job status `paused`"
            ]
        );
        let page = json!({"jobs": [], "pagination": {"total_count": 0, "next": 2}, "took": 5});
        assert_eq!(
            drift_of_page(&page),
            ["list field `took`", "pagination field `next`"]
        );
        let uncounted = drift_of_page(&json!({"jobs": []}));
        assert!(
            uncounted[0].contains("without `total_count`"),
            "{uncounted:?}"
        );
        let texts = drift_of_job(&json!({"property_ids": [1, "2"]}));
        assert!(
            texts[0].contains("other things than whole numbers"),
            "{texts:?}"
        );
        assert_eq!(
            job(&json!({"job_id": "a"})).unwrap().status,
            JobStatus::Unknown(String::new())
        );
    }

    #[test]
    fn no_job_without_an_id_that_is_safe_in_a_path() {
        for id in [
            json!(null),
            json!(""),
            json!("../x"),
            json!("a/b"),
            json!("a?b"),
            json!(["a"]),
        ] {
            assert_eq!(job(&json!({"job_id": id, "status": "succeeded"})), None);
        }
        assert_eq!(job(&json!([])), None);
    }

    #[test]
    fn no_callback_url_is_sent_where_there_is_none() {
        let order = CreateJob {
            report: Report::Floorplans,
            format: Format::Csv,
            window: Window::day(NaiveDate::from_ymd_opt(2026, 11, 22).unwrap()),
            property_ids: vec![1],
            callback_url: None,
        };
        let body = serde_json::to_value(CreateBody::from(&order)).unwrap();
        let expected = json!({
            "report_type": "floorplans", "output_format": "csv", "start_date": "2026-11-22",
            "end_date": "2026-11-22", "property_ids": [1]
        });
        assert_eq!(body, expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(status in "\\PC{0,200}", date in "\\PC{0,20}", error in "\\PC{0,9000}") {
            let seen = job(&json!({
                "job_id": "a", "status": status, "start_date": date, "error_message": error
            })).unwrap();
            prop_assert!(seen.error_message.unwrap().len() <= ERROR_MESSAGE_BYTES_MAX);
        }
    }
}
