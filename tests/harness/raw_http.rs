// SPDX-License-Identifier: MPL-2.0
//! HTTP requests as bytes, for what no well-behaved client sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for the answer to one request.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// What came back for a request.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawAnswer {
    /// The value of a header, compared without regard to case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }
}

/// Sends `request` as it is to `authority` and reads until the daemon closes the connection.
///
/// The request has to ask for that (`Connection: close`), unless the daemon closes on its own.
pub(crate) async fn raw_request(authority: &str, request: &[u8]) -> RawAnswer {
    let exchanged = timeout(ANSWER_DEADLINE, exchange(authority, request)).await;
    let shown = String::from_utf8_lossy(&request[..request.len().min(300)]);
    let Ok(bytes) = exchanged else {
        panic!("no answer to\n{shown}")
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok());
    let Some(status) = status else {
        panic!("{text:?} answers\n{shown}")
    };
    RawAnswer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

async fn exchange(authority: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(authority)
        .await
        .expect("the API listens");
    // A daemon that refuses early may close before it has read everything: the answer still counts.
    let _sent = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        bytes.extend_from_slice(&chunk[..read]);
    }
    bytes
}
