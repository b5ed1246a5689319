//! The accept loop under both listeners; a response marked [`Unsent`] closes its connection instead.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::reply::Unsent;
use super::world::World;

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Accepts connections until the world stops.
pub async fn serve(world: Arc<World>, listener: TcpListener, router: Router) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = world.stopping.cancelled() => return,
        };
        // An accept fails for want of descriptors or for a peer that has gone; both pass.
        let Ok((stream, peer)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        let connection = talk(stream, Peer(peer), router.clone());
        let stopping = world.stopping.clone();
        world.tasks.spawn(async move {
            tokio::select! {
                // A broken connection is the client's or a fault's doing.
                _ = connection => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}

async fn talk(stream: TcpStream, peer: Peer, router: Router) -> hyper::Result<()> {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let Ok(reply) = router.oneshot(request).await;
            match reply.extensions().get::<Unsent>() {
                Some(Unsent) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
                None => Ok(reply),
            }
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
}
