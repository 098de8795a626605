// SPDX-License-Identifier: MPL-2.0
//! `GET /openapi.json`: the document of this API.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{App, ProblemBody};

/// The part of the document no route brings.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "A2AL node",
        description = "The local API of a2ald. Callers from other machines send \
                       `Authorization: Bearer <token>`; so do local ones when \
                       `require_local_token` is set.",
    ),
    components(schemas(ProblemBody))
)]
struct Described;

/// A router without routes, with title and common schemas in its document.
pub(super) fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Described::openapi())
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(openapi))
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = super::document().to_json().unwrap_or_default();
    text.push('\n');
    text
});

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "node", responses(
    (status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value),
))]
async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}
