// SPDX-License-Identifier: MPL-2.0
//! The REST API: one file per topic, each route a thin adapter over [`Service`].
//!
//! A route is documented where it is written: the router and the OpenAPI document are built from
//! the same list, so neither can have a path the other lacks; the gateway, which is beside them, is
//! described in `openapi`. Conventions that hold for every route (content type, body size, form of
//! errors) are in the module `conventions`.

mod agents;
mod answer;
pub(crate) mod backup;
mod config;
mod conventions;
mod discover;
mod events;
mod extract;
mod fetch;
mod handing;
mod health;
mod identity;
mod lookup;
mod mailbox;
mod mcp;
mod openapi;
mod peers;
mod problem;
mod publish;
mod services;
mod sessions;
mod tunnels;
mod wallets;

use std::sync::Arc;

use a2al_mcp::{Endpoint, Mcp};
use a2al_service::Service;
use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

pub use problem::{Problem, ProblemBody};

use crate::config::Store;
use crate::gateway::{self, Gateway};

/// What the routes work on.
#[derive(Clone, Debug)]
pub struct App {
    /// The node.
    pub service: Service,
    /// Its settings.
    pub config: Arc<Store>,
    /// The way to the services of agents.
    pub gateway: Gateway,
    /// The tools for assistants.
    pub mcp: Mcp,
    /// The same over MCP's own protocol.
    pub mcp_endpoint: Endpoint,
    /// Set when the daemon ends: answers without an end of their own then end.
    pub ending: CancellationToken,
}

impl FromRef<App> for Service {
    fn from_ref(app: &App) -> Self {
        app.service.clone()
    }
}

impl FromRef<App> for Mcp {
    fn from_ref(app: &App) -> Self {
        app.mcp.clone()
    }
}

impl FromRef<App> for Arc<Store> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.config)
    }
}

impl FromRef<App> for CancellationToken {
    fn from_ref(app: &App) -> Self {
        app.ending.clone()
    }
}

/// All routes, answering for `app`.
pub fn router(app: App) -> Router {
    let (router, _) = routes().split_for_parts();
    let agents = gateway::by_path(app.gateway.clone());
    let router = router
        .merge(mcp::endpoint(app.mcp_endpoint.clone()))
        .merge(agents)
        .fallback(conventions::unknown_path)
        .method_not_allowed_fallback(conventions::wrong_method)
        .layer(from_fn(conventions::enforce));
    reporting(router).with_state(app)
}

/// What the hosts of agents serve: the agents, and no route of the API.
pub fn agents(gateway: Gateway) -> Router {
    reporting(gateway::by_host(gateway))
}

/// Failures and panics of any route reach the log.
fn reporting<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .layer(from_fn(conventions::report))
        .layer(CatchPanicLayer::custom(conventions::panicked))
}

/// The OpenAPI document of all routes.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = routes().into_openapi();
    // The router writes a parameter that takes the rest of the path with a star, the document without.
    let paths = std::mem::take(&mut document.paths.paths).into_iter();
    document.paths.paths = paths
        .map(|(path, item)| (path.replace("{*", "{"), item))
        .collect();
    document
}

fn routes() -> OpenApiRouter<App> {
    openapi::described()
        .merge(health::routes())
        .merge(config::routes())
        .merge(identity::routes())
        .merge(backup::routes())
        .merge(agents::routes())
        .merge(wallets::routes())
        .merge(publish::routes())
        .merge(lookup::routes())
        .merge(services::routes())
        .merge(discover::routes())
        .merge(fetch::routes())
        .merge(tunnels::routes())
        .merge(peers::routes())
        .merge(sessions::routes())
        .merge(mailbox::routes())
        .merge(events::routes())
        .merge(mcp::routes())
        .merge(openapi::routes())
}
