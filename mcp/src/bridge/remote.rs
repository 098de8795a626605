// SPDX-License-Identifier: MPL-2.0
//! The server, over HTTP.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::message::{Kind, Message};
use super::passing::Passing;
use super::place::{Address, Locate};
use super::problem::Problem;
use super::session::{Lasting, SESSION, Session, VERSION};
use super::sse::Events;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time without a byte in an answer. Servers send something every 15 s.
const SILENCE: Duration = Duration::from_secs(120);

/// How long it may take to open a session. Hosts give up after 60 s.
pub(super) const OPENING_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause before the server is listened to again.
const LISTEN_PAUSE: Duration = Duration::from_secs(3);

/// Tells a server that a session is open.
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// There is no client to reach a server with.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client")]
pub struct ClientError(#[source] reqwest::Error);

/// A server, and the session with it.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    place: Arc<dyn Locate>,
    /// Where the server was when it was last asked for.
    address: Mutex<Option<Address>>,
    session: Mutex<Session>,
    /// Held by whoever opens the session again.
    opening: tokio::sync::Mutex<()>,
    /// What comes behind answers that have been passed on.
    rests: TaskTracker,
}

impl Remote {
    pub(super) fn new(place: Arc<dyn Locate>) -> Result<Self, ClientError> {
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
            place,
            address: Mutex::default(),
            session: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            rests: TaskTracker::new(),
        })
    }

    /// Sends `message` and passes on all that comes back for it.
    pub(super) async fn exchange(
        &self,
        message: &Message,
        out: &mpsc::Sender<String>,
    ) -> Result<(), Problem> {
        let is_opening = message.kind() == Kind::Initialize;
        let headers = self.headers(message);
        let refused = headers.get(SESSION).cloned();
        let mut response = self.post(headers, message.text()).await?;
        if let (StatusCode::NOT_FOUND, Some(refused)) = (response.status(), refused) {
            self.open_again(&refused, out).await?;
            response = self.post(self.headers(message), message.text()).await?;
        }
        if is_opening && response.status().is_success() {
            *self.session() = Session::opened(message, &response);
        }
        let passing = Passing {
            out: Some(out),
            awaited: message.wants_answer().then(|| message.id()),
            rests: &self.rests,
        };
        let answered = passing.pass_on(response).await?;
        if message.wants_answer() && answered.is_none() {
            return Err(Problem::BrokenOff);
        }
        if let Some(answered) = answered.filter(|answered| answered.is_granted) {
            let mut session = self.session();
            if is_opening {
                session.version = answered.version;
            } else if !message.is_stateless() {
                session.granted(message);
            }
        }
        Ok(())
    }

    /// Passes on what the server says by itself, until it says that it does not do so.
    pub(super) async fn listen(&self, out: &mpsc::Sender<String>) {
        let (mut last_id, mut heard_in) = (None, None);
        while !out.is_closed() {
            let mut headers = self.session().headers();
            let id = headers.get(SESSION).cloned();
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            if let Some(last_id) = last_id.clone().filter(|_| id == heard_in) {
                headers.insert(LAST_EVENT, last_id);
            }
            match self.send(&Method::GET, headers, None).await {
                Ok(response) if response.status().is_success() => {
                    let mut events = Events::default();
                    let passing = Passing {
                        out: Some(out),
                        awaited: None,
                        rests: &self.rests,
                    };
                    // However it ended, it is begun again where it ended.
                    let _ = passing.pass_on_events(response, &mut events).await;
                    last_id = events
                        .last_id
                        .and_then(|id| HeaderValue::from_str(&id).ok());
                    heard_in = id;
                }
                Ok(response) if response.status() == StatusCode::METHOD_NOT_ALLOWED => return,
                Ok(response) if response.status() == StatusCode::NOT_FOUND => {
                    // Some servers say so that they have nothing to say; this one had.
                    let refused = heard_in.take();
                    if let Some(refused) = refused.filter(|refused| Some(refused) == id.as_ref())
                        && self.open_again(&refused, out).await.is_ok()
                    {
                        continue;
                    }
                }
                _ => {}
            }
            sleep(LISTEN_PAUSE).await;
        }
    }

    /// Returns when all that comes behind answers has been read, or waited for long enough.
    pub(super) async fn read_rests(&self) {
        self.rests.close();
        self.rests.wait().await;
    }

    /// Tells the server that the session is over.
    pub(super) async fn end_session(&self) {
        let headers = self.session().headers();
        let address = lock(&self.address).clone();
        if let (true, Some(address)) = (headers.contains_key(SESSION), address) {
            let request = self.request(&address, &Method::DELETE, headers, None);
            // A server that is gone has forgotten the session as well.
            let _ = request.timeout(CONNECT_TIMEOUT).send().await;
        }
    }

    /// Opens the session anew, as the client has opened it, unless that was done since the server
    /// has `refused` its id.
    async fn open_again(
        &self,
        refused: &HeaderValue,
        out: &mpsc::Sender<String>,
    ) -> Result<(), Problem> {
        let _alone = self.opening.lock().await;
        let Some(opening) = self.session().opening_after(refused) else {
            return Ok(());
        };
        tracing::info!("the MCP server has forgotten the session; it is opened again");
        let opened = timeout(OPENING_TIMEOUT, self.opened_again(&opening, out)).await;
        opened.unwrap_or(Err(Problem::Late))
    }

    async fn opened_again(&self, opening: &str, out: &mpsc::Sender<String>) -> Result<(), Problem> {
        // The client has all the answers already.
        let unheard = |awaited| Passing {
            out: None,
            awaited,
            rests: &self.rests,
        };
        let response = self.post(HeaderMap::new(), opening).await?;
        let id = response.headers().get(SESSION).cloned();
        let message = Message::read(opening.to_owned()).ok();
        let opened = unheard(message.as_ref().map(Message::id));
        let answered = opened.pass_on(response).await?;
        if !answered.is_some_and(|answered| answered.is_granted) {
            return Err(Problem::BrokenOff);
        }
        let headers = || self.session().headers_with(id.as_ref());
        self.post(headers(), INITIALIZED).await?;
        let lasting = self.session().lasting();
        for lasting in &lasting {
            let request = &lasting.request;
            let response = self.post(headers(), request.text()).await?;
            unheard(Some(request.id())).pass_on(response).await?;
        }
        self.session().id = id;
        for notice in lasting.iter().filter_map(Lasting::notice) {
            // The client may have gone, which ends the bridge by itself.
            let _ = out.send(notice).await;
        }
        Ok(())
    }

    /// What HTTP shows of `message`.
    fn headers(&self, message: &Message) -> HeaderMap {
        let Some(version) = message.version() else {
            return match message.kind() {
                Kind::Initialize => HeaderMap::new(),
                _ => self.session().headers(),
            };
        };
        let texts = [
            (VERSION, Some(version.to_owned())),
            (METHOD, message.method().map(ToOwned::to_owned)),
            (NAME, message.name()),
        ];
        let headers = texts.into_iter().filter_map(|(name, text)| {
            let value = HeaderValue::try_from(text?).ok()?;
            Some((name, value))
        });
        headers.collect()
    }

    async fn post(&self, mut headers: HeaderMap, text: &str) -> Result<Response, Problem> {
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accepted);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(&Method::POST, headers, Some(text)).await
    }

    /// Sends a request to where the server is now. One that moved in this moment is looked for again.
    async fn send(
        &self,
        method: &Method,
        headers: HeaderMap,
        body: Option<&str>,
    ) -> Result<Response, Problem> {
        let mut is_second = false;
        loop {
            let address = self.place.locate().await.map_err(Problem::Nowhere)?;
            *lock(&self.address) = Some(address.clone());
            let request = self.request(&address, method, headers.clone(), body);
            match request.send().await {
                Ok(response) => return Ok(response),
                Err(error) if error.is_connect() && !is_second => is_second = true,
                Err(source) => {
                    let url = address.url;
                    return Err(Problem::Unreachable { url, source });
                }
            }
        }
    }

    fn request(
        &self,
        address: &Address,
        method: &Method,
        headers: HeaderMap,
        body: Option<&str>,
    ) -> RequestBuilder {
        let mut request = self.client.request(method.clone(), &address.url);
        if let Some(token) = &address.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        request.headers(headers)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a lock is held; what it guards is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
