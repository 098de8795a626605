// SPDX-License-Identifier: MPL-2.0
//! The configuration: shown, described, changed.

use std::sync::Arc;

use a2al_mcp::Mcp;
use a2al_service::Service;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::Body;
use super::{App, Problem};
use crate::config::{Patch, Patched, Settings, Store};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show_config, change_config))
        .routes(routes!(config_schema))
}

/// All settings; the token is shown as `***`.
#[utoipa::path(get, path = "/config", tag = "config", responses(
    (status = 200, description = "The settings.", body = Settings), Problem,
))]
async fn show_config(State(config): State<Arc<Store>>) -> Answer<Settings> {
    Answer(config.shown())
}

/// Changes settings, in the file at once.
#[utoipa::path(patch, path = "/config", tag = "config", request_body = Patch, responses(
    (status = 200, description = "Changed.", body = Patched), Problem,
))]
async fn change_config(
    State(config): State<Arc<Store>>,
    State(service): State<Service>,
    State(mcp): State<Mcp>,
    Body(patch): Body<Patch>,
) -> Answered<Patched> {
    let changed = tokio::task::spawn_blocking(move || config.patch(&patch)).await;
    let (patched, new) = changed.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the node is stopping",
            "stopping",
        )
    })??;
    service.set_auto_publish(new.auto_publish);
    service.set_use_relays(new.use_relays);
    mcp.set_toolsets(new.mcp_toolsets);
    Ok(Answer(patched))
}

/// JSON Schema of the settings.
#[utoipa::path(get, path = "/config/schema", tag = "config", responses(
    (status = 200, description = "A JSON Schema.", body = serde_json::Value), Problem,
))]
async fn config_schema() -> Answer<schemars::Schema> {
    Answer(schemars::schema_for!(Settings))
}
