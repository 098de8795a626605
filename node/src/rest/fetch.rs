// SPDX-License-Identifier: MPL-2.0
//! One HTTP request to the service of an agent anywhere.

use a2al_service::{Service, model};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::{Body, InPath};
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(fetch))
}

/// Sends a request to an agent's service and answers what it answered.
#[utoipa::path(post, path = "/fetch/{aid}", tag = "connect", params(InPath),
    request_body = model::Fetch, responses(
    (status = 200, description = "The service answered; `status` is its own.",
     body = model::FetchAnswer), Problem,
))]
async fn fetch(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::Fetch>,
) -> Answered<model::FetchAnswer> {
    Ok(Answer(service.fetch(aid, request).await?))
}
