//! The routes about completeness, each a parse, one question and one document.

use super::super::routes::{Answer, Asked, Body, acting_window, intent, parse_name, parse_window};
use super::super::view::{
    ActRequest, Backfill, BackfillRequest, CellMap, Coverage, ExcludeRequest, Freshness,
    IncludeRequest, Properties, Pruned, Why,
};
use super::super::{Peer, Refusal};
use super::{BackfillOrder, Completeness, Subject};
use crate::coverage::Only;
use crate::roster::Order;
use crate::schedule::Window;
use axum::extract::{Extension, Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::NaiveDate;
use serde::Deserialize;
use std::sync::Arc;

/// Runs of a backfill at once: by default and at most.
const ACTIVE_DEFAULT: u32 = 2;
const ACTIVE_MAX: u32 = 1_000;
/// The longest reason of an exclusion.
const REASON_MAX: usize = 500;
/// The longest path that `why` looks at.
const PATH_MAX: usize = 4_096;

/// Adds the routes about completeness.
pub fn with_routes<D: Completeness>(router: Router<Arc<D>>) -> Router<Arc<D>> {
    router
        .route("/api/v1/coverage/{schedule}", get(coverage::<D>))
        .route("/api/v1/coverage/{schedule}/cells", get(cells::<D>))
        .route("/api/v1/prune", post(prune::<D>))
        .route("/api/v1/freshness", get(freshness::<D>))
        .route("/api/v1/schedules/{schedule}/backfill", post(backfill::<D>))
        .route("/api/v1/properties", get(properties::<D>))
        .route("/api/v1/properties/{property}/exclude", post(exclude::<D>))
        .route("/api/v1/properties/{property}/include", post(include::<D>))
        .route("/api/v1/why", get(why::<D>))
}

/// Both days or neither.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in super::super) struct DaysQuery {
    /// The first day.
    from: Option<NaiveDate>,
    /// The last day, included.
    to: Option<NaiveDate>,
}

fn window(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<Option<Window>, Refusal> {
    match (from, to) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) => parse_window(from, to).map(Some),
        _ => Err(Refusal::usage("`from` and `to` go together")),
    }
}

async fn coverage<D: Completeness>(
    State(daemon): State<Arc<D>>,
    Path(schedule): Path<String>,
    Asked(query): Asked<DaysQuery>,
) -> Answer<Coverage> {
    let window = window(query.from, query.to)?;
    let coverage = daemon.coverage(parse_name(&schedule)?, window).await?;
    Ok(Json(coverage))
}

async fn cells<D: Completeness>(
    State(daemon): State<Arc<D>>,
    Path(schedule): Path<String>,
    Asked(query): Asked<DaysQuery>,
) -> Answer<CellMap> {
    let window = window(query.from, query.to)?;
    Ok(Json(daemon.cells(parse_name(&schedule)?, window).await?))
}

async fn freshness<D: Completeness>(State(daemon): State<Arc<D>>) -> Answer<Freshness> {
    Ok(Json(daemon.freshness().await?))
}

async fn backfill<D: Completeness>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(schedule): Path<String>,
    body: Body<BackfillRequest>,
) -> Answer<Backfill> {
    let request = body.0;
    let only = match request.only.as_deref() {
        None | Some("missing") => Only::Missing,
        Some("failed") => Only::Failed,
        Some("lacking") => Only::Lacking,
        Some("all") => Only::All,
        Some(_) => {
            let message = "`only` is one of missing, failed, lacking, all";
            return Err(Refusal::usage(message));
        }
    };
    let max_active = request.max_active.unwrap_or(ACTIVE_DEFAULT);
    if !(1..=ACTIVE_MAX).contains(&max_active) {
        let message = format!("`max_active` lies between 1 and {ACTIVE_MAX}");
        return Err(Refusal::usage(message));
    }
    let order = BackfillOrder {
        schedule: parse_name(&schedule)?,
        window: acting_window(request.from, request.to)?,
        only,
        max_active,
        order: match request.oldest_first {
            true => Order::Oldest,
            false => Order::Newest,
        },
    };
    let wanted = intent(request.dry_run);
    let mut backfill = daemon.backfill(order, peer.actor(), wanted).await?;
    backfill.dry_run = request.dry_run;
    Ok(Json(backfill))
}

async fn properties<D: Completeness>(State(daemon): State<Arc<D>>) -> Answer<Properties> {
    Ok(Json(daemon.properties().await?))
}

async fn exclude<D: Completeness>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(property): Path<String>,
    body: Body<ExcludeRequest>,
) -> Answer<Properties> {
    let property = parse_property(&property)?;
    let reason = body.0.reason.trim();
    if reason.is_empty() || reason.len() > REASON_MAX {
        let message = format!("an exclusion needs a reason of at most {REASON_MAX} bytes");
        return Err(Refusal::usage(message));
    }
    let wanted = intent(body.0.dry_run);
    let reason = reason.to_owned();
    let after = daemon.exclude(property, reason, peer.actor(), wanted);
    Ok(Json(after.await?))
}

async fn include<D: Completeness>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    Path(property): Path<String>,
    body: Body<IncludeRequest>,
) -> Answer<Properties> {
    let property = parse_property(&property)?;
    let IncludeRequest { reason, dry_run } = body.0;
    let after = daemon.include(property, reason, peer.actor(), intent(dry_run));
    Ok(Json(after.await?))
}

async fn prune<D: Completeness>(
    State(daemon): State<Arc<D>>,
    Extension(peer): Extension<Peer>,
    body: Body<ActRequest>,
) -> Answer<Pruned> {
    let wanted = intent(body.0.dry_run);
    Ok(Json(daemon.prune(peer.actor(), wanted).await?))
}

fn parse_property(text: &str) -> Result<i64, Refusal> {
    text.parse()
        .map_err(|_| Refusal::usage("a property's id is a whole number"))
}

/// Either `path`, or `schedule` with `property` and `date`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in super::super) struct WhyQuery {
    /// A file below the landing folder.
    path: Option<String>,
    schedule: Option<String>,
    property: Option<i64>,
    date: Option<NaiveDate>,
}

async fn why<D: Completeness>(
    State(daemon): State<Arc<D>>,
    Asked(query): Asked<WhyQuery>,
) -> Answer<Why> {
    let subject = match query {
        WhyQuery {
            path: Some(path),
            schedule: None,
            property: None,
            date: None,
        } if path.len() <= PATH_MAX => Subject::Path(path),
        WhyQuery {
            path: None,
            schedule: Some(schedule),
            property: Some(property),
            date: Some(date),
        } => Subject::Cell {
            schedule: parse_name(&schedule)?,
            property,
            date,
        },
        _ => {
            let message = "either `path`, or `schedule` with `property` and `date`";
            return Err(Refusal::usage(message));
        }
    };
    Ok(Json(daemon.why(subject).await?))
}
