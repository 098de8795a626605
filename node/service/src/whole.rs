// SPDX-License-Identifier: MPL-2.0
//! Telling a stream that ended from one that broke.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Fails if the end that was read of `stream`, whose other direction is still open, is that of a
/// stream which the other side dropped.
///
/// QUIC streams end alike either way; one that was dropped refuses what is written to it. Where the
/// other direction was ended before, that cannot be told.
pub(crate) fn poll_is_whole(
    stream: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
) -> io::Result<()> {
    match Pin::new(stream).poll_write(cx, &[]) {
        Poll::Ready(Err(_)) => Err(io::ErrorKind::ConnectionReset.into()),
        Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
    }
}
