// SPDX-License-Identifier: MPL-2.0
//! Whom the node is connected to, and how an agent's node is reached.

use a2al_service::{Service, model};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::InPath;
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(peers))
        .routes(routes!(reach))
}

/// The connected peers, and the path to each.
#[utoipa::path(get, path = "/peers", tag = "node", responses(
    (status = 200, description = "The peers, perhaps none.", body = model::PeerList), Problem,
))]
async fn peers(State(service): State<Service>) -> Answer<model::PeerList> {
    Answer(service.peers().await)
}

/// Connects to an agent's node and tells which path that took; sends its service nothing.
#[utoipa::path(post, path = "/reach/{aid}", tag = "connect", params(InPath), responses(
    (status = 200, description = "It was reached.", body = model::Reached), Problem,
))]
async fn reach(State(service): State<Service>, InPath(aid): InPath) -> Answered<model::Reached> {
    Ok(Answer(service.reach(aid).await?))
}
