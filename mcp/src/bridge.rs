// SPDX-License-Identifier: MPL-2.0
//! Standard input and output as a client of an MCP server that is reached over HTTP.
//!
//! Messages pass as they are; only what HTTP needs is read from them. A session that the server has
//! forgotten, because it was started anew, is opened again without the client's notice. No server
//! can hold up the reading of what the client sends, nor the end.

pub(crate) mod message;
mod passing;
mod place;
mod problem;
mod remote;
mod session;
mod sse;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub use place::{Address, Locate, Located};
pub use remote::ClientError;

use crate::limits::MAX_BRIDGED_LEN;
use crate::lines::{Line, Lines};
use message::{Kind, Message, Unreadable};
use problem::Problem;
use remote::Remote;
use turns::Turns;

/// Lines for the client that wait to be written; more make the server wait.
const OUTGOING_LINES: usize = 64;

/// Requests under way at a time; further ones wait.
const MAX_REQUESTS: usize = 64;

/// Requests under way or waiting; further ones are refused.
const MAX_WAITING: usize = 1024;

/// How long requests that are under way may take once the client has closed its side.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Passes messages between a client at `read` and `write`, one a line, and the server that `place`
/// finds, until the client closes its side.
///
/// # Errors
/// When no HTTP client can be made. A server that cannot be reached is told to the client, request
/// by request.
pub async fn run(
    place: Arc<dyn Locate>,
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Send + Unpin + 'static,
) -> Result<(), ClientError> {
    let (out, lines) = mpsc::channel(OUTGOING_LINES);
    let remote = Arc::new(Remote::new(place)?);
    let mut writer = tokio::spawn(write_lines(write, lines));
    let (turns, passing_on) = Turns::start(Arc::clone(&remote), out.clone());
    let bridge = Bridge {
        remote,
        out,
        turns,
        requests: JoinSet::new(),
        places: Arc::new(Semaphore::new(MAX_REQUESTS)),
        under_way: HashMap::new(),
    };
    let lines = Lines::new(read, MAX_BRIDGED_LEN);
    bridge.run(lines, passing_on).await;
    // Nobody is left who could be told that the last lines were not read.
    if timeout(DRAIN_TIMEOUT, &mut writer).await.is_err() {
        writer.abort();
    }
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
    turns: Turns,
    requests: JoinSet<()>,
    /// One for each request that may be under way.
    places: Arc<Semaphore>,
    /// The stateless requests under way, which end with their connection.
    under_way: HashMap<String, AbortHandle>,
}

impl Bridge {
    async fn run<R: AsyncRead + Unpin>(
        mut self,
        mut lines: Lines<R>,
        mut passing_on: AbortOnDropHandle<()>,
    ) {
        loop {
            let line = lines.next().await;
            while self.requests.try_join_next().is_some() {}
            match line {
                Line::Text(text) => match Message::read(text) {
                    Ok(message) => self.take(message),
                    Err(unreadable) => self.refuse(unreadable),
                },
                Line::TooLong => {
                    self.refuse(Unreadable::message(&Value::Null, "the message is too long"));
                }
                Line::NotText => self.refuse(Unreadable::json()),
                Line::End => break,
            }
        }
        drop(self.turns);
        let drained = async {
            let _ = (&mut passing_on).await;
            while self.requests.join_next().await.is_some() {}
            self.remote.read_rests().await;
        };
        let _ = timeout(DRAIN_TIMEOUT, drained).await;
        passing_on.abort();
        self.requests.abort_all();
        self.remote.end_session().await;
    }

    fn take(&mut self, message: Message) {
        self.under_way.retain(|_, request| !request.is_finished());
        match message.kind() {
            Kind::Request => self.begin(message),
            Kind::Cancelled(id) => match self.under_way.remove(&id) {
                Some(request) => request.abort(),
                None => self.take_in_turn(message),
            },
            Kind::Initialize | Kind::Initialized | Kind::Other => self.take_in_turn(message),
        }
    }

    fn take_in_turn(&mut self, message: Message) {
        if let Err(message) = self.turns.take(message) {
            tracing::warn!("the MCP server takes no messages; one was left out");
            if message.wants_answer() {
                self.refuse_busy(&message);
            }
        }
    }

    fn begin(&mut self, message: Message) {
        if self.requests.len() >= MAX_WAITING {
            return self.refuse_busy(&message);
        }
        let (id, is_stateless) = (message.id().to_string(), message.is_stateless());
        let (remote, out) = (Arc::clone(&self.remote), self.out.clone());
        let (opened, places) = (self.turns.opened(), Arc::clone(&self.places));
        let handle = self.requests.spawn(async move {
            opened.cancelled().await;
            // It is never closed.
            let _place = places.acquire().await;
            exchange(&remote, &out, &message).await;
        });
        if is_stateless {
            self.under_way.insert(id, handle);
        }
    }

    /// Answers a line that goes nowhere. A client that reads no answers gets no more of them.
    fn refuse(&mut self, Unreadable { id, code, text }: Unreadable) {
        tracing::warn!("a line was not passed on: {text}");
        if self.requests.len() < 2 * MAX_WAITING {
            let (out, line) = (self.out.clone(), failure(&id, code, text));
            self.requests.spawn(async move {
                // The client may have gone.
                let _ = out.send(line).await;
            });
        }
    }

    fn refuse_busy(&mut self, message: &Message) {
        self.refuse(Unreadable {
            id: message.id().clone(),
            code: -32000,
            text: "too many messages are under way; wait for answers",
        });
    }
}

/// Sends one message and hands on what comes back; a request is answered in any case.
async fn exchange(remote: &Remote, out: &mpsc::Sender<String>, message: &Message) {
    if let Err(problem) = remote.exchange(message, out).await {
        tell(out, message, &problem).await;
    }
}

/// Tells whoever waits for an answer to `message` that there is none.
async fn tell(out: &mpsc::Sender<String>, message: &Message, problem: &Problem) {
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
