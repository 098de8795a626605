// SPDX-License-Identifier: MPL-2.0
//! `GET /openapi.json`: the document of this API.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa::openapi::PathItem;
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
    components(schemas(ProblemBody)),
    paths(crate::gateway::at_path)
)]
struct Described;

/// A router without routes, with title and common schemas in its document.
pub(super) fn described() -> OpenApiRouter<App> {
    let mut document = Described::openapi();
    let beside = document.paths.paths.values_mut();
    beside.for_each(with_every_method);
    OpenApiRouter::with_openapi(document)
}

/// Describes the other methods like `GET`, for a path that takes them all.
fn with_every_method(item: &mut PathItem) {
    let like_get = |method: &str| {
        let mut operation = item.get.clone()?;
        let name = operation.operation_id.unwrap_or_default();
        operation.operation_id = Some(format!("{method}_{name}"));
        Some(operation)
    };
    let [post, put, patch, delete] = ["post", "put", "patch", "delete"].map(like_get);
    (item.post, item.put, item.patch, item.delete) = (post, put, patch, delete);
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
