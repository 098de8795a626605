// SPDX-License-Identifier: MPL-2.0
//! Stdin and stdout as a connection to an agent's service.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connect;
use crate::cli::args::Connect;
use crate::cli::{Context, Failure};

/// Bytes copied at a time.
const BUFFER_LEN: usize = 64 * 1024;

pub(super) async fn run(context: &Context, args: Connect) -> Result<(), Failure> {
    let connected = connect::open(context, args).await?;
    let stream = TcpStream::connect(connect::address(&connected)).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let sending = async {
        let mut stdin = tokio::io::stdin();
        copy(&mut stdin, &mut writer).await?;
        writer.shutdown().await
    };
    let receiving = async { copy(&mut reader, &mut tokio::io::stdout()).await };
    tokio::pin!(receiving);
    tokio::select! {
        ended = &mut receiving => return Ok(ended?),
        // A service that takes no more may still have something to say.
        sent = sending => if let Err(error) = sent {
            tracing::debug!(%error, "stdin not sent to its end");
        },
    }
    Ok(receiving.await?)
}

/// Copies until the end, and holds nothing back.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let len = from.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..len]).await?;
        to.flush().await?;
    }
}
