//! The file host: a second listener that answers like S3 does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use super::api::seen;
use super::conduct::Rule;
use super::faults::Fault;
use super::job::Artifact;
use super::life;
use super::range::{Asked, asked};
use super::reply::{self, Reply};
use super::signing::{self, Flaw};
use super::world::World;

const CHUNK: usize = 256 << 10;
/// Long enough for what was sent before a cut to leave the socket.
const BEFORE_CUT: Duration = Duration::from_millis(40);
/// A slow body comes in so many pieces, this far apart.
const SLOW_PIECES: u64 = 60;
const SLOW_PAUSE: Duration = Duration::from_millis(25);
const OVERSIZED: u64 = 1 << 40;

pub fn router(world: Arc<World>) -> Router {
    Router::new().fallback(file).with_state(world)
}

/// How the body of a download goes wrong, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Whole,
    Truncated,
    CutSilently,
    Slow,
    Oversized,
    Endless,
}

/// The part of a file that is to be sent.
struct Slice {
    artifact: Artifact,
    from: u64,
    bytes: u64,
    partial: bool,
    content_type: &'static str,
}

async fn file(State(world): State<Arc<World>>, request: Request) -> Reply {
    let path = request.uri().path();
    let refusal = world.change(|state| {
        let seen = seen("file", &request, path, None);
        state.conduct.saw(&seen);
        if seen.referer {
            state.conduct.violated(Rule::RefererToFiles, path);
        }
        if seen.authorization {
            state.conduct.violated(Rule::AuthorizationToFiles, path);
            return Some(reply::xml(
                StatusCode::BAD_REQUEST,
                "InvalidArgument",
                "A signed URL and an Authorization header exclude each other",
            ));
        }
        let down = state.strike(Fault::ServerError, "file");
        down.then(|| {
            reply::xml(
                StatusCode::SERVICE_UNAVAILABLE,
                "SlowDown",
                "Please reduce your request rate.",
            )
        })
    });
    if let Some(refusal) = refusal.or_else(|| flawed(&world, &request)) {
        return refusal;
    }
    let method = request.method().clone();
    if method != Method::GET && method != Method::HEAD {
        return reply::xml(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "Only GET and HEAD are allowed",
        );
    }
    let slice = match choose(&world, path, request.headers()) {
        Ok(slice) => slice,
        Err(refusal) => return *refusal,
    };
    match method == Method::HEAD {
        true => head(&slice, slice.bytes, Body::empty()),
        false => deliver(&world, signing::job_id(path).unwrap_or_default(), slice).await,
    }
}

fn flawed(world: &World, request: &Request) -> Option<Reply> {
    let checked = signing::check(
        world,
        request.uri().path(),
        request.uri().query().unwrap_or_default(),
    );
    let (code, message) = match checked.err()? {
        Flaw::Unsigned => ("AccessDenied", "Access Denied"),
        Flaw::Mismatch => (
            "SignatureDoesNotMatch",
            "The signature is not the one computed from the request",
        ),
        Flaw::Expired => ("AccessDenied", "Request has expired"),
    };
    Some(reply::xml(StatusCode::FORBIDDEN, code, message))
}

fn choose(world: &World, path: &str, headers: &HeaderMap) -> Result<Slice, Box<Reply>> {
    let found = signing::job_id(path)
        .and_then(|id| {
            world.job(id, |job| {
                job.artifact
                    .clone()
                    .map(|artifact| (artifact, job.order.format))
            })
        })
        .flatten();
    let Some((artifact, format)) = found else {
        return Err(Box::new(reply::xml(
            StatusCode::NOT_FOUND,
            "NoSuchKey",
            "The specified key does not exist.",
        )));
    };
    let (from, bytes, partial) = match asked(headers, &artifact) {
        Asked::Whole => (0, artifact.bytes, false),
        Asked::Part { from, bytes } => (from, bytes, true),
        Asked::Outside => {
            let mut refusal = reply::xml(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "The requested range is not satisfiable",
            );
            refusal.headers_mut().insert(
                header::CONTENT_RANGE,
                text(format!("bytes */{}", artifact.bytes)),
            );
            return Err(Box::new(refusal));
        }
    };
    Ok(Slice {
        artifact,
        from,
        bytes,
        partial,
        content_type: format.content_type(),
    })
}

