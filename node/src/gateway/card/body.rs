// SPDX-License-Identifier: MPL-2.0
//! A body taken into memory up to a length, and handed on whole if it is longer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt as _;
use hyper::body::Frame;

/// A body of which the beginning was read.
#[derive(Debug)]
pub(super) enum Gathered {
    /// All of it.
    Whole(Bytes),
    /// The same body from its beginning, because it is longer than asked for.
    TooLong(Body),
}

/// Reads `body` if it has at most `max` bytes.
///
/// # Errors
/// When it breaks off.
pub(super) async fn gather(mut body: Body, max: usize) -> Result<Gathered, axum::Error> {
    if body.size_hint().lower() > max as u64 {
        return Ok(Gathered::TooLong(body));
    }
    let (mut read, mut len) = (VecDeque::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        len += data.len();
        read.push_back(data);
        if len > max {
            return Ok(Gathered::TooLong(Body::new(Again { read, rest: body })));
        }
    }
    let whole: Vec<u8> = read.iter().flatten().copied().collect();
    Ok(Gathered::Whole(whole.into()))
}

/// A body that begins with what was read of it.
struct Again {
    read: VecDeque<Bytes>,
    rest: Body,
}

impl HttpBody for Again {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.read.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    /// A body of three pieces, without a length.
    fn pieces() -> Body {
        let pieces = ["abc", "de", "f"].map(Ok::<_, std::convert::Infallible>);
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_longer_body_is_handed_on_from_its_beginning() {
        for max in 0..6 {
            let Gathered::TooLong(body) = gather(pieces(), max).await.unwrap() else {
                panic!("{max} is too short");
            };
            assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef", "{max}");
        }
        let gathered = gather(pieces(), 6).await.unwrap();
        assert!(matches!(gathered, Gathered::Whole(bytes) if bytes == "abcdef"));
    }

    #[tokio::test]
    async fn an_announced_length_is_believed_before_reading() {
        let gathered = gather(Body::from("abc"), 2).await.unwrap();
        assert!(matches!(gathered, Gathered::TooLong(_)));
    }
}
