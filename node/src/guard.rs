// SPDX-License-Identifier: MPL-2.0
//! Who may call the API: one check around everything, which no route can escape.
//!
//! The API has full power over the agents of this node, and a browser on this machine can reach
//! it. So every request is checked before it is routed: the `Host` header against DNS rebinding,
//! `Origin` and `Sec-Fetch-Site` against foreign pages, and the token. [`Guarded`] holds the
//! finished router, and the server serves nothing but a [`Guarded`]; a route added later is
//! covered without anybody remembering to.
//!
//! One page of the API's own is for people to open, by a link from anywhere (`backup`): its text
//! is the same for all, and what it does then are calls like any other.
//!
//! Agents have hosts of their own ([`AgentHost`]), where other rules hold and no route of the API
//! is served: what agents answer is never of the API's origin.

mod agent_host;
mod answers;
mod origin;
mod visit;

use std::fmt;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use tower::Service as _;

pub use agent_host::AgentHost;

use crate::rest::{Problem, backup};
use answers::Place;

/// Says which site a browser request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules for callers that can change while the daemon runs.
#[derive(Clone, Default)]
pub struct Access {
    token: Option<String>,
    require_local_token: bool,
}

impl Access {
    /// Access with `token`, empty for none, which callers on this machine need only if
    /// `require_local_token` says so.
    pub fn new(token: &str, require_local_token: bool) -> Self {
        let token = Some(token.to_owned()).filter(|token| !token.is_empty());
        Self {
            token,
            require_local_token,
        }
    }

    fn allows(&self, caller: Caller, headers: &HeaderMap) -> bool {
        match (&self.token, caller) {
            (Some(token), Caller::Remote) => shows_token(headers, token),
            (Some(token), Caller::Local) => {
                !self.require_local_token || shows_token(headers, token)
            }
            (None, Caller::Local) => true,
            (None, Caller::Remote) => false,
        }
    }
}

impl Access {
    /// Takes the token out of a request that is let in: nobody behind the guard needs it, and it
    /// must not reach an agent, however it was written.
    fn hide_token(&self, headers: &mut HeaderMap) {
        let Some(token) = self.token.as_deref().map(str::as_bytes) else {
            return;
        };
        let shows = |value: &HeaderValue| {
            let value = value.as_bytes().trim_ascii_end();
            let end = &value[value.len().saturating_sub(token.len())..];
            bool::from(end.ct_eq(token))
        };
        if headers.get_all(header::AUTHORIZATION).iter().any(shows) {
            headers.remove(header::AUTHORIZATION);
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("has_token", &self.token.is_some())
            .field("require_local_token", &self.require_local_token)
            .finish()
    }
}

/// Where a request comes from; handlers find it among the request's extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// This machine.
    Local,
    /// Another machine.
    Remote,
}

impl Caller {
    /// Lets nobody have `what` but this machine.
    ///
    /// # Errors
    /// 403 for callers elsewhere.
    pub(crate) fn must_be_local(self, what: &str) -> Result<(), Problem> {
        match self {
            Self::Local => Ok(()),
            Self::Remote => {
                let text = format!("{what} only available on loopback");
                Err(Problem::new(StatusCode::FORBIDDEN, text, "loopback_only"))
            }
        }
    }
}

impl From<SocketAddr> for Caller {
    fn from(peer: SocketAddr) -> Self {
        if peer.ip().to_canonical().is_loopback() {
            Self::Local
        } else {
            Self::Remote
        }
    }
}

/// The routers behind the guard.
#[derive(Clone, Debug)]
pub struct Guarded {
    router: Router,
    /// What is served on the hosts of agents.
    agents: Router,
    access: watch::Receiver<Access>,
    port: u16,
}

impl Guarded {
    /// Guards all of `router`, which is served on `port`.
    pub fn new(router: Router, access: watch::Receiver<Access>, port: u16) -> Self {
        Self {
            router,
            agents: Router::new(),
            access,
            port,
        }
    }

    /// Serves `agents`, and nothing else, on the hosts of agents; it finds an [`AgentHost`] among
    /// each request's extensions.
    #[must_use]
    pub fn with_agents(self, agents: Router) -> Self {
        Self { agents, ..self }
    }

