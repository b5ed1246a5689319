//! The accept loops of the admin side, with the deadlines and limits that `axum::serve` lacks.

use super::Actor;
use axum::Router;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Connections open at a time, on each listener; more wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 128;
/// How long a connection may take to send a request's headers, or stay silent between requests.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long requests under way may take once the daemon stops.
pub const DRAIN: Duration = Duration::from_secs(2);
/// The rest after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Who is at the other end; every request carries one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The kernel says who.
    Unix { uid: u32 },
    Tcp {
        remote: SocketAddr,
        local: SocketAddr,
    },
}

impl Peer {
    pub fn actor(&self) -> Actor {
        match self {
            Peer::Unix { uid } => Actor::User { uid: *uid },
            Peer::Tcp { .. } => Actor::Remote,
        }
    }
}

/// Serves the socket until `stop`; returns when requests under way have ended.
pub async fn serve_unix(listener: &UnixListener, router: Router, stop: CancellationToken) {
    let accepts = AcceptLoop::new(router, stop);
    loop {
        match accepts.next(listener.accept()).await {
            Next::Stop => break,
            Next::Nobody => {}
            Next::Connection((stream, _)) => match stream.peer_cred() {
                Ok(peer) => accepts.spawn(stream, Peer::Unix { uid: peer.uid() }),
                Err(error) => {
                    tracing::warn!(%error, "a connection without credentials was dropped");
                }
            },
        }
    }
    accepts.drain().await;
}

/// Serves TCP until `stop`; returns when requests under way have ended.
pub async fn serve_tcp(listener: &TcpListener, router: Router, stop: CancellationToken) {
    let accepts = AcceptLoop::new(router, stop);
    loop {
        match accepts.next(listener.accept()).await {
            Next::Stop => break,
            Next::Nobody => {}
            Next::Connection((stream, remote)) => {
                // Without it an answer may wait for the acknowledgement of its first half.
                let _ = stream.set_nodelay(true);
                if let Ok(local) = stream.local_addr() {
                    accepts.spawn(stream, Peer::Tcp { remote, local });
                }
            }
        }
    }
    accepts.drain().await;
}

enum Next<T> {
    Connection(T),
    Nobody,
    Stop,
}

struct AcceptLoop {
    router: Router,
    stop: CancellationToken,
    slots: Arc<Semaphore>,
    connections: TaskTracker,
}

impl AcceptLoop {
    fn new(router: Router, stop: CancellationToken) -> AcceptLoop {
        AcceptLoop {
            router,
            stop,
            slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            connections: TaskTracker::new(),
        }
    }

    /// Waits for a free slot, then for a connection.
    async fn next<T>(&self, accept: impl Future<Output = io::Result<T>>) -> Next<T> {
        let accepted = async {
            // Held only until one is free; the connection takes its own.
            drop(self.slots.acquire().await);
            accept.await
        };
        let accepted = tokio::select! {
            () = self.stop.cancelled() => return Next::Stop,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok(connection) => Next::Connection(connection),
            Err(error) => {
                tracing::warn!(%error, "the admin side cannot accept a connection");
                tokio::time::sleep(ACCEPT_REST).await;
                Next::Nobody
            }
        }
    }

    fn spawn<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return;
        };
        let router = self.router.clone();
        let stop = self.stop.clone();
        self.connections.spawn(async move {
            let _slot = slot;
            let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
                let mut request: Request = request.map(axum::body::Body::new);
                request.extensions_mut().insert(peer.clone());
                router.clone().oneshot(request)
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_WITHIN)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = tokio::time::timeout(DRAIN, connection).await;
                }
            }
        });
    }

    async fn drain(&self) {
        self.connections.close();
        self.connections.wait().await;
    }
}
