// SPDX-License-Identifier: MPL-2.0
//! Who may call the API: one check around everything, which no route can escape.
//!
//! The API has full power over the agents of this node, and a browser on this machine can reach
//! it. So every request is checked before it is routed: the `Host` header against DNS rebinding,
//! `Origin` and `Sec-Fetch-Site` against foreign pages, and the token. [`Guarded`] holds the
//! finished router, and the server serves nothing but a [`Guarded`]; a route added later is
//! covered without anybody remembering to.

mod origin;

use std::fmt;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use tower::Service as _;

use crate::rest::Problem;

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

impl From<SocketAddr> for Caller {
    fn from(peer: SocketAddr) -> Self {
        if peer.ip().to_canonical().is_loopback() {
            Self::Local
        } else {
            Self::Remote
        }
    }
}

/// A router behind the guard.
#[derive(Clone, Debug)]
pub struct Guarded {
    router: Router,
    access: watch::Receiver<Access>,
    port: u16,
}

impl Guarded {
    /// Guards all of `router`, which is served on `port`.
    pub fn new(router: Router, access: watch::Receiver<Access>, port: u16) -> Self {
        Self {
            router,
            access,
            port,
        }
    }

    /// Answers a request that came from `peer`: the router does, if the guard lets it.
    pub async fn answer(&self, mut request: Request, peer: SocketAddr) -> Response {
        let caller = Caller::from(peer);
        let mut response = match self.check(&request, caller) {
            Ok(()) => {
                request.extensions_mut().insert(caller);
                let Ok(response) = self.router.clone().call(request).await;
                response
            }
            Err(refusal) => refusal.into_response(),
        };
        set_security_headers(response.headers_mut());
        response
    }

    fn check(&self, request: &Request, caller: Caller) -> Result<(), Refusal> {
        let headers = request.headers();
        if caller == Caller::Local && !has_local_host(request) {
            return Err(Refusal::Host);
        }
        if !sole(headers, &header::ORIGIN).is_none_or(|value| origin::is_ours(value, self.port)) {
            return Err(Refusal::Origin);
        }
        if !sole(headers, &SEC_FETCH_SITE).is_none_or(is_own_site) {
            return Err(Refusal::Site);
        }
        if self.access.borrow().allows(caller, headers) {
            Ok(())
        } else {
            Err(Refusal::Token)
        }
    }
}

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    Host,
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

fn is_own_site(value: &str) -> bool {
    matches!(value, "same-origin" | "none")
}

fn shows_token(headers: &HeaderMap, token: &str) -> bool {
    let shown = sole(headers, &header::AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer "));
    shown.is_some_and(|shown| shown.as_bytes().ct_eq(token.as_bytes()).into())
}

fn set_security_headers(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
}

#[cfg(test)]
mod tests;
