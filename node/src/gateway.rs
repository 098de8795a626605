// SPDX-License-Identifier: MPL-2.0
//! The local gateway: agents called like web servers, by any HTTP client.
//!
//! Two ways lead to an agent. `/aid/{aid}/…` on the API's host is for programs; whatever a browser
//! is shown there is in a sandbox, and who opens it as a page is sent on. `<aid>.aid.localhost` is
//! the agent's own origin, for browsers too ([`AgentHost`]). Both pass requests and answers on as
//! they come: of any length, with trailers, and with a change of protocol such as to WebSocket.
//!
//! What the agent learns: the address under which it was asked (`X-Forwarded-Host`, `-Proto`,
//! `-Prefix`), and the caller's AID from its own node. What it does not learn: the IP address of
//! the client (`X-Forwarded-For` and its like end here) and the API's token.

mod answer;
mod base;
mod card;
mod request;
mod splice;

use std::sync::Arc;

use a2al_protocol::Aid;
use a2al_service::Service;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::sync::Semaphore;

use crate::guard::AgentHost;
use crate::rest::Problem;
use base::Base;
use splice::Switch;

/// Connections at a time that have changed their protocol, such as to WebSocket. The server has let
/// go of them, so its own limit does not count them; it is half of that one.
const MAX_SWITCHED: usize = 320;

/// The way to the services of agents.
#[derive(Clone, Debug)]
pub struct Gateway {
    service: Service,
    port: u16,
    switched: Arc<Semaphore>,
}

impl Gateway {
    /// The gateway of `service`, served on `port`.
    pub fn new(service: Service, port: u16) -> Self {
        Self {
            service,
            port,
            switched: Arc::new(Semaphore::new(MAX_SWITCHED)),
        }
    }
}

/// Agents below `/aid/` of the API's host.
pub fn by_path<S: Clone + Send + Sync + 'static>(gateway: Gateway) -> Router<S> {
    Router::new()
        .route("/aid/{aid}", any(at_path))
        .route("/aid/{aid}/", any(at_path))
        .route("/aid/{aid}/{*path}", any(at_path))
        .with_state(gateway)
}

/// Agents on hosts of their own: every path is the agent's.
pub fn by_host<S: Clone + Send + Sync + 'static>(gateway: Gateway) -> Router<S> {
    Router::new().fallback(at_host).with_state(gateway)
}

async fn at_path(State(gateway): State<Gateway>, request: Request) -> Result<Response, Problem> {
    let (base, aid, target) = Base::of_path(&request, gateway.port).ok_or_else(bad_aid)?;
    if request::is_page_visit(request.headers()) {
        return Ok(to_own_host(&aid, gateway.port, &target));
    }
    gateway.pass_on(aid, &base, &target, request).await
}

async fn at_host(
    State(gateway): State<Gateway>,
    Extension(host): Extension<AgentHost>,
    request: Request,
) -> Result<Response, Problem> {
    let base = Base::of_host(&request, gateway.port);
    let target = base::target(request.uri());
    gateway.pass_on(host.aid, &base, &target, request).await
}

impl Gateway {
    /// Asks the service of `aid` for `target`, and answers what it answers.
    async fn pass_on(
        &self,
        aid: Aid,
        base: &Base,
        target: &str,
        mut request: Request,
    ) -> Result<Response, Problem> {
        if request.method() == Method::CONNECT {
            return Err(no_connect());
        }
        *request.uri_mut() = target.parse().map_err(|_| bad_target())?;
        request::rewrite(request.headers_mut(), aid, base);
        let is_head = request.method() == Method::HEAD;
        let is_card = card::is_asked_for(&request);
        if is_card {
            card::ask_plainly(request.headers_mut());
        }
        let switch = Switch::begin(&mut request, &self.switched)?;
        let answer = self.service.forward(aid, request).await?;
        let mut answer = switch.follow(answer)?.map(Body::new);
        answer::rewrite(answer.headers_mut(), base);
        if is_card {
            answer = card::rewrite(answer, aid, base, is_head).await?;
        }
        Ok(answer)
    }
}

/// Sends a browser to the agent's own origin.
fn to_own_host(aid: &Aid, port: u16, target: &str) -> Response {
    let place = format!("http://{}{target}", AgentHost::name(aid, port));
    match HeaderValue::try_from(place) {
        Ok(place) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response(),
        Err(_) => bad_target().into_response(),
    }
}

fn bad_aid() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad aid address", "bad_aid")
}

fn bad_target() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad path", "bad_path")
}

fn no_connect() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method Not Allowed: agents are no proxies",
        "wrong_method",
    )
}
