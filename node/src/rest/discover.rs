// SPDX-License-Identifier: MPL-2.0
//! Agents by what they offer.

use a2al_service::{Service, model};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::Body;
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(discover))
        .routes(routes!(call_service))
}

/// Finds agents that offer services.
#[utoipa::path(post, path = "/discover", tag = "discovery", request_body = model::Discover,
    responses(
    (status = 200, description = "The entries, perhaps none.", body = model::Discovered), Problem,
))]
async fn discover(
    State(service): State<Service>,
    Body(request): Body<model::Discover>,
) -> Answered<model::Discovered> {
    Ok(Answer(service.discover(request).await?))
}

/// Sends a request to whoever offers a service best and answers what it answered.
#[utoipa::path(post, path = "/call", tag = "discovery", request_body = model::CallService,
    responses(
    (status = 200, description = "A provider answered; `status` is its own.",
     body = model::CalledService), Problem,
))]
async fn call_service(
    State(service): State<Service>,
    Body(request): Body<model::CallService>,
) -> Answered<model::CalledService> {
    Ok(Answer(service.call_service(request).await?))
}
