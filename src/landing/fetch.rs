//! One download: the address admitted, the body asked for or gone on with, its bytes handed to the intake.

use super::address;
use super::intake::{Intake, Piece, Place, transfer};
use super::partial::Partial;
use super::repeated::{self, First};
use super::shape::Shape;
use super::{FetchOrder, Landing, Settings, blocking};
use crate::run::{Artifact, Fault, FaultClass};
use reqwest::{Response, StatusCode, Url, header};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Chunks that may wait between the network and the disk.
const QUEUE: usize = 16;
const REDIRECTS_MAX: usize = 3;

pub(super) async fn fetch(
    landing: &Landing,
    order: FetchOrder,
    location: &str,
) -> Result<Artifact, Fault> {
    let order = Arc::new(order);
    let place = Place::of(landing.inner.disk.clone(), Arc::clone(&order));
    let looking = place.clone();
    if let Some(artifact) = blocking(move || Ok(looking.already())).await? {
        return Ok(artifact);
    }
    let known = Partial::load(&place.sidecar, &order.job_id).filter(|known| {
        place
            .partial
            .metadata()
            .is_ok_and(|file| file.len() >= known.kept)
    });
    let (response, resumed) = open(landing, location, known.as_ref()).await?;
    let (response, resumed, first) = match repeated::is_framed(&response) {
        true => (response, resumed, None),
        false => {
            let (response, first) = twice(landing, location, response, resumed.is_some()).await?;
            (response, None, first)
        }
    };
    let settings = &landing.inner.settings;
    let shape = Shape::of(&response, resumed.as_ref(), first, settings)?;
    landing.admit(response.content_length().unwrap_or_default())?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let writing = tokio::spawn(blocking(move || {
        Intake::begin(place, shape)?.take_all(receiver)
    }));
    let pumped = pump(response, sender).await;
    let taken = match writing.await {
        Ok(taken) => taken?,
        Err(_) => return Err(transfer("the download was stopped")),
    };
    pumped?;
    taken.ok_or_else(|| transfer("the download was stopped"))
}

/// The answer anew, and what the first one held; one that was only a rest is asked for whole.
async fn twice(
    landing: &Landing,
    location: &str,
    response: Response,
    is_rest: bool,
) -> Result<(Response, Option<First>), Fault> {
    let anew = async || admit_status(request(landing, location, None).await?);
    let response = match is_rest {
        true => anew().await?,
        false => response,
    };
    if repeated::is_framed(&response) {
        return Ok((response, None));
    }
    let first = repeated::read(response, landing.inner.settings.bytes_max).await?;
    Ok((anew().await?, Some(first)))
}

/// Moves chunks from the network to the writer. A writer that is gone has its own fault to tell.
async fn pump(mut response: Response, sender: mpsc::Sender<Piece>) -> Result<(), Fault> {
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                if sender.send(Piece::Bytes(chunk)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => {
                let _ = sender.send(Piece::End).await;
                return Ok(());
            }
            Err(error) => return Err(broken(error)),
        }
    }
}

pub(super) fn broken(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    if address::is_private(&error) {
        return Fault::new(
            FaultClass::Address,
            "the download host resolves to private addresses only",
        );
    }
    if error.is_timeout() {
        return transfer("the download stalled: nothing came within the read timeout");
    }
    let mut message = format!("the download broke: {error}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        message = format!("{message}: {error}");
        source = error.source();
    }
    transfer(message)
}

/// Asks for the body, or for what is missing of it; says from where it goes on.
async fn open(
    landing: &Landing,
    location: &str,
    known: Option<&Partial>,
) -> Result<(Response, Option<Partial>), Fault> {
    let response = request(landing, location, known).await?;
    let Some(known) = known else {
        return admit_status(response).map(|response| (response, None));
    };
    match response.status() {
        StatusCode::PARTIAL_CONTENT if goes_on(&response, known) => {
            Ok((response, Some(known.clone())))
        }
        // Another file by now, or a server that cannot go on: start again.
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            let response = request(landing, location, None).await?;
            admit_status(response).map(|response| (response, None))
        }
        _ => admit_status(response).map(|response| (response, None)),
    }
}

/// Whether a 206 is the rest of the same bytes.
fn goes_on(response: &Response, known: &Partial) -> bool {
    let same_tag = strong_tag(response).is_none_or(|tag| known.etag.as_deref() == Some(&tag));
    let range = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bytes "))
        .and_then(|value| value.split_once('/'));
    let Some((range, total)) = range else {
        return false;
    };
    let start = range
        .split_once('-')
        .and_then(|(start, _)| start.parse::<u64>().ok());
    let same_length = match (total.parse::<u64>().ok(), known.length) {
        (Some(total), Some(length)) => total == length,
        _ => true,
    };
    same_tag && start == Some(known.kept) && same_length
}

pub(super) fn strong_tag(response: &Response) -> Option<String> {
    let tag = response.headers().get(header::ETAG)?.to_str().ok()?;
    tag.starts_with('"').then(|| tag.to_owned())
}

/// One GET, its redirects followed by hand: every target is admitted before it is connected to.
async fn request(
    landing: &Landing,
    location: &str,
    known: Option<&Partial>,
) -> Result<Response, Fault> {
    let settings = &landing.inner.settings;
    let mut url = address::admit(settings, location)?;
    for _ in 0..=REDIRECTS_MAX {
        let mut request = landing.inner.client.get(url.clone());
        if let Some(Partial {
            etag: Some(etag),
            kept,
            ..
        }) = known
        {
            request = request
                .header(header::RANGE, format!("bytes={kept}-"))
                .header(header::IF_RANGE, etag);
        }
        let response = request.send().await.map_err(broken)?;
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        url = redirected(settings, &url, &response)?;
    }
    Err(Fault::new(
        FaultClass::Address,
        format!("more than {REDIRECTS_MAX} redirects"),
    ))
}

fn redirected(settings: &Settings, from: &Url, response: &Response) -> Result<Url, Fault> {
    let target = response
        .headers()
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| from.join(value).ok())
        .ok_or_else(|| Fault::new(FaultClass::Address, "a redirect without a target"))?;
    address::admit(settings, target.as_str())
}

fn admit_status(response: Response) -> Result<Response, Fault> {
    let status = response.status();
    match status.as_u16() {
        200 => Ok(response),
        403 | 404 | 410 => Err(Fault::new(
            FaultClass::Gone,
            format!("the download address answered {status}; it may have expired"),
        )),
        _ => Err(transfer(format!("the download address answered {status}"))),
    }
}
