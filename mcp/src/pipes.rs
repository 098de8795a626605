// SPDX-License-Identifier: MPL-2.0
//! A client on a pair of pipes, one message a line.
//!
//! What is no message is answered too, with an error that names no request: a client that waits for
//! an answer learns that it has to send something else.

use std::io;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ErrorData, RequestId, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

use crate::limits::MAX_MESSAGE_LEN;
use crate::lines::{Line, Lines};
use crate::receipts::Receipts;

/// The pipes of one client.
pub(crate) struct Pipes<R, W> {
    lines: Lines<R>,
    write: Arc<Mutex<Option<W>>>,
    receipts: Receipts,
    /// The answer to what was no message, while it is written.
    answering: Option<BoxFuture<'static, io::Result<()>>>,
}

impl<R: AsyncRead + Unpin, W> Pipes<R, W> {
    /// `receipts` are those that the tools leave for this client.
    pub(crate) fn new(read: R, write: W, receipts: Receipts) -> Self {
        Self {
            lines: Lines::new(read, MAX_MESSAGE_LEN),
            write: Arc::new(Mutex::new(Some(write))),
            receipts,
            answering: None,
        }
    }
}

impl<R, W> Transport<RoleServer> for Pipes<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (write, receipts) = (Arc::clone(&self.write), self.receipts.clone());
        async move {
            write_line(&write, &message).await?;
            if let ServerJsonRpcMessage::Response(response) = &message {
                receipts.one_handed_over(&response.id);
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            // Kept in `self`, because a receive that is dropped must not leave half a line.
            if let Some(answering) = &mut self.answering {
                let answered = answering.await;
                self.answering = None;
                answered.ok()?;
            }
            let problem = match self.lines.next().await {
                Line::End => return None,
                Line::Text(text) => match read(&text) {
                    Ok(message) => return Some(message),
                    Err(problem) => problem,
                },
                Line::NotText => Some(unreadable("the line is not UTF-8")),
                Line::TooLong => {
                    let problem = format!("a message has at most {MAX_MESSAGE_LEN} bytes");
                    Some((ErrorData::invalid_request(problem, None), None))
                }
            };
            if let Some((error, id)) = problem {
                tracing::debug!(?error, "a line that is no message");
                let write = Arc::clone(&self.write);
                let answer = ServerJsonRpcMessage::error(error, id);
                self.answering = Some(async move { write_line(&write, &answer).await }.boxed());
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        drop(self.write.lock().await.take());
        Ok(())
    }
}

async fn write_line<W: AsyncWrite + Unpin>(
    write: &Mutex<Option<W>>,
    message: &ServerJsonRpcMessage,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut write = write.lock().await;
    let write = write.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    write.write_all(&line).await?;
    write.flush().await
}

/// An error, and the request it answers, if one can be told.
type Problem = (ErrorData, Option<RequestId>);

/// The message in a line; or what is to be answered, which is nothing for a notice that nobody knows.
fn read(text: &str) -> Result<ClientJsonRpcMessage, Option<Problem>> {
    let text = text.trim_start_matches('\u{feff}');
    let error = match serde_json::from_str(text) {
        Ok(message) => return Ok(message),
        Err(error) => error,
    };
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Err(Some(unreadable(&error.to_string())));
    };
    let id = value.get("id");
    if id.is_none() && value.get("method").is_some_and(Value::is_string) {
        return Err(None);
    }
    let id = id.and_then(|id| RequestId::deserialize(id).ok());
    let problem = "this is no JSON-RPC message";
    Err(Some((ErrorData::invalid_request(problem, None), id)))
}

fn unreadable(problem: &str) -> Problem {
    let problem = format!("this is no JSON: {problem}");
    (ErrorData::parse_error(problem, None), None)
}