async fn deliver(world: &Arc<World>, id: &str, slice: Slice) -> Reply {
    world.job(id, |job| job.downloads += 1);
    let strike = |fault| world.change(|state| state.strike_job(fault, id));
    if strike(Fault::ErrorDocument) {
        return reply::xml(
            StatusCode::OK,
            "InternalError",
            "We encountered an internal error. Please try again.",
        );
    }
    let opened = open(&slice).await;
    let Ok(file) = opened else {
        return reply::xml(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "The file cannot be read",
        );
    };
    let delivery = if strike(Fault::ChangedEtag) {
        // The open file stays what it is; whoever asks next meets another one.
        if life::restate(world, id).await.is_err() {
            return reply::xml(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalError",
                "The file cannot be replaced",
            );
        }
        Delivery::Truncated
    } else if strike(Fault::Truncated) {
        Delivery::Truncated
    } else if strike(Fault::CutSilently) {
        Delivery::CutSilently
    } else if strike(Fault::Oversized) {
        Delivery::Oversized
    } else if strike(Fault::Endless) {
        Delivery::Endless
    } else if strike(Fault::Slow) {
        Delivery::Slow
    } else {
        Delivery::Whole
    };
    body(&slice, file, delivery)
}

async fn open(slice: &Slice) -> io::Result<File> {
    let mut file = File::open(&slice.artifact.path).await?;
    file.seek(SeekFrom::Start(slice.from)).await?;
    Ok(file)
}

fn body(slice: &Slice, file: File, delivery: Delivery) -> Reply {
    let half = slice.bytes / 2;
    let all = |bytes: u64, chunk: usize| ReaderStream::with_capacity(file.take(bytes), chunk);
    match delivery {
        Delivery::Whole => head(
            slice,
            slice.bytes,
            Body::from_stream(all(slice.bytes, CHUNK)),
        ),
        Delivery::Truncated => head(
            slice,
            slice.bytes,
            Body::from_stream(all(half, CHUNK).chain(cut())),
        ),
        Delivery::CutSilently => head(slice, half, Body::from_stream(all(half, CHUNK))),
        Delivery::Oversized => head(
            slice,
            OVERSIZED,
            Body::from_stream(all(slice.bytes, CHUNK).chain(cut())),
        ),
        Delivery::Slow => {
            let piece = slice.bytes.div_ceil(SLOW_PIECES).max(1) as usize;
            let trickle = all(slice.bytes, piece).and_then(async |bytes| {
                tokio::time::sleep(SLOW_PAUSE).await;
                Ok(bytes)
            });
            head(slice, slice.bytes, Body::from_stream(trickle))
        }
        Delivery::Endless => {
            let more = stream::repeat_with(|| Ok(Bytes::from_static(&[b'\n'; CHUNK])));
            let mut reply = head(
                slice,
                slice.bytes,
                Body::from_stream(all(slice.bytes, CHUNK).chain(more)),
            );
            reply.headers_mut().remove(header::CONTENT_LENGTH);
            reply
        }
    }
}

/// Ends a body, and with it the connection, before its announced length.
fn cut() -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::once(async {
        tokio::time::sleep(BEFORE_CUT).await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    })
}

fn head(slice: &Slice, length: u64, body: Body) -> Reply {
    let mut reply = Reply::new(body);
    let headers = reply.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(slice.content_type),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, text(format!("\"{}\"", slice.artifact.etag)));
    headers.insert(
        header::LAST_MODIFIED,
        text(httpdate::fmt_http_date(slice.artifact.written_at.into())),
    );
    headers.insert(header::SERVER, HeaderValue::from_static("AmazonS3"));
    if slice.partial {
        let last = slice.from + length.saturating_sub(1);
        headers.insert(
            header::CONTENT_RANGE,
            text(format!(
                "bytes {}-{last}/{}",
                slice.from, slice.artifact.bytes
            )),
        );
        *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    reply
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("digits, hex and dates are header text")
}
