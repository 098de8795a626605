// SPDX-License-Identifier: MPL-2.0
//! An HTTP client that costs next to nothing: requests made beforehand, one connection kept alive.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request as bytes.
#[derive(Debug, Clone)]
pub(crate) struct Request(Vec<u8>);

/// A connection that carries one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes())
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self((head + &body).into_bytes())
    }
}

impl Connection {
    pub(crate) async fn open(authority: &str) -> Self {
        let stream = TcpStream::connect(authority)
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Self {
            stream,
            buffer: Vec::with_capacity(2 * 1024 * 1024),
        }
    }

    /// Sends `request` and reads its answer to the end. Panics unless it is a success.
    pub(crate) async fn call(&mut self, request: &Request) {
        self.stream
            .write_all(&request.0)
            .await
            .expect("the server is there");
        self.buffer.clear();
        let head_len = loop {
            self.read_more().await;
            if let Some(at) = self.buffer.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_len]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        match header(&head, "content-length") {
            Some(len) => {
                let len = len.parse::<usize>().expect("a length");
                while self.buffer.len() < head_len + len {
                    self.read_more().await;
                }
            }
            None => {
                while !self.buffer.ends_with(b"\r\n0\r\n\r\n") {
                    self.read_more().await;
                }
            }
        }
    }

    async fn read_more(&mut self) {
        let read = self
            .stream
            .read_buf(&mut self.buffer)
            .await
            .expect("the server is there");
        assert!(read > 0, "the server closed the connection");
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}
