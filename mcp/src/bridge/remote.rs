// SPDX-License-Identifier: MPL-2.0
//! The server, over HTTP.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::message::{Kind, Message};
use super::sse::Events;
use crate::limits::MAX_BRIDGED_LEN;
use crate::untrusted::beginning;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time without a byte in an answer. Servers send something every 15 s.
const SILENCE: Duration = Duration::from_secs(120);

/// Pause before the server is listened to again.
const LISTEN_PAUSE: Duration = Duration::from_secs(3);

/// Longest part of a refusal that is handed on, in bytes.
const REFUSAL_LEN: usize = 300;

/// Where a server is, and what it wants to be shown.
#[derive(Clone)]
pub struct Address {
    /// The URL of its MCP endpoint.
    pub url: String,
    /// A bearer token.
    pub token: Option<String>,
}

impl fmt::Debug for Address {
    /// Shows no token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// There is no client to reach a server with.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client")]
pub struct ClientError(#[source] reqwest::Error);

/// Why a message was not passed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("the MCP server at {url} cannot be reached")]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the MCP server answered {status}: {text}")]
    Refused { status: StatusCode, text: String },
    #[error("the MCP server broke off its answer")]
    BrokenOff,
    #[error("the MCP server sent a message that is too long")]
    TooLong,
}

/// A server, and the session with it.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    address: Address,
    session: Mutex<Session>,
}

#[derive(Debug, Default)]
struct Session {
    id: Option<HeaderValue>,
    version: Option<String>,
    /// The message that opened it, to open it again.
    opening: Option<String>,
}

impl Remote {
    pub(super) fn new(address: Address) -> Result<Self, ClientError> {
        let client = Client::builder()
            .no_proxy()
            // Where it leads to is up to a stranger; from here it could be any port of this machine.
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .build()
            .map_err(ClientError)?;
        Ok(Self {
            client,
            address,
            session: Mutex::default(),
        })
    }

    /// Sends `message` and passes on all that comes back for it.
    pub(super) async fn exchange(
        &self,
        message: &Message,
        out: &mpsc::Sender<String>,
    ) -> Result<(), Problem> {
        let mut response = self.send(self.post(message)).await?;
        let has_session = !message.is_stateless() && self.session().id.is_some();
        let is_opening = message.kind() == Kind::Initialize;
        if response.status() == StatusCode::NOT_FOUND && has_session && !is_opening {
            self.open_again().await?;
            response = self.send(self.post(message)).await?;
        }
        if is_opening && response.status().is_success() {
            let mut session = self.session();
            session.id = response.headers().get(SESSION).cloned();
            session.opening = Some(message.text().to_owned());
        }
        let is_answered = self.pass_on(response, out, is_opening).await?;
        if message.wants_answer() && !is_answered {
            return Err(Problem::BrokenOff);
        }
        Ok(())
    }

    /// Passes on what the server says by itself, until it says that it does not do so.
    pub(super) async fn listen(&self, out: &mpsc::Sender<String>) {
        let mut last_id = None;
        while !out.is_closed() {
            let mut request = self
                .in_session(Method::GET)
                .header(ACCEPT, "text/event-stream");
            if let Some(id) = last_id.take() {
                request = request.header(LAST_EVENT, id);
            }
            match self.send(request).await {
                Ok(response) if response.status().is_success() => {
                    let mut events = Events::default();
                    // However it ended, it is begun again where it ended.
                    let _ = self.pass_on_events(response, out, &mut events, false).await;
                    last_id = events
                        .last_id
                        .and_then(|id| HeaderValue::from_str(&id).ok());
                }
                Ok(response) if response.status() == StatusCode::METHOD_NOT_ALLOWED => return,
                _ => {}
            }
            sleep(LISTEN_PAUSE).await;
        }
    }

    /// Tells the server that the session is over.
    pub(super) async fn end_session(&self) {
        if self.session().id.is_some() {
            let request = self.in_session(Method::DELETE).timeout(CONNECT_TIMEOUT);
            // A server that is gone has forgotten the session as well.
            let _ = request.send().await;
        }
    }

