// SPDX-License-Identifier: MPL-2.0
//! Wallets as master keys of agents.

use a2al_service::{Service, model};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::Body;
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(ethereum_message))
        .routes(routes!(ethereum_register))
        .routes(routes!(ethereum_proof))
        .routes(routes!(paralism_proof))
}

/// The text an Ethereum wallet is to sign.
#[utoipa::path(post, path = "/agents/ethereum/delegation-message", tag = "wallets",
    request_body = model::EthereumMessage, responses(
    (status = 200, description = "The text.", body = model::DelegationMessage), Problem,
))]
async fn ethereum_message(
    State(service): State<Service>,
    Body(request): Body<model::EthereumMessage>,
) -> Answered<model::DelegationMessage> {
    Ok(Answer(service.ethereum_message(request)?))
}

/// Hosts an agent whose delegation an Ethereum wallet has signed.
#[utoipa::path(post, path = "/agents/ethereum/register", tag = "wallets",
    request_body = model::EthereumRegister, responses(
    (status = 200, description = "Hosted.", body = model::Registered), Problem,
))]
async fn ethereum_register(
    State(service): State<Service>,
    Body(request): Body<model::EthereumRegister>,
) -> Answered<model::Registered> {
    Ok(Answer(service.ethereum_register(request).await?))
}

/// A delegation proof made with an Ethereum private key.
#[utoipa::path(post, path = "/agents/ethereum/proof", tag = "wallets",
    request_body = model::EthereumProof, responses(
    (status = 200, description = "The proof.", body = model::WalletProof), Problem,
))]
async fn ethereum_proof(
    State(service): State<Service>,
    Body(request): Body<model::EthereumProof>,
) -> Answered<model::WalletProof> {
    Ok(Answer(service.ethereum_proof(request)?))
}

/// A delegation proof made with a Paralism private key.
#[utoipa::path(post, path = "/agents/paralism/proof", tag = "wallets",
    request_body = model::ParalismProof, responses(
    (status = 200, description = "The proof.", body = model::WalletProof), Problem,
))]
async fn paralism_proof(
    State(service): State<Service>,
    Body(request): Body<model::ParalismProof>,
) -> Answered<model::WalletProof> {
    Ok(Answer(service.paralism_proof(request)?))
}
