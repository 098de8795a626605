// SPDX-License-Identifier: MPL-2.0
//! Answers over HTTP.

use std::convert::Infallible;
use std::time::Duration;

use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::shared::Names;
use crate::bridge::failure;

/// Names a session.
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Time without a message after which a stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An answer, which may be a stream.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// What is done if a stream is dropped before its end.
type Leave = Box<dyn FnOnce() + Send>;

/// Messages for a client, to be written as they come.
pub(super) struct Messages {
    from: mpsc::Receiver<String>,
    leave: Option<Leave>,
    names: Option<Names>,
}

impl Messages {
    pub(super) fn new(from: mpsc::Receiver<String>) -> Self {
        Self {
            from,
            leave: None,
            names: None,
        }
    }

    /// Puts these names into the messages.
    pub(super) fn under(mut self, names: Names) -> Self {
        self.names = Some(names);
        self
    }

    /// Does `leave` if the client goes before the last message.
    pub(super) fn or_else(mut self, leave: impl FnOnce() + Send + 'static) -> Self {
        self.leave = Some(Box::new(leave));
        self
    }

    /// The next message; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<String> {
        let message = self.from.recv().await;
        if message.is_none() {
            self.leave = None;
        }
        match &self.names {
            Some(names) => message.map(|text| names.put_back(&text)),
            None => message,
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            leave();
        }
    }
}

/// An answer that streams `messages`.
pub(super) fn events(messages: Messages) -> Answer {
    let events = stream::unfold(messages, |mut messages| async move {
        let event = match timeout(KEEP_ALIVE, messages.next()).await {
            Ok(message) => format!("data: {}\n\n", message?),
            Err(_) => ":\n\n".to_owned(),
        };
        Some((Ok(Frame::data(Bytes::from(event))), messages))
    });
    let mut response = Response::new(UnsyncBoxBody::new(StreamBody::new(events)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// An answer without content.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}

/// A text of hexadecimal digits as a header.
pub(super) fn header(digits: &str) -> HeaderValue {
    HeaderValue::from_str(digits).expect("digits may stand in a header")
}

/// Why a message is not passed on.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: i32,
    text: String,
    id: Value,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: i32, text: impl Into<String>) -> Self {
        Self {
            status,
            code,
            text: text.into(),
            id: Value::Null,
        }
    }

    /// The session is not, or no longer, there.
    pub(super) fn no_session() -> Self {
        let text = "no such session; open one with initialize";
        Self::new(StatusCode::NOT_FOUND, super::FAILED, text)
    }

    pub(super) fn wrong_method() -> Self {
        let text = "messages come by POST; GET and DELETE are for sessions";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, super::FAILED, text)
    }

    /// Makes it the answer to the request with this id.
    pub(super) fn to(mut self, id: &Value) -> Self {
        self.id = id.clone();
        self
    }

    pub(super) fn answer(self) -> Answer {
        let text = failure(&self.id, self.code, &self.text);
        let mut response = Response::new(Full::from(text).boxed_unsync());
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}
