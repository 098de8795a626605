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
mod held;
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
use held::Held;

/// Requests under way at a time, and connections that have changed their protocol; a further one is
/// refused.
///
/// Half of what the server takes, so that open streams leave the API its half.
const MAX_OPEN: usize = 320;

/// The way to the services of agents.
#[derive(Clone, Debug)]
pub struct Gateway {
    service: Service,
    port: u16,
    slots: Arc<Semaphore>,
}

impl Gateway {
    /// The gateway of `service`, served on `port`.
    pub fn new(service: Service, port: u16) -> Self {
        Self {
            service,
            port,
            slots: Arc::new(Semaphore::new(MAX_OPEN)),
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

/// Passes a request on to an agent's service, as it is: any method, any body, streaming both ways.
#[utoipa::path(get, path = "/aid/{aid}/{path}", operation_id = "gateway", tag = "connect", params(
    ("aid" = String, Path, description = "The agent's address."),
    ("path" = String, Path, description = "Path and query at the service; may have slashes, or be empty."),
), responses(
    (status = 200, description = "What the service answered; the status is its own."), Problem,
))]
pub(crate) async fn at_path(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, Problem> {
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
        let slot = Arc::clone(&self.slots);
        let slot = slot.try_acquire_owned().map_err(|_| busy())?;
        *request.uri_mut() = target.parse().map_err(|_| bad_target())?;
        request::rewrite(request.headers_mut(), aid, base);
        let is_head = request.method() == Method::HEAD;
        let is_card = card::is_asked_for(&request);
        if is_card {
            card::ask_plainly(request.headers_mut());
        }
        let client = splice::client(&mut request);
        let mut answer = self.service.forward(aid, request).await?;
        answer::rewrite(answer.headers_mut(), aid, base);
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return splice::follow(client, answer.map(Body::new), slot);
        }
        let answer = answer.map(|body| Body::new(Held::new(body, slot)));
        if is_card {
            return card::rewrite(answer, aid, base, is_head).await;
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

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many requests to agents at a time",
        "busy",
    )
    .but_later()
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
