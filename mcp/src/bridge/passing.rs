// SPDX-License-Identifier: MPL-2.0
//! What the server sends, passed on to the client line by line.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::problem::Problem;
use super::sse::Events;
use crate::limits::MAX_BRIDGED_LEN;

/// How long a server may take to end what it sends, once the answer is there.
const REST_TIMEOUT: Duration = Duration::from_secs(5);

/// How the messages of one HTTP answer are passed on.
pub(super) struct Passing<'a> {
    /// Where they go; nowhere, if the client is not to notice.
    pub(super) out: Option<&'a mpsc::Sender<String>>,
    /// The id of the request that they answer.
    pub(super) awaited: Option<&'a Value>,
    /// Who reads what comes behind the answer.
    pub(super) rests: &'a TaskTracker,
}

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Answered {
    /// Whether it is a result, not an error.
    pub(super) is_granted: bool,
    /// The revision that it names, if it opens a session.
    pub(super) version: Option<String>,
}

impl Passing<'_> {
    /// Passes on all up to the answer that is awaited, and returns that.
    pub(super) async fn pass_on(&self, response: Response) -> Result<Option<Answered>, Problem> {
        let status = response.status();
        if self.awaited.is_none() && status.is_success() {
            // A notice has been taken; nothing follows.
            return Ok(None);
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return self.pass_on_events(response, &mut Events::default()).await;
        }
        let text = whole(response).await?;
        // Errors of the protocol come with any status.
        if text.trim_start().starts_with('{') && text.contains("\"jsonrpc\"") {
            return Ok(self.pass_on_text(&text).await);
        }
        if status.is_success() {
            return Ok(None);
        }
        Err(Problem::Refused { status, text })
    }

    /// The same, for a stream of events.
    pub(super) async fn pass_on_events(
        &self,
        mut response: Response,
        events: &mut Events,
    ) -> Result<Option<Answered>, Problem> {
        while let Some(bytes) = response.chunk().await.map_err(|_| Problem::BrokenOff)? {
            for data in events.take(&bytes).map_err(|_| Problem::TooLong)? {
                let answered = self.pass_on_text(&data).await;
                if answered.is_some() {
                    self.rests.spawn(read_rest(response));
                    return Ok(answered);
                }
            }
        }
        Ok(None)
    }

    /// Passes on one message as one line, and returns it if it is the answer.
    async fn pass_on_text(&self, text: &str) -> Option<Answered> {
        let Ok(mut message) = serde_json::from_str::<Value>(text) else {
            tracing::warn!("the MCP server sent something that cannot be read as JSON");
            return None;
        };
        // Between tokens only; within texts they are escaped.
        let mut line = text.replace(['\n', '\r'], " ");
        let answered = self.awaited.and_then(|id| {
            if is_error_of_nobody(&message) {
                message["id"] = id.clone();
                line = message.to_string();
            }
            answer_to(&message, id)
        });
        if let Some(out) = self.out {
            // The client may have gone, which ends the bridge by itself.
            let _ = out.send(line).await;
        }
        answered
    }
}

/// Whether `message` is what servers say that could not, or would not, read whose request it was.
fn is_error_of_nobody(message: &Value) -> bool {
    message.get("error").is_some() && message["id"].is_null() && message.get("method").is_none()
}

/// `message` as the answer to the request `id`, if it is that.
fn answer_to(message: &Value, id: &Value) -> Option<Answered> {
    let is_granted = message.get("result").is_some();
    let is_answer = is_granted || message.get("error").is_some();
    if !is_answer || message.get("method").is_some() || message["id"] != *id {
        return None;
    }
    let version = message["result"]["protocolVersion"].as_str();
    Some(Answered {
        is_granted,
        version: version.map(ToOwned::to_owned),
    })
}

/// Reads what comes behind the answer, and leaves it out. A server takes a connection that is closed
/// before the end of what it sent for a client that has not got the answer.
async fn read_rest(mut response: Response) {
    let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
    // One that never ends it is hung up on.
    let _ = timeout(REST_TIMEOUT, rest).await;
}

/// The whole body of an answer, as text.
async fn whole(mut response: Response) -> Result<String, Problem> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|_| Problem::BrokenOff)? {
        if body.len() + bytes.len() > MAX_BRIDGED_LEN {
            return Err(Problem::TooLong);
        }
        body.extend_from_slice(&bytes);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
