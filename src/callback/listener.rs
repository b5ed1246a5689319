//! The accept loop: hyper's HTTP/1 with a deadline on everything a sender can be slow at.

use super::routes::{HangUp, Room, router};
use super::uniform::Uniform;
use super::{Acknowledge, Counters, Outcome};
use crate::apartmentiq::CallbackKeys;
use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long a connection that was accepted before a stop may still begin its request.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How often at most such failures are logged.
const ACCEPT_WORDS: Duration = Duration::from_secs(60);
/// Beyond it hyper answers 431, which leaves as the one 404.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// What a sender may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open at once; beyond it they wait in the kernel's queue.
    pub connections: usize,
    /// From the first moment, or the last answer, to the end of the next request's headers.
    pub header: Duration,
    /// From the headers to the end of the body.
    pub body: Duration,
    pub body_bytes: u64,
    /// How long the store may take before the sender is told to come again.
    pub acknowledge: Duration,
    /// A connection's whole life, however busy.
    pub lifetime: Duration,
    /// How long a close waits for the sender to read the answer.
    pub linger: Duration,
    /// How long requests under way are waited for at the end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            header: Duration::from_secs(5),
            body: Duration::from_secs(10),
            body_bytes: 64 * 1024,
            acknowledge: Duration::from_secs(10),
            lifetime: Duration::from_secs(600),
            linger: Duration::from_secs(1),
            grace: Duration::from_secs(3),
        }
    }
}

/// Serves callbacks until `shutdown`, then stops accepting, lets requests under way finish for at
/// most `limits.grace`, and returns. No connection outlives it.
pub async fn serve(
    listener: TcpListener,
    keys: Arc<CallbackKeys>,
    acknowledger: impl Acknowledge,
    limits: Limits,
    shutdown: CancellationToken,
    counters: Arc<Counters>,
) {
    let room = Arc::new(Room {
        keys,
        acknowledger,
        limits,
        counters: counters.clone(),
    });
    let server = Server {
        router: router(room),
        limits,
        counters,
        draining: shutdown.clone(),
        // Dropped with this future, so that cutting it off cuts them off too.
        cut: CancellationToken::new(),
    };
    let _cut = server.cut.clone().drop_guard();
    let connections = TaskTracker::new();
    tokio::select! {
        () = shutdown.cancelled() => {}
        never = accept(&listener, &server, &connections) => match never {},
    }
    drop(listener);
    connections.close();
    // A connection too many for the grace is cut off by the guard.
    let _ = timeout(limits.grace, connections.wait()).await;
}

#[derive(Clone)]
struct Server {
    router: Router,
    limits: Limits,
    counters: Arc<Counters>,
    draining: CancellationToken,
    cut: CancellationToken,
}

async fn accept(listener: &TcpListener, server: &Server, connections: &TaskTracker) -> Infallible {
    let places = Arc::new(Semaphore::new(server.limits.connections));
    let mut silent_until = Instant::now();
    loop {
        let place = places.clone().acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = server.clone();
                connections.spawn(async move {
                    server.counters.opened();
                    tokio::select! {
                        () = server.cut.cancelled() => {}
                        () = server.connection(stream) => {}
                    }
                    server.counters.closed();
                    drop(place);
                });
            }
            // The sender gave up while it waited in the queue.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if Instant::now() >= silent_until {
                    silent_until = Instant::now() + ACCEPT_WORDS;
                    tracing::error!(%error, "cannot accept callbacks");
                }
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

impl Server {
    async fn connection(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.answer(request));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(HEAD_BYTES_MAX)
            .auto_date_header(false)
            .half_close(true)
            .serve_connection(TokioIo::new(Uniform::new(stream)), service);
        let mut done = poll_fn(|cx| connection.poll_without_shutdown(cx));
        let ended = tokio::select! {
            ended = &mut done => Some(ended),
            // What a sender had sent before may not have been read yet, and a silent connection is closed unread.
            () = async {
                self.draining.cancelled().await;
                sleep(LAST_WORDS).await;
            } => None,
            () = sleep(self.limits.lifetime) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                Pin::new(&mut connection).graceful_shutdown();
                let rest = poll_fn(|cx| connection.poll_without_shutdown(cx));
                match timeout(self.limits.grace, rest).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        match ended {
            Ok(()) => self.linger(connection.into_parts().io.into_inner()).await,
            Err(error) if error.is_timeout() => self.counters.add(Outcome::Timeout),
            // Ours, and counted when it was decided.
            Err(error) if error.is_user() => {}
            Err(_) => {
                let stream = connection.into_parts().io.into_inner();
                if !stream.was_replaced() {
                    return self.counters.add(Outcome::Broken);
                }
                self.counters.add(Outcome::Forged);
                self.linger(stream).await;
            }
        }
    }

    async fn linger(&self, stream: Uniform) {
        linger(stream.into_stream(), self.limits.linger).await;
    }

    fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> Pin<Box<dyn Future<Output = Result<Response, io::Error>> + Send>> {
        let router = self.router.clone();
        Box::pin(async move {
            let Ok(response) = router.oneshot(request).await;
            match response.extensions().get::<HangUp>() {
                // An error here makes hyper close without an answer.
                Some(HangUp) => Err(io::ErrorKind::TimedOut.into()),
                None => Ok(response),
            }
        })
    }
}

/// Closes such that the answer arrives: a socket closed with unread bytes in it is reset, and a
/// reset overtakes what was sent.
async fn linger(mut stream: TcpStream, time: Duration) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut waste = [0; 4096];
    let mut left = LINGER_BYTES_MAX;
    let reading = async {
        while let Ok(read @ 1..) = stream.read(&mut waste).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(time, reading).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
