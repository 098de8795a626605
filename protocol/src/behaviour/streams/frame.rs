// SPDX-License-Identifier: MPL-2.0
//! Protobuf messages on a stream, each preceded by its length (u32, big-endian).

use std::io;

use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The stream ended between two messages.
    #[error("the stream ended")]
    Ended,
    /// The peer announced a message above the protocol's limit.
    #[error("a message of {0} bytes is above the limit")]
    TooLarge(usize),
    /// The bytes are not the expected message.
    #[error("malformed message")]
    Malformed(#[from] prost::DecodeError),
    /// The stream failed.
    #[error("the stream failed")]
    Io(#[from] io::Error),
}

/// Reads one message of at most `limit` bytes, and not a byte more.
pub(crate) async fn read<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<M, FrameError> {
    let mut prefix = [0; 4];
    match stream.read_exact(&mut prefix).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(FrameError::Ended);
        }
        other => other?,
    };
    let announced = u32::from_be_bytes(prefix) as usize;
    if announced > limit {
        return Err(FrameError::TooLarge(announced));
    }
    let mut body = Vec::with_capacity(announced.min(ALLOCATE_AHEAD));
    let limit = u64::from(u32::from_be_bytes(prefix));
    if stream.take(limit).read_to_end(&mut body).await? < announced {
        return Err(FrameError::Ended);
    }
    Ok(M::decode(body.as_slice())?)
}

/// A peer that announces a large message pays for it before we reserve more than this many bytes.
const ALLOCATE_AHEAD: usize = 4096;

/// The bytes of one message with its length in front.
pub(crate) fn encode(message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length)
        .expect("our messages are far below 4 GiB")
        .to_be_bytes();
    let mut bytes = Vec::with_capacity(prefix.len() + length);
    bytes.extend_from_slice(&prefix);
    message.encode(&mut bytes).expect("a Vec grows as needed");
    bytes
}

/// Writes one message and flushes it.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Message,
) -> io::Result<()> {
    stream.write_all(&encode(message)).await?;
    stream.flush().await
}
