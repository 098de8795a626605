// SPDX-License-Identifier: MPL-2.0
//! An MCP server that speaks over pipes, as one that is reached over HTTP.
//!
//! Such a server has one client, so each session has a process of its own; both end together.
//! Messages pass as they are, whatever their method and revision. What the process sends goes to the
//! answer it belongs to (by its id, or its progress token), and else to the stream that the client
//! listens on.
//!
//! Requests that stand for themselves (revision 2026-07-28) need no session: they share a process,
//! under ids of their own. One that does not know that revision answers so, and clients then open a
//! session.

mod child;
mod guard;
mod http;
mod routes;
mod session;
mod sessions;
mod shared;

use std::error::Error;
use std::ffi::OsString;
use std::sync::Arc;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::bridge::message::{Kind, Message};
use crate::limits::{EXPOSED_START, MAX_EXPOSED_LEN};
use guard::Guard;
use http::{Refusal, SESSION};
use session::Session;
use sessions::Sessions;

/// Names the agent that calls; the node sets it, and lets no caller do so.
const CALLER: HeaderName = HeaderName::from_static("x-a2al-caller-aid");

/// The code of errors that are none of the server's.
const FAILED: i32 = -32000;

/// The code of a message that cannot be one.
const INVALID: i32 = -32600;

/// What starts an MCP server that speaks over pipes.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program; looked up where the system looks for programs.
    pub path: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Is told each line that a process of it writes to its standard error.
    pub hear: fn(&str),
}

/// A program is no MCP server that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It cannot be started.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended instead of answering.
    #[error("{program} does not speak MCP on stdin and stdout: {told}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        told: String,
    },
    /// It does not answer.
    #[error("{program} does not speak MCP on stdin and stdout: no answer in {secs} s", secs = EXPOSED_START.as_secs())]
    Silent {
        /// The program.
        program: String,
    },
}

/// The server, as a front end mounts it. Cheap to clone; every clone has the same sessions.
#[derive(Clone, Debug)]
pub struct Exposed {
    sessions: Arc<Sessions>,
    guard: Arc<Guard>,
}

impl Exposed {
    /// Starts nothing yet.
    pub fn new(program: Program) -> Self {
        Self {
            sessions: Arc::new(Sessions::new(program)),
            guard: Arc::default(),
        }
    }

    /// Lets in requests that name this host, besides those that name this machine.
    pub fn known_as(&self, host: &str) {
        self.guard.let_in(host);
    }

    /// Starts a process, asks it to open a session, and ends it.
    ///
    /// # Errors
    /// [`Unusable`]. That it refuses is an answer too.
    pub async fn try_out(&self) -> Result<(), Unusable> {
        let program = self.sessions.program();
        let started = self.sessions.open(None);
        let (_, session) = started.map_err(|source| Unusable::Start {
            program: program.clone(),
            source,
        })?;
        let answered = tokio::time::timeout(EXPOSED_START, answer_to_opening(&session)).await;
        session.end();
        match answered {
            Ok(true) => Ok(()),
            Ok(false) => {
                let told = session.how_it_ended().await;
                Err(Unusable::Ended { program, told })
            }
            Err(_) => Err(Unusable::Silent { program }),
        }
    }

    /// Answers a request, whatever its method.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
    ) -> Response<impl Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static + use<B>>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let answered = match (self.guard.check(&head.headers), head.method) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), Method::POST) => self.post(&head.headers, body).await,
            (Ok(()), Method::GET) => self.listen(&head.headers),
            (Ok(()), Method::DELETE) => self.delete(&head.headers),
            (Ok(()), _) => Err(Refusal::wrong_method()),
        };
        answered.unwrap_or_else(Refusal::answer)
    }

    /// Ends all sessions, and returns when their processes are gone.
    pub async fn end(&self) {
        self.sessions.end().await;
    }

    async fn post<B>(&self, headers: &HeaderMap, body: B) -> Result<http::Answer, Refusal>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let message = read(body).await?;
        let kind = message.kind();
        if kind == Kind::Initialize {
            return self.open(headers, message).await;
        }
        if headers.contains_key(SESSION) {
            let session = self.session(headers)?;
            return pass(&session, message).await;
        }
        if !message.is_stateless() {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                FAILED,
                "open a session with initialize first, and name it in Mcp-Session-Id",
            )
            .to(message.id()));
        }
        if kind != Kind::Request {
            // A notice that stands for itself has nothing that it could be about.
            return Ok(http::empty(StatusCode::ACCEPTED));
        }
        let session = self.sessions.shared().map_err(|error| self.dead(&error))?;
        shared::pass(session, &message).await
    }

    async fn open(&self, headers: &HeaderMap, message: Message) -> Result<http::Answer, Refusal> {
        let opened = self.sessions.open(headers.get(CALLER));
        let (id, session) = opened.map_err(|error| self.dead(&error).to(message.id()))?;
        let answer = session.request(&message).await?;
        // A client that leaves before it was answered does not know of its session.
        let answer = answer.or_else(move || session.end());
        let mut response = http::events(answer);
        response.headers_mut().insert(SESSION, http::header(&id));
        Ok(response)
    }

    fn listen(&self, headers: &HeaderMap) -> Result<http::Answer, Refusal> {
        if !headers.contains_key(SESSION) {
            return Err(Refusal::wrong_method());
        }
        Ok(http::events(self.session(headers)?.listen()?))
    }

    fn delete(&self, headers: &HeaderMap) -> Result<http::Answer, Refusal> {
        self.session(headers)?.end();
        Ok(http::empty(StatusCode::NO_CONTENT))
    }

    fn session(&self, headers: &HeaderMap) -> Result<Arc<Session>, Refusal> {
        let id = headers.get(SESSION).and_then(|id| id.to_str().ok());
        let session = id.and_then(|id| self.sessions.get(id));
        session.ok_or_else(Refusal::no_session)
    }

    fn dead(&self, error: &std::io::Error) -> Refusal {
        let text = format!("{} cannot be started: {error}", self.sessions.program());
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, FAILED, text)
    }
}

/// Passes on a message of a session.
async fn pass(session: &Arc<Session>, message: Message) -> Result<http::Answer, Refusal> {
    if message.kind() == Kind::Request {
        return Ok(http::events(session.request(&message).await?));
    }
    session.tell(&message).await?;
    Ok(http::empty(StatusCode::ACCEPTED))
}

async fn read<B>(body: B) -> Result<Message, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let invalid = |status, text| Refusal::new(status, INVALID, text);
    let read = Limited::new(body, MAX_EXPOSED_LEN).collect().await;
    let bytes = read.map_err(|error| {
        if error.is::<LengthLimitError>() {
            invalid(StatusCode::PAYLOAD_TOO_LARGE, "message too long")
        } else {
            invalid(StatusCode::BAD_REQUEST, "the message broke off")
        }
    })?;
    let text = String::from_utf8(bytes.to_bytes().into());
    let message = text.ok().and_then(|text| Message::read(text).ok());
    message
        .filter(|message| message.value().is_object())
        .ok_or_else(|| {
            invalid(
                StatusCode::BAD_REQUEST,
                "the body is not one JSON-RPC message",
            )
        })
}

/// Whether a process answers the message that opens a session.
async fn answer_to_opening(session: &Arc<Session>) -> bool {
    let opening = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "a2al", "version": env!("CARGO_PKG_VERSION") },
    }});
    let Ok(mut answer) = session.request(&Message::from(opening)).await else {
        return false;
    };
    while let Some(text) = answer.next().await {
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        if message.get("method").is_none() {
            return !session.is_over();
        }
    }
    false
}
