// SPDX-License-Identifier: MPL-2.0
//! Making identities; nothing of them is stored.

use a2al_service::{Service, model};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::Body;
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(generate_identity))
        .routes(routes!(generate_wallet))
}

/// A new identity with an Ed25519 master key.
#[utoipa::path(post, path = "/identity/generate", tag = "identity", responses(
    (status = 200, description = "The keys, shown once.", body = model::GeneratedIdentity), Problem,
))]
async fn generate_identity(State(service): State<Service>) -> Answer<model::GeneratedIdentity> {
    Answer(service.generate_identity())
}

/// A new identity with a wallet key.
#[utoipa::path(post, path = "/agents/generate", tag = "identity",
    request_body = model::GenerateWallet, responses(
    (status = 200, description = "The keys, shown once.", body = model::GeneratedWallet), Problem,
))]
async fn generate_wallet(
    State(service): State<Service>,
    Body(request): Body<model::GenerateWallet>,
) -> Answered<model::GeneratedWallet> {
    Ok(Answer(service.generate_wallet(request)?))
}
