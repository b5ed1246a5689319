//! A job's life after its create: it waits, it ends, its file is written, the client is told.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::callbacks::{self, Claim};
use super::data::Content;
use super::faults::Fault;
use super::job::{Artifact, Job, Status};
use super::seeded::{Seeded, hex, salt};
use super::world::{World, now};

/// How a job is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As its faults want it; without any it succeeds.
    Natural,
    Failed,
}

/// Lets the job live in a task of its own.
pub fn begin(world: &Arc<World>, id: &str) {
    let (world, id) = (Arc::clone(world), id.to_owned());
    world.tasks.clone().spawn(async move {
        let stopping = world.stopping.clone();
        tokio::select! {
            () = live(&world, &id) => {}
            () = stopping.cancelled() => {}
        }
    });
}

async fn live(world: &Arc<World>, id: &str) {
    let Some((release, forged, held, time)) = world.job(id, |job| {
        let time = duration(world, job);
        (
            Arc::clone(&job.release),
            job.has(Fault::ForgedCallback),
            job.has(Fault::Hold),
            time,
        )
    }) else {
        return;
    };
    tokio::select! {
        () = release.notified() => {}
        () = pass_time(world, id, time, forged, held) => {}
    }
    end(world, id, Ending::Natural).await;
}

async fn pass_time(world: &Arc<World>, id: &str, time: Duration, forged: bool, held: bool) {
    tokio::time::sleep(time / 2).await;
    if forged {
        callbacks::send(world, id, Claim::Forgery).await;
    }
    tokio::time::sleep(time / 2).await;
    if held {
        std::future::pending::<()>().await;
    }
}

/// Half to one and a half times the ordinary time, by seed and number.
fn duration(world: &World, job: &Job) -> Duration {
    let mut draw = Seeded::new(&[world.options.seed, salt("job time"), job.created_n]);
    world.options.job_time.mul_f64(draw.between(0.5, 1.5))
}

/// Ends a job that is still running and tells the client; any other is left alone.
pub async fn end(world: &Arc<World>, id: &str, ending: Ending) {
    let Some(written) = settle(world, id, ending).await else {
        return;
    };
    let tell = world.job(id, |job| {
        if job.status.is_final() {
            return false;
        }
        job.updated_at = now();
        match written {
            Ok(artifact) => {
                job.artifact = Some(artifact);
                job.status = Status::Succeeded;
            }
            Err(message) => {
                job.error_message = Some(message);
                job.status = Status::Failed;
            }
        }
        !job.has(Fault::LostCallback)
    });
    if tell == Some(true) {
        callbacks::send(world, id, Claim::Truth).await;
    }
}

/// The file or the message a job ends with; `None` when it ends otherwise or has ended.
async fn settle(world: &Arc<World>, id: &str, ending: Ending) -> Option<Result<Artifact, String>> {
    let (content, failed) = world.job(id, |job| {
        if job.is_over() || job.ending {
            return None;
        }
        job.ending = true;
        job.vanished = job.has(Fault::VanishedJob);
        let failed = match ending == Ending::Failed || job.has(Fault::Failed) {
            true => Some("Report generation failed: warehouse query timed out".to_owned()),
            false => fails_for_a_property(job),
        };
        (!job.vanished).then(|| (content(world, job), failed))
    })??;
    Some(match failed {
        Some(message) => Err(message),
        None => write(world, id, content)
            .await
            .map_err(|error| format!("Report generation failed: {error}")),
    })
}

/// What a job is told that holds a property which the service cannot report on.
fn fails_for_a_property(job: &Job) -> Option<String> {
    let bad = job.order.property_ids.iter().find(|id| *id % 100 == 13)?;
    if job.has(Fault::BadPropertyNamed) {
        return Some(format!(
            "Report generation failed: property {bad} has no data source"
        ));
    }
    let told = job.has(Fault::BadProperty);
    told.then(|| "Report generation failed: a property has no data source".to_owned())
}

/// Waits until a job is over; at once for an unknown one.
pub async fn over(world: &Arc<World>, id: &str) {
    loop {
        let revision = world.revision();
        if world.is_over(id) || world.stopping.is_cancelled() {
            return;
        }
        world.changed_since(revision).await;
    }
}

fn content(world: &World, job: &Job) -> Content {
    let mut property_ids = job.order.property_ids.clone();
    if job.has(Fault::ZeroRows) {
        property_ids.clear();
    }
    if job.has(Fault::MissingProperties) && !property_ids.is_empty() {
        let mut draw = Seeded::new(&[world.options.seed, salt("missing property"), job.created_n]);
        property_ids.remove(draw.below(property_ids.len() as u64) as usize);
    }
    let format = job.order.format;
    Content {
        seed: world.options.seed,
        report: job.order.report,
        format: if job.has(Fault::WrongFormat) {
            format.other()
        } else {
            format
        },
        property_ids,
        from: job.order.from,
        to: job.order.to,
        units_per_day: world.options.units_per_day,
        restated: job.restated,
    }
}

/// Replaces a job's file by one with restated figures, another length and another ETag.
///
/// # Errors
/// When the new file cannot be written; the old one then stays.
pub async fn restate(world: &Arc<World>, id: &str) -> io::Result<()> {
    let Some(content) = world.job(id, |job| {
        job.restated += 1;
        content(world, job)
    }) else {
        return Ok(());
    };
    let artifact = write(world, id, content).await?;
    world.job(id, |job| job.artifact = Some(artifact));
    Ok(())
}

async fn write(world: &Arc<World>, id: &str, content: Content) -> io::Result<Artifact> {
    let path = world
        .spool
        .path()
        .join(format!("{id}-{}", content.restated));
    let stopping = world.stopping.clone();
    tokio::task::spawn_blocking(move || write_file(&path, &content, stopping))
        .await
        .map_err(io::Error::other)?
}

fn write_file(path: &Path, content: &Content, stopping: CancellationToken) -> io::Result<Artifact> {
    content.write(Interruptible {
        file: File::create(path)?,
        stopping,
    })?;
    let bytes = path.metadata()?.len();
    Ok(Artifact {
        path: path.to_owned(),
        bytes,
        etag: etag(content, bytes),
        written_at: now(),
    })
}

/// Equal for equal bytes, as S3's is; a hash of what the bytes follow from costs no second pass.
fn etag(content: &Content, bytes: u64) -> String {
    let mut hasher = DefaultHasher::new();
    format!("{content:?}").hash(&mut hasher);
    hex(&[hasher.finish(), bytes], 2)
}

/// A file whose writing ends in an error when the world stops, so that a stop never waits for a gigabyte.
struct Interruptible {
    file: File,
    stopping: CancellationToken,
}

impl Write for Interruptible {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stopping.is_cancelled() {
            true => Err(io::Error::other("the sandbox is stopping")),
            false => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
