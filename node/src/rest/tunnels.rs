// SPDX-License-Identifier: MPL-2.0
//! TCP ports on this machine that lead to agents' services.

use a2al_service::{Service, model};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered, json};
use super::extract::{Body, InPath};
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(connect))
        .routes(routes!(list_tunnels))
        // One path, whose last part is an agent in one method and a tunnel in the others.
        .routes(routes!(open_tunnel, show_tunnel, close_tunnel))
        .routes(routes!(reset_tunnel))
}

/// Opens a port at 127.0.0.1 for one TCP connection to an agent's service.
#[utoipa::path(post, path = "/connect/{aid}", tag = "connect", params(InPath),
    request_body = model::Connect, responses(
    (status = 200, description = "The agent was reached.", body = model::Connected), Problem,
))]
async fn connect(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::Connect>,
) -> Answered<model::Connected> {
    Ok(Answer(service.connect(aid, request).await?))
}

/// The open tunnels.
#[utoipa::path(get, path = "/tunnel", tag = "connect", responses(
    (status = 200, description = "The tunnels, oldest first.", body = model::TunnelList),
))]
async fn list_tunnels(State(service): State<Service>) -> Answer<model::TunnelList> {
    Answer(service.tunnels())
}

/// Opens a port at 127.0.0.1 every TCP connection to which reaches an agent's service.
///
/// Opening it again, with the same caller, port and paths, answers the tunnel that exists.
#[utoipa::path(post, path = "/tunnel/{id}", tag = "connect",
    params(("id" = String, Path, description = "The agent's address.")),
    request_body = model::OpenTunnel, responses(
    (status = 201, description = "The tunnel.", body = model::Tunnel), Problem,
))]
async fn open_tunnel(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::OpenTunnel>,
) -> Result<Response, Problem> {
    let tunnel = service.open_tunnel(aid, request).await?;
    Ok(json(StatusCode::CREATED, &tunnel))
}

/// One open tunnel.
#[utoipa::path(get, path = "/tunnel/{id}", tag = "connect",
    params(("id" = String, Path, description = "The tunnel.")), responses(
    (status = 200, description = "The tunnel.", body = model::Tunnel), Problem,
))]
async fn show_tunnel(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Answered<model::Tunnel> {
    Ok(Answer(service.tunnel(&id)?))
}

/// Closes a tunnel and cuts its connections.
#[utoipa::path(delete, path = "/tunnel/{id}", tag = "connect",
    params(("id" = String, Path, description = "The tunnel.")), responses(
    (status = 204, description = "Closed."), Problem,
))]
async fn close_tunnel(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    service.close_tunnel(&id)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Closes a tunnel, cuts its connections, and forgets where its agent was found.
#[utoipa::path(post, path = "/tunnel/{id}/reset", tag = "connect",
    params(("id" = String, Path, description = "The tunnel.")), responses(
    (status = 204, description = "Closed."), Problem,
))]
async fn reset_tunnel(
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    service.reset_tunnel(&id)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