    /// Opens the session anew, as the client has opened it.
    async fn open_again(&self) -> Result<(), Problem> {
        let Some(opening) = self.session().opening.clone() else {
            return Ok(());
        };
        tracing::info!("the MCP server has forgotten the session; it is opened again");
        let response = self.send(self.post_text(HeaderMap::new(), opening)).await?;
        self.session().id = response.headers().get(SESSION).cloned();
        // The client has its answer already.
        let (unheard, _kept) = mpsc::channel(64);
        self.pass_on(response, &unheard, false).await?;
        let opened = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let request = self.post_text(self.session_headers(), opened.to_owned());
        self.send(request).await.map(drop)
    }

    fn post(&self, message: &Message) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        if let Some(version) = message.version() {
            let texts = [
                (VERSION, Some(version.to_owned())),
                (METHOD, message.method().map(ToOwned::to_owned)),
                (NAME, message.name()),
            ];
            for (name, text) in texts {
                if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                    headers.insert(name, value);
                }
            }
        } else if message.kind() != Kind::Initialize {
            headers = self.session_headers();
        }
        self.post_text(headers, message.text().to_owned())
    }

    fn post_text(&self, headers: HeaderMap, text: String) -> RequestBuilder {
        self.request(Method::POST)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .headers(headers)
            .body(text)
    }

    fn in_session(&self, method: Method) -> RequestBuilder {
        self.request(method).headers(self.session_headers())
    }

    fn session_headers(&self) -> HeaderMap {
        let session = self.session();
        let mut headers = HeaderMap::new();
        if let Some(id) = &session.id {
            headers.insert(SESSION, id.clone());
        }
        let version = session.version.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(version)) = version {
            headers.insert(VERSION, version);
        }
        headers
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let request = self.client.request(method, &self.address.url);
        match &self.address.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let url = self.address.url.clone();
        request
            .send()
            .await
            .map_err(|source| Problem::Unreachable { url, source })
    }

    /// Passes on the messages of an answer, and tells whether there was one that ends it.
    async fn pass_on(
        &self,
        response: Response,
        out: &mpsc::Sender<String>,
        is_opening: bool,
    ) -> Result<bool, Problem> {
        let kind = response.headers().get(CONTENT_TYPE).cloned();
        let kind = kind
            .as_ref()
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return self
                .pass_on_events(response, out, &mut Events::default(), is_opening)
                .await;
        }
        let status = response.status();
        let text = whole(response).await?;
        // Errors of the protocol come with any status.
        if text.trim_start().starts_with('{') && text.contains("\"jsonrpc\"") {
            return Ok(self.pass_on_text(&text, out, is_opening).await);
        }
        if status.is_success() {
            return Ok(false);
        }
        let text = beginning(&text, REFUSAL_LEN).replace(['\n', '\r'], " ");
        Err(Problem::Refused { status, text })
    }

    async fn pass_on_events(
        &self,
        mut response: Response,
        out: &mpsc::Sender<String>,
        events: &mut Events,
        is_opening: bool,
    ) -> Result<bool, Problem> {
        let mut is_answered = false;
        while let Some(bytes) = response.chunk().await.map_err(|_| Problem::BrokenOff)? {
            for data in events.take(&bytes).map_err(|_| Problem::TooLong)? {
                is_answered |= self.pass_on_text(&data, out, is_opening).await;
            }
        }
        Ok(is_answered)
    }

    /// Passes on one message as one line, and tells whether it is an answer.
    async fn pass_on_text(&self, text: &str, out: &mpsc::Sender<String>, is_opening: bool) -> bool {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(text) else {
            tracing::warn!("the MCP server sent something that is no JSON");
            return false;
        };
        let is_answer = message.get("result").is_some() || message.get("error").is_some();
        if is_opening && let Some(version) = message["result"]["protocolVersion"].as_str() {
            self.session().version = Some(version.to_owned());
        }
        let line = if text.contains(['\n', '\r']) {
            message.to_string()
        } else {
            text.to_owned()
        };
        // The client may have gone, which ends the bridge by itself.
        let _ = out.send(line).await;
        is_answer
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        // Nothing panics while the lock is held; what it guards is still whole.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
