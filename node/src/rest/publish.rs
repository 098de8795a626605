// SPDX-License-Identifier: MPL-2.0
//! Publishing records of hosted agents.

use a2al_service::{Service, model};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::{Body, InPath};
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(publish_endpoint))
        .routes(routes!(publish_record))
}

/// Publishes where an agent is reached, and keeps that renewed.
#[utoipa::path(post, path = "/agents/{aid}/publish", tag = "records", params(InPath), responses(
    (status = 200, description = "Published.", body = model::Published), Problem,
))]
async fn publish_endpoint(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::Published> {
    Ok(Answer(service.publish(aid).await?))
}

/// Publishes a record of a kind of one's own.
#[utoipa::path(post, path = "/agents/{aid}/records", tag = "records", params(InPath),
    request_body = model::PublishRecord, responses(
    (status = 200, description = "Published.", body = model::Done), Problem,
))]
async fn publish_record(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::PublishRecord>,
) -> Answered<model::Done> {
    Ok(Answer(service.publish_record(aid, request).await?))
}
