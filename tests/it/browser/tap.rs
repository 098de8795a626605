// SPDX-License-Identifier: MPL-2.0
//! A proxy between a browser and everything else, which keeps the heads of requests.
//!
//! It takes out `Sec-Fetch-…`, so that the browser is like those that do not have it yet.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Longest head of a request, in bytes.
const MAX_HEAD_LEN: usize = 64 * 1024;

/// The proxy.
pub(super) struct Tap {
    /// Where it listens, as `host:port`.
    pub(super) address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, Arc::clone(&kept)));
            }
        });
        Self { address, requests }
    }

    /// The heads of all requests so far, in lower case.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics here").clone()
    }
}

/// Passes on one request and its answer; the browser makes a new connection for the next.
async fn pass(mut browser: TcpStream, kept: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (mut head, mut rest) = read_head(&mut browser).await?;
    if head.starts_with("CONNECT ") {
        let answer = b"HTTP/1.1 200 Connected\r\n\r\n";
        browser.write_all(answer).await.ok()?;
        (head, rest) = read_head(&mut browser).await?;
    }
    let is_upgrade = head
        .to_ascii_lowercase()
        .contains("\r\nupgrade: websocket\r\n");
    let mut lines = head.split("\r\n").filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("sec-fetch-") && (is_upgrade || !line.starts_with("connection:"))
    });
    let mut sent = format!("{}\r\n", lines.next()?);
    if !is_upgrade {
        sent.push_str("Connection: close\r\n");
    }
    sent.extend(
        lines
            .filter(|line| !line.is_empty())
            .flat_map(|line| [line, "\r\n"]),
    );
    sent.push_str("\r\n");
    let told = sent.to_ascii_lowercase();
    let host = told.split("\r\nhost: ").nth(1)?.lines().next()?.to_owned();
    // Every name that a page here may ask for is one of this machine.
    let port = host.rsplit_once(':')?.1.parse::<u16>().ok()?;
    kept.lock().expect("no test panics here").push(told);
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    server.write_all(sent.as_bytes()).await.ok()?;
    server.write_all(&rest).await.ok()?;
    copy_bidirectional(&mut browser, &mut server).await.ok()?;
    Some(())
}

/// A head with its empty line, and the bytes read after it.
async fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(end) = end {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
        let mut chunk = [0; 4096];
        let len = stream.read(&mut chunk).await.ok()?;
        if len == 0 || bytes.len() > MAX_HEAD_LEN {
            return None;
        }
        bytes.extend_from_slice(&chunk[..len]);
    }
}
