// SPDX-License-Identifier: MPL-2.0
//! The services that agents of this node are found by, and their profiles.

use a2al_service::{Service, model};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::{Body, InPath, ServiceInPath};
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register_services))
        .routes(routes!(unregister_service))
        .routes(routes!(set_profile, clear_profile))
}

/// Registers an agent for services, by which it is found, and keeps that renewed.
#[utoipa::path(post, path = "/agents/{aid}/services", tag = "discovery", params(InPath),
    request_body = model::RegisterServices, responses(
    (status = 200, description = "Registered and published.", body = model::ServicesRegistered),
    Problem,
))]
async fn register_services(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::RegisterServices>,
) -> Answered<model::ServicesRegistered> {
    Ok(Answer(service.register_services(aid, request).await?))
}

/// Takes back the registration for a service.
#[utoipa::path(delete, path = "/agents/{aid}/services/{*name}", tag = "discovery",
    params(ServiceInPath), responses(
    (status = 200, description = "Taken back, or never there.", body = model::Done), Problem,
))]
async fn unregister_service(
    State(service): State<Service>,
    ServiceInPath(aid, name): ServiceInPath,
) -> Answered<model::Done> {
    Ok(Answer(service.unregister_service(aid, name).await?))
}

/// Sets what an agent says about itself, and keeps that renewed.
#[utoipa::path(post, path = "/agents/{aid}/profile", tag = "discovery", params(InPath),
    request_body = model::SetProfile, responses(
    (status = 200, description = "Set and published.", body = model::Done), Problem,
))]
async fn set_profile(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::SetProfile>,
) -> Answered<model::Done> {
    Ok(Answer(service.set_profile(aid, request).await?))
}

/// Takes back what an agent was set to say about itself.
#[utoipa::path(delete, path = "/agents/{aid}/profile", tag = "discovery", params(InPath),
    responses(
    (status = 200, description = "Taken back, or never there.", body = model::Done), Problem,
))]
async fn clear_profile(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::Done> {
    Ok(Answer(service.clear_profile(aid).await?))
}
