// SPDX-License-Identifier: MPL-2.0
//! Whether the node is up, and how it is doing.

use a2al_service::{Service, model};
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(status))
}

/// The daemon answers.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Whether the daemon answers.
#[utoipa::path(get, path = "/health", tag = "node", responses(
    (status = 200, description = "It does.", body = Health), Problem,
))]
async fn health() -> Answer<Health> {
    Answer(Health { status: "ok" })
}

/// State of the node, from memory.
#[utoipa::path(get, path = "/status", tag = "node", responses(
    (status = 200, description = "The state.", body = model::Status), Problem,
))]
async fn status(State(service): State<Service>) -> Answer<model::Status> {
    Answer(service.status())
}
