// SPDX-License-Identifier: MPL-2.0
//! Standard input and output as a client of an MCP server that is reached over HTTP.
//!
//! Messages pass as they are; only what HTTP needs is read from them. A session that the server has
//! forgotten, because it was started anew, is opened again without the client's notice.

pub(crate) mod message;
mod remote;
mod sse;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

pub use remote::{Address, ClientError};

use crate::limits::MAX_BRIDGED_LEN;
use crate::lines::{Line, Lines};
use message::{Kind, Message};
use remote::Remote;

/// Lines for the client that wait to be written; more make the server wait.
const OUTGOING_LINES: usize = 64;

/// Requests under way at a time; a further one waits.
const MAX_REQUESTS: usize = 64;

/// How long requests that are under way may take once the client has closed its side.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Passes messages between a client at `read` and `write`, one a line, and the server at `address`,
/// until the client closes its side.
///
/// # Errors
/// When no HTTP client can be made. A server that cannot be reached is told to the client, request
/// by request.
pub async fn run(
    address: Address,
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), ClientError> {
    let (out, lines) = mpsc::channel(OUTGOING_LINES);
    let writer = tokio::spawn(write_lines(write, lines));
    let bridge = Bridge {
        remote: Arc::new(Remote::new(address)?),
        out,
        requests: JoinSet::new(),
        under_way: HashMap::new(),
        listener: None,
    };
    bridge.run(Lines::new(read, MAX_BRIDGED_LEN)).await;
    // Nobody is left who could be told that the last lines were not read.
    let _ = writer.await;
    Ok(())
}

/// Writes each line, until everybody who could send one is gone or nobody reads.
pub(crate) async fn write_lines(
    mut write: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<String>,
) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        let written = write.write_all(line.as_bytes()).await;
        if written.is_err() || write.flush().await.is_err() {
            return;
        }
    }
}

struct Bridge {
    remote: Arc<Remote>,
    out: mpsc::Sender<String>,
    requests: JoinSet<()>,
    /// The stateless requests under way, which end with their connection.
    under_way: HashMap<String, AbortHandle>,
    /// Hears what the server says by itself.
    listener: Option<AbortHandle>,
}

impl Bridge {
    async fn run<R: AsyncRead + Unpin>(mut self, mut lines: Lines<R>) {
        loop {
            match lines.next().await {
                Line::Text(text) => self.take(text).await,
                Line::TooLong | Line::NotText => {
                    tracing::warn!("a message is too long, and was left out");
                    let error = failure(&Value::Null, -32600, "message too long");
                    let _ = self.out.send(error).await;
                }
                Line::End => break,
            }
        }
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        let drained = async { while self.requests.join_next().await.is_some() {} };
        let _ = timeout(DRAIN_TIMEOUT, drained).await;
        self.requests.abort_all();
        self.remote.end_session().await;
    }

    async fn take(&mut self, text: String) {
        let Some(message) = Message::read(text) else {
            // Without an id nobody waits for an answer, and the text is none of the protocol.
            tracing::debug!("a line that is no JSON was left out");
            return;
        };
        self.under_way.retain(|_, request| !request.is_finished());
        match message.kind() {
            Kind::Request => self.begin(message).await,
            Kind::Initialized => {
                exchange(&self.remote, &self.out, message).await;
                self.listen();
            }
            Kind::Cancelled(id) => match self.under_way.remove(&id) {
                Some(request) => request.abort(),
                None => exchange(&self.remote, &self.out, message).await,
            },
            Kind::Initialize | Kind::Other => exchange(&self.remote, &self.out, message).await,
        }
    }

    async fn begin(&mut self, message: Message) {
        while self.requests.try_join_next().is_some() {}
        if self.requests.len() >= MAX_REQUESTS {
            self.requests.join_next().await;
        }
        let (id, is_stateless) = (message.id().to_string(), message.is_stateless());
        let (remote, out) = (Arc::clone(&self.remote), self.out.clone());
        let request = async move { exchange(&remote, &out, message).await };
        let handle = self.requests.spawn(request);
        if is_stateless {
            self.under_way.insert(id, handle);
        }
    }

    /// Begins to hear what the server says outside of answers.
    fn listen(&mut self) {
        let (remote, out) = (Arc::clone(&self.remote), self.out.clone());
        let listening = tokio::spawn(async move { remote.listen(&out).await });
        if let Some(old) = self.listener.replace(listening.abort_handle()) {
            old.abort();
        }
    }
}

/// Sends one message and hands on what comes back; a request is answered in any case.
async fn exchange(remote: &Remote, out: &mpsc::Sender<String>, message: Message) {
    let Err(problem) = remote.exchange(&message, out).await else {
        return;
    };
    tracing::warn!(%problem, "message not passed on");
    if message.wants_answer() {
        // The client may have gone.
        let _ = out
            .send(failure(message.id(), -32000, &problem.to_string()))
            .await;
    }
}

/// A message that says why a request has no other answer.
pub(crate) fn failure(id: &Value, code: i32, text: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } }).to_string()
}
