// SPDX-License-Identifier: MPL-2.0
//! Who calls a local service.

use a2al_service::{Service, model};
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(session))
}

/// Tells a local service which agent is behind a connection that it accepted.
///
/// Another program of the machine may connect from the same port of another address, such as
/// 127.0.0.2, while a connection lives. A service that does not trust those programs asks with the
/// whole remote address that it sees, and nobody else can have that.
#[utoipa::path(get, path = "/sessions/{port}", tag = "connect",
    params(("port" = String, Path, description = "The remote port of the connection, as the service sees it, or the whole address: `127.0.0.1:40312`, `[::1]:40312`.")),
    responses((status = 200, description = "The agent.", body = model::Session), Problem),
)]
async fn session(
    State(service): State<Service>,
    Path(port): Path<String>,
) -> Answered<model::Session> {
    Ok(Answer(service.session(&port)?))
}
