// SPDX-License-Identifier: MPL-2.0
//! Copying between a program on this machine and an agent's service.

use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::remote::Remote;
use super::traffic::Traffic;
use crate::pump::both_ways;

/// The near side: TCP, bare or under TLS that ends here.
pub(super) trait Local: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;

    /// From now on the program sees the connection break when it is closed, whoever closes it, this daemon's end included.
    fn break_at_close(&self) {
        // A program that has closed the socket needs no reset.
        let _ = set_socket_linger(self.tcp(), Some(Duration::ZERO));
    }

    /// From now on the program sees an end when the connection is closed.
    fn end_at_close(&self) {
        let _ = set_socket_linger(self.tcp(), None);
    }

    /// Closes the connection so that the program sees it break, not end.
    fn reset(self)
    where
        Self: Sized,
    {
        self.break_at_close();
    }
}

impl Local for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Local for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Copies both ways, each until its end, which the other side is told; at most one buffer per
/// direction waits, so a slow reader slows the writer down.
///
/// What breaks on one side, or is cut by `stop`, becomes a reset on the other.
pub(super) async fn carry(
    mut local: impl Local,
    remote: Remote,
    traffic: Arc<Traffic>,
    stop: &CancellationToken,
) {
    let mut remote = remote.metered(traffic);
    local.break_at_close();
    let copying = both_ways(&mut local, &mut remote);
    // The other end of a stream that is dropped knows that it broke by that it takes no more bytes.
    match stop.run_until_cancelled(copying).await {
        Some(Ok(())) => local.end_at_close(),
        Some(Err(error)) => tracing::debug!(%error, "connection broke"),
        None => {}
    }
}
