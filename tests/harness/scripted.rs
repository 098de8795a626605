// SPDX-License-Identifier: MPL-2.0
//! A service that answers each request with bytes of the test's choice, and keeps what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Largest request that is read, in bytes.
const MAX_LEN: usize = 1024 * 1024;

/// A service that speaks bytes. It ends every connection after its answer.
#[derive(Debug)]
pub(crate) struct Scripted {
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Starts a service that answers a request, head and body, with what `answer` makes of it.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start_slow(Duration::ZERO, answer).await
    }

    /// The same, but each answer takes a while.
    pub(crate) async fn start_slow(
        pause: Duration,
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                tokio::spawn(async move {
                    // A connection without a request is the daemon's probe.
                    if let Some(request) = read(&mut stream).await {
                        let bytes = answer(&request);
                        kept.lock().expect("no test panics here").push(request);
                        if !pause.is_zero() {
                            tokio::time::sleep(pause).await;
                        }
                        // A client that has gone needs no answer.
                        let _sent = stream.write_all(&bytes).await;
                        let _ended = stream.shutdown().await;
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// One that answers everything with these bytes.
    pub(crate) async fn saying(answer: &str) -> Self {
        let answer = answer.as_bytes().to_vec();
        Self::start(move |_| answer.clone()).await
    }

    /// The requests so far, as they came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics here").clone()
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let len = stream.read(&mut chunk).await.ok()?;
        bytes.extend_from_slice(&chunk[..len]);
        let text = String::from_utf8_lossy(&bytes);
        if len == 0 || bytes.len() > MAX_LEN {
            return None;
        }
        if is_whole(&text) {
            return Some(text.into_owned());
        }
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked") {
        return body.contains("0\r\n") && body.ends_with("\r\n\r\n");
    }
    let len = head.split("\r\ncontent-length: ").nth(1);
    let len = len.and_then(|rest| rest.lines().next()?.parse().ok());
    body.len() >= len.unwrap_or(0)
}

/// An answer with these headers, each line ended by CRLF, and a body of known length.
pub(crate) fn answer(headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}
