//! One download in one pass: write, hash, count and inspect; then fsync, rename, fsync into raw/.

use super::address;
use super::disk::{Disk, disk_fault};
use super::inspect::{Inspector, Kept, write_keys};
use super::partial::Partial;
use super::{FetchOrder, Landing, Settings, blocking, layout, merge};
use crate::run::{Artifact, Fault, FaultClass};
use bytes::Bytes;
use reqwest::{Response, StatusCode, Url, Version, header};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Chunks that may wait between the network and the disk.
const QUEUE: usize = 16;
/// So often what has arrived is made durable, so that a killed process can go on from there.
const CHECKPOINT: u64 = 256 << 20;
const REDIRECTS_MAX: usize = 3;

fn transfer(message: impl Into<String>) -> Fault {
    Fault::new(FaultClass::Transfer, message)
}

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
    let shape = Shape::of(&response, resumed.as_ref(), &landing.inner.settings)?;
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

enum Piece {
    Bytes(Bytes),
    /// The body ended as it should.
    End,
}

fn broken(error: reqwest::Error) -> Fault {
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

fn strong_tag(response: &Response) -> Option<String> {
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

/// What an answer promises before its body.
struct Shape {
    resumed: Option<Partial>,
    etag: Option<String>,
    length: Option<u64>,
    bytes_max: u64,
}

impl Shape {
    fn of(
        response: &Response,
        resumed: Option<&Partial>,
        settings: &Settings,
    ) -> Result<Shape, Fault> {
        let headers = response.headers();
        if let Some(coding) = headers.get(header::CONTENT_ENCODING)
            && coding != "identity"
        {
            return Err(transfer("the body is encoded, which was not asked for"));
        }
        let kept = resumed.map_or(0, |known| known.kept);
        let length = response
            .content_length()
            .map(|length| kept.saturating_add(length));
        let framed = length.is_some()
            || response.version() >= Version::HTTP_2
            || headers.contains_key(header::TRANSFER_ENCODING);
        if !framed {
            return Err(transfer(
                "the answer has no length, so its end cannot be proven",
            ));
        }
        if length.is_some_and(|length| length > settings.bytes_max) {
            return Err(too_large(settings.bytes_max));
        }
        Ok(Shape {
            resumed: resumed.cloned(),
            etag: resumed.map_or_else(|| strong_tag(response), |known| known.etag.clone()),
            length,
            bytes_max: settings.bytes_max,
        })
    }
}

fn too_large(bytes_max: u64) -> Fault {
    let message = format!("the artifact is larger than download.bytes_max, {bytes_max} bytes");
    Fault::new(FaultClass::TooLarge, message)
}

/// Where the files of one part are.
#[derive(Clone)]
struct Place {
    disk: Disk,
    order: Arc<FetchOrder>,
    partial: PathBuf,
    sidecar: PathBuf,
    facts: PathBuf,
    keys: PathBuf,
    /// Below the root.
    raw: String,
}

impl Place {
    fn of(disk: Disk, order: Arc<FetchOrder>) -> Place {
        let staged = |kind| layout::staged(disk.root(), &order.run, order.part, kind);
        Place {
            partial: staged("partial"),
            sidecar: staged("resume.json"),
            facts: staged("facts.json"),
            keys: staged("keys"),
            raw: layout::raw(&order.schedule, &order.run, order.part, order.format),
            disk,
            order,
        }
    }

    /// The artifact of this very job, if it was fetched before and is unharmed.
    fn already(&self) -> Option<Artifact> {
        let kept = Kept::load(&self.facts)?;
        if kept.job_id != self.order.job_id || kept.terms != self.order.terms {
            return None;
        }
        let (bytes, sha256) = merge::hash_file(&self.disk.root().join(&self.raw)).ok()?;
        (bytes == kept.bytes && sha256 == kept.sha256).then(|| Artifact {
            bytes,
            sha256,
            rows: kept.facts.rows,
            path: self.raw.clone(),
        })
    }

    fn forget(&self) {
        for path in [&self.partial, &self.sidecar] {
            // What cannot be removed is overwritten by the next download.
            let _ = self.disk.remove(path);
        }
    }
}

/// The writing end of a download.
struct Intake {
    place: Place,
    shape: Shape,
    file: File,
    hasher: Sha256,
    inspector: Inspector,
    bytes: u64,
    checkpoint: u64,
}

impl Intake {
    fn begin(place: Place, shape: Shape) -> Result<Intake, Fault> {
        place
            .disk
            .make_folder(&layout::staging(place.disk.root(), &place.order.run))?;
        let file = match &shape.resumed {
            Some(_) => OpenOptions::new()
                .read(true)
                .write(true)
                .open(&place.partial)
                .map_err(|error| disk_fault("open", &place.partial, &error))?,
            None => {
                place.disk.remove(&place.sidecar)?;
                place.disk.create(&place.partial)?
            }
        };
        let inspector = Inspector::new(place.order.format, &place.order.terms);
        let mut intake = Intake {
            place,
            file,
            hasher: Sha256::new(),
            inspector,
            bytes: 0,
            checkpoint: CHECKPOINT,
            shape,
        };
        if let Some(known) = intake.shape.resumed.clone() {
            let replayed = intake.replay(known.kept);
            intake.forget_bad(replayed)?;
        }
        Ok(intake)
    }

    /// Hashes and inspects the kept bytes again; only the disk is believed about them.
    fn replay(&mut self, kept: u64) -> Result<(), Fault> {
        let path = self.place.partial.clone();
        let failed = |error: std::io::Error| disk_fault("read", &path, &error);
        self.file.set_len(kept).map_err(failed)?;
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut block = vec![0; merge::BLOCK];
        loop {
            let length = self.file.read(&mut block).map_err(failed)?;
            if length == 0 {
                break;
            }
            self.hasher.update(&block[..length]);
            self.inspector.feed(&block[..length])?;
            self.bytes += length as u64;
        }
        self.checkpoint = self.bytes + CHECKPOINT;
        if self.bytes == kept {
            Ok(())
        } else {
            Err(transfer(
                "the kept part of the download is shorter than recorded",
            ))
        }
    }

    /// Takes pieces until the end; `None` if the sender broke off, with what came kept for later.
    fn take_all(mut self, mut pieces: mpsc::Receiver<Piece>) -> Result<Option<Artifact>, Fault> {
        let outcome = self.take_until_end(&mut pieces);
        drop(pieces);
        if self.forget_bad(outcome)? {
            self.finish().map(Some)
        } else {
            self.keep()?;
            Ok(None)
        }
    }

    fn take_until_end(&mut self, pieces: &mut mpsc::Receiver<Piece>) -> Result<bool, Fault> {
        while let Some(piece) = pieces.blocking_recv() {
            let Piece::Bytes(chunk) = piece else {
                return self.whole().map(|()| true);
            };
            self.bytes += chunk.len() as u64;
            if self.bytes > self.shape.bytes_max {
                return Err(too_large(self.shape.bytes_max));
            }
            self.file
                .write_all(&chunk)
                .map_err(|error| disk_fault("write", &self.place.partial, &error))?;
            self.hasher.update(&chunk);
            self.inspector.feed(&chunk)?;
            if self.bytes >= self.checkpoint {
                self.keep()?;
                self.checkpoint = self.bytes + CHECKPOINT;
            }
        }
        Ok(false)
    }

    fn whole(&self) -> Result<(), Fault> {
        match self.shape.length {
            Some(length) if length != self.bytes => Err(transfer(format!(
                "the download ended after {} of {length} bytes",
                self.bytes
            ))),
            _ => Ok(()),
        }
    }

    /// Bytes that were found to be wrong are not gone on from.
    fn forget_bad<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &outcome
            && fault.class != FaultClass::Disk
        {
            self.place.forget();
        }
        outcome
    }

    /// Makes what came durable, so that the next download can go on from it.
    fn keep(&self) -> Result<(), Fault> {
        if self.shape.etag.is_none() || self.bytes == 0 {
            return Ok(());
        }
        self.place.disk.sync_file(&self.file, &self.place.partial)?;
        let known = Partial {
            job_id: self.place.order.job_id.clone(),
            etag: self.shape.etag.clone(),
            length: self.shape.length,
            kept: self.bytes,
        };
        known.save(&self.place.disk, &self.place.sidecar)
    }

    fn finish(self) -> Result<Artifact, Fault> {
        let place = &self.place;
        let found = self.inspector.finish(&place.partial);
        let (facts, keys) = match found {
            Err(fault) => {
                if fault.class != FaultClass::Disk {
                    place.forget();
                }
                return Err(fault);
            }
            Ok(found) => found,
        };
        let sha256 = merge::hex(&self.hasher.finalize());
        let rows = facts.rows;
        if facts.unique.is_some() {
            write_keys(&place.keys, &keys)?;
        }
        place.disk.seal(&self.file, &place.partial)?;
        let raw = place.disk.root().join(&place.raw);
        place
            .disk
            .make_folder(raw.parent().unwrap_or(place.disk.root()))?;
        place.disk.rename(&place.partial, &raw)?;
        let terms = &place.order.terms;
        Kept::new(&place.order.job_id, &sha256, self.bytes, terms, facts)
            .save(&place.disk, &place.facts)?;
        place.disk.remove(&place.sidecar)?;
        Ok(Artifact {
            bytes: self.bytes,
            sha256,
            rows,
            path: place.raw.clone(),
        })
    }
}
