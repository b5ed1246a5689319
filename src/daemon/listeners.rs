//! The callback socket: systemd's if it hands one over, else our own.

use super::Error;
use listenfd::ListenFd;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Callbacks that may wait in the kernel while the daemon is busy.
const BACKLOG: u32 = 1_024;

pub(super) async fn callback(address: SocketAddr) -> Result<TcpListener, Error> {
    let fault = |source: io::Error| Error::Listen { address: address.to_string(), source };
    if let Some(handed) = handed_over().map_err(fault)? {
        return Ok(handed);
    }
    bind(address).map_err(fault)
}

fn handed_over() -> io::Result<Option<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    let Some(listener) = sockets.take_tcp_listener(0)? else { return Ok(None) };
    listener.set_nonblocking(true)?;
    tracing::info!("the callback socket was handed over by systemd");
    TcpListener::from_std(listener).map(Some)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the last connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