    /// Answers a request that came from `peer`: a router does, if the guard lets it.
    pub async fn answer(&self, mut request: Request, peer: SocketAddr) -> Response {
        let caller = Caller::from(peer);
        let agent = agent_host(&request);
        let place = Place::of(agent.is_some(), request.uri().path());
        let mut response = match self.check(&request, caller, agent) {
            Ok(agent) => {
                self.access.borrow().hide_token(request.headers_mut());
                request.extensions_mut().insert(caller);
                let mut router = &self.router;
                if let Some(agent) = agent {
                    request.extensions_mut().insert(agent);
                    router = &self.agents;
                }
                let Ok(response) = router.clone().call(request).await;
                response
            }
            Err(refusal) => refusal.into_response(),
        };
        place.secure(response.headers_mut());
        response
    }

    /// Whether `request` is let in, and the agent whose host it is for.
    fn check(
        &self,
        request: &Request,
        caller: Caller,
        agent: Option<Result<AgentHost, Refusal>>,
    ) -> Result<Option<AgentHost>, Refusal> {
        let headers = request.headers();
        let agent = agent.transpose()?;
        let is_page = agent.is_none() && caller == Caller::Local && asks_for_page(request);
        if let Some(agent) = agent {
            agent.check(request.method(), headers, self.port)?;
        } else {
            if caller == Caller::Local && !has_local_host(request) {
                return Err(Refusal::Host);
            }
            let is_ours = |value| origin::is_ours(value, self.port);
            if !sole(headers, &header::ORIGIN).is_none_or(is_ours) {
                return Err(Refusal::Origin);
            }
            let is_own = sole(headers, &SEC_FETCH_SITE).is_none_or(is_own_site);
            let is_visited = is_page && visit::is_visit(request.method(), headers);
            if !is_own && !is_visited {
                return Err(Refusal::Site);
            }
        }
        if is_page || self.access.borrow().allows(caller, headers) {
            Ok(agent)
        } else {
            Err(Refusal::Token)
        }
    }
}

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    Host,
    Aid,
    Origin,
    Site,
    Token,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text, code) = match self {
            Self::Host => (
                StatusCode::BAD_REQUEST,
                "host header not allowed",
                "bad_host",
            ),
            Self::Aid => (StatusCode::BAD_REQUEST, "bad aid address", "bad_aid"),
            Self::Origin => (StatusCode::FORBIDDEN, "origin not allowed", "bad_origin"),
            Self::Site => (StatusCode::FORBIDDEN, "cross-site request", "cross_site"),
            Self::Token => (StatusCode::UNAUTHORIZED, "unauthorized", "unauthorized"),
        };
        Problem::new(status, text, code).into_response()
    }
}

/// The value of a header: absent, or a text that is the only one. Anything else is the empty text,
/// which no rule accepts.
fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next()?;
    match values.next() {
        None => Some(first.to_str().unwrap_or_default()),
        Some(_) => Some(""),
    }
}

/// Whether the request names this machine, in its `Host` and, where it has one, in its target.
fn has_local_host(request: &Request) -> bool {
    let host = sole(request.headers(), &header::HOST);
    let target = request
        .uri()
        .authority()
        .map(axum::http::uri::Authority::as_str);
    host.is_some_and(origin::is_local) && target.is_none_or(origin::is_local)
}

/// The host of an agent that the request names in its `Host`, and in its target where that has one.
fn agent_host(request: &Request) -> Option<Result<AgentHost, Refusal>> {
    let host = sole(request.headers(), &header::HOST)?;
    let agent = AgentHost::named(host)?;
    let target = request.uri().authority();
    let is_same = target.is_none_or(|target| AgentHost::named(target.as_str()) == Some(agent));
    Some(agent.and_then(|agent| is_same.then_some(agent).ok_or(Refusal::Host)))
}

/// Whether the request is for the text of a page, which is no secret: whoever visits it needs no
/// token yet.
fn asks_for_page(request: &Request) -> bool {
    visit::is_reading(request.method()) && request.uri().path().starts_with(backup::PAGES)
}

fn is_own_site(value: &str) -> bool {
    matches!(value, "same-origin" | "none")
}

fn shows_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = sole(headers, &header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer "));
    shown.is_some_and(|shown| shown.as_bytes().ct_eq(token.as_bytes()).into())
}

#[cfg(test)]
mod tests;
