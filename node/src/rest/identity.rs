// SPDX-License-Identifier: MPL-2.0
//! Making identities, shown once or kept here.

use a2al_service::{Service, model};
use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::{Body, InPath};
use super::{App, Problem};
use crate::guard::Caller;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(generate_identity))
        .routes(routes!(generate_wallet))
        .routes(routes!(kept_identities))
        .routes(routes!(master_key, wipe_master_key))
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

/// Identities that were made for assistants and wait to be registered or backed up.
#[utoipa::path(get, path = "/identity/kept", tag = "identity", responses(
    (status = 200, description = "The identities.", body = model::KeptList), Problem,
))]
async fn kept_identities(State(service): State<Service>) -> Answer<model::KeptList> {
    Answer(service.kept_identities())
}

/// The master key of a kept identity, for callers on this machine only.
#[utoipa::path(get, path = "/identity/{aid}/master", tag = "identity", params(InPath), responses(
    (status = 200, description = "The key. It stays until it is deleted.", body = model::MasterBackup),
    Problem,
))]
async fn master_key(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    InPath(aid): InPath,
) -> Result<Response, Problem> {
    caller.must_be_local("backup")?;
    let backup = Answer(service.backup(aid).await?);
    Ok(([(header::CACHE_CONTROL, "no-store")], backup).into_response())
}

/// Wipes the master key of a kept identity, whose owner has a copy; for callers on this machine
/// only.
#[utoipa::path(delete, path = "/identity/{aid}/master", tag = "identity", params(InPath), responses(
    (status = 200, description = "Nothing of the key is left here.", body = model::Done), Problem,
))]
async fn wipe_master_key(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    InPath(aid): InPath,
) -> Answered<model::Done> {
    caller.must_be_local("backup")?;
    Ok(Answer(service.wipe_master(aid).await?))
}
