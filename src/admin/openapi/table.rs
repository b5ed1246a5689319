//! The operations, each with the types that its handler reads and writes.

use super::super::complete::{DaysQuery, WhyQuery};
use super::super::events::EventsQuery;
use super::super::page::PageQuery;
use super::super::routes::RunsQuery;
use super::super::view;
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub type Describe = fn(&mut SchemaGenerator) -> Schema;

/// What comes back under 200.
#[derive(Clone, Copy)]
pub enum Answer {
    Document(Describe),
    Text(&'static str),
    /// A JSON document, or the same as server-sent events.
    Events(Describe),
}

#[derive(Clone, Copy)]
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub id: &'static str,
    pub summary: &'static str,
    pub query: Option<Describe>,
    /// The schema of the body, and whether there must be one.
    pub body: Option<(Describe, bool)>,
    pub answer: Answer,
    /// Statuses of problem documents, beside those that any request may meet.
    pub refusals: &'static [u16],
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The parameters of a query type, unfolded.
fn query<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

fn get(path: &'static str, id: &'static str, summary: &'static str, answer: Answer) -> Operation {
    Operation {
        method: "get",
        path,
        id,
        summary,
        query: None,
        body: None,
        answer,
        refusals: &[],
    }
}

fn post<B: JsonSchema, A: JsonSchema>(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> Operation {
    Operation {
        method: "post",
        body: Some((of::<B>, false)),
        // A conflict, and what an Idempotency-Key of another request meets.
        refusals: &[404, 409, 422],
        ..get(path, id, summary, document::<A>())
    }
}

fn document<T: JsonSchema>() -> Answer {
    Answer::Document(of::<T>)
}

impl Operation {
    fn asked<Q: JsonSchema>(mut self) -> Operation {
        self.query = Some(query::<Q>);
        self
    }

    fn refused(mut self, statuses: &'static [u16]) -> Operation {
        self.refusals = statuses;
        self
    }

    fn with_body(mut self) -> Operation {
        self.body = self.body.map(|(schema, _)| (schema, true));
        self
    }
}

/// All of them, in the order of the document.
pub fn operations() -> Vec<Operation> {
    let mut all = around();
    all.extend(reads());
    all.extend(acts());
    all.extend(questions());
    all
}

fn around() -> Vec<Operation> {
    let html = Answer::Text("text/html");
    vec![
        get("/", "page", "The status page, for people", html)
            .asked::<PageQuery>()
            .refused(&[503]),
        get(
            "/style.css",
            "style",
            "The status page's style",
            Answer::Text("text/css"),
        ),
        get(
            "/page.js",
            "script",
            "The status page's live updates",
            Answer::Text("text/javascript"),
        ),
        get(
            "/icon.svg",
            "icon",
            "The status page's icon",
            Answer::Text("image/svg+xml"),
        ),
        get(
            "/openapi.json",
            "openapi",
            "This document",
            Answer::Document(|_| schemars::json_schema!({"type": "object"})),
        ),
        get(
            "/metrics",
            "metrics",
            "Prometheus text",
            Answer::Text("text/plain"),
        )
        .refused(&[503]),
        get(
            "/-/healthy",
            "healthy",
            "The process answers",
            document::<view::Ready>(),
        ),
        get(
            "/-/ready",
            "ready",
            "Callbacks can be acknowledged; 503 if not",
            document::<view::Ready>(),
        ),
        post::<view::ActRequest, view::Reload>(
            "/-/reload",
            "reload",
            "Take the schedules as they are on disk, all or none; 422 names every fault",
        )
        .refused(&[409, 422]),
    ]
}

fn reads() -> Vec<Operation> {
    vec![
        get("/api/v1/status", "status", "How the daemon and its schedules are, worst first", document::<view::Status>())
            .refused(&[503]),
        get("/api/v1/schedules", "schedules", "The schedules by name", document::<view::Schedules>())
            .refused(&[503]),
        get("/api/v1/runs", "runs", "Runs, newest first; older ones behind `next`", document::<view::Runs>())
            .asked::<RunsQuery>()
            .refused(&[404, 503]),
        get(
            "/api/v1/runs/{run}",
            "show",
            "One run with its parts, files, checks and events",
            document::<view::RunDetail>(),
        )
        .refused(&[404, 503]),
        get(
            "/api/v1/coverage/{schedule}",
            "coverage",
            "Which cells (property × day) are there and which are lacking",
            document::<view::Coverage>(),
        )
        .asked::<DaysQuery>()
        .refused(&[404, 503]),
        get(
            "/api/v1/coverage/{schedule}/cells",
            "cells",
            "Every cell of a schedule, as run lengths",
            document::<view::CellMap>(),
        )
        .asked::<DaysQuery>()
        .refused(&[404, 503]),
        get("/api/v1/freshness", "freshness", "The age of the landed data", document::<view::Freshness>())
            .refused(&[503]),
        get(
            "/api/v1/events",
            "events",
            "The audit trail. With `Accept: application/json` a document of the newest events (or the first ones \
             beyond `after`), else a stream of server-sent events that goes on behind `Last-Event-ID`",
            Answer::Events(of::<view::Events>),
        )
        .asked::<EventsQuery>()
        .refused(&[404, 503]),
        get("/api/v1/properties", "properties", "The properties and which are left out", document::<view::Properties>())
            .refused(&[503]),
        get("/api/v1/why", "why", "From a file or a cell back to its decision", document::<view::Why>())
            .asked::<WhyQuery>()
            .refused(&[404, 503]),
    ]
}

fn acts() -> Vec<Operation> {
    vec![
        post::<view::TriggerRequest, view::Triggered>(
            "/api/v1/schedules/{schedule}/trigger",
            "trigger",
            "A run now, of the days given or of what a fire now would export",
        ),
        post::<view::BackfillRequest, view::Backfill>(
            "/api/v1/schedules/{schedule}/backfill",
            "backfill",
            "Export what lacks within the days given",
        )
        .with_body(),
        post::<view::PauseRequest, view::Acted>(
            "/api/v1/schedules/{schedule}/pause",
            "pause",
            "Skip its fires, each recorded",
        )
        .with_body(),
        post::<view::ActRequest, view::Acted>(
            "/api/v1/schedules/{schedule}/resume",
            "resume",
            "Fire again; catches nothing up",
        ),
        post::<view::ActRequest, view::Acted>(
            "/api/v1/runs/{run}/cancel",
            "cancel",
            "End an open run and its jobs",
        ),
        post::<view::RetryRequest, view::Acted>(
            "/api/v1/runs/{run}/retry",
            "retry",
            "The same run again: new attempts for its failed parts",
        ),
        post::<view::ActRequest, view::Pruned>(
            "/api/v1/prune",
            "prune",
            "Remove old raw files that nothing needs",
        ),
        post::<view::ExcludeRequest, view::Properties>(
            "/api/v1/properties/{property}/exclude",
            "exclude",
            "Leave a property out of new runs",
        )
        .with_body(),
        post::<view::IncludeRequest, view::Properties>(
            "/api/v1/properties/{property}/include",
            "include",
            "Take a property in again",
        ),
    ]
}

/// What an operator asks when something may be wrong: each sends requests elsewhere, so each is a POST.
fn questions() -> Vec<Operation> {
    vec![
        post::<view::ActRequest, view::Doctor>(
            "/api/v1/doctor",
            "doctor",
            "Everything that may be wrong, each with the command that mends it; takes up to half a minute",
        )
        .refused(&[409, 422]),
        post::<view::ActRequest, view::CallbackTest>(
            "/api/v1/callback/test",
            "callback_test",
            "Whether a POST to ourselves by the public address comes through",
        )
        .refused(&[409, 422]),
        post::<view::ActRequest, view::TokenCheck>(
            "/api/v1/token/check",
            "token_check",
            "Whether ApartmentIQ takes the credential, until when, and what it sees",
        )
        .refused(&[409, 422]),
        post::<view::TriggerRequest, view::Forecast>(
            "/api/v1/schedules/{schedule}/forecast",
            "forecast",
            "What a trigger would ask for: parts, properties, property-days",
        )
        .refused(&[404, 409, 422, 502, 503]),
    ]
}
