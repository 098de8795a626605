// SPDX-License-Identifier: MPL-2.0
//! Wallets as master keys. No key is ever shown: what is made here stays here.

use a2al_service::model::{
    DelegationMessage, EthereumMessage, EthereumProof, EthereumRegister, GenerateWallet,
    KeptIdentity, KeptProof, Registered,
};
use rmcp::handler::server::tool::schema_for_output;
use rmcp::model::{CallToolResponse, ErrorData};
use rmcp::{tool, tool_router};

use crate::answer::{Failure, Json};
use crate::arguments::Parameters;
use crate::human::Human;
use crate::server::Server;

/// The tool that makes a wallet and an identity under its address.
const GENERATE: &str = "a2al_agents_generate_ethereum";

#[tool_router(router = wallet_tools, vis = "pub(super)")]
impl Server {
    /// Makes a new wallet and an identity under its address; both keys stay with this node. Give
    /// the aid to `a2al_agent_register` next. The wallet's key waits until the owner saves it, at
    /// `backup_url` or by `backup_command`: tell them.
    #[tool(
        name = "a2al_agents_generate_ethereum",
        title = "Make an identity with a new wallet",
        output_schema = schema_for_output::<KeptIdentity>(),
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn agents_generate_ethereum(
        &self,
        human: Human,
        Parameters(request): Parameters<GenerateWallet>,
    ) -> Result<CallToolResponse, ErrorData> {
        let made = self.service().keep_wallet(request);
        self.with_backup_page(human, GENERATE, made).await
    }

    /// The text that the owner of an Ethereum wallet signs (`personal_sign`) to let a node act for
    /// the wallet's address. Without a key among the arguments this node makes one and keeps it;
    /// `a2al_ethereum_register` then needs none either.
    #[tool(
        name = "a2al_ethereum_delegation_message",
        title = "Prepare a delegation for a wallet to sign",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn ethereum_delegation_message(
        &self,
        Parameters(request): Parameters<EthereumMessage>,
    ) -> Result<Json<DelegationMessage>, Failure> {
        let is_given = request.operational_public_key_hex.is_some()
            || request.operational_private_key_seed_hex.is_some();
        let message = if is_given {
            self.service().ethereum_message(request)
        } else {
            self.service().ethereum_message_for_kept(request).await
        };
        Ok(Json(message?))
    }

    /// Hosts the agent of an Ethereum wallet whose owner has signed the text of
    /// `a2al_ethereum_delegation_message`; agent, times and scope have to be the same as there.
    #[tool(
        name = "a2al_ethereum_register",
        title = "Host a wallet's agent",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn ethereum_register(
        &self,
        Parameters(request): Parameters<EthereumRegister>,
    ) -> Result<Json<Registered>, Failure> {
        Ok(Json(self.service().ethereum_register(request).await?))
    }

    /// Makes a delegation with a wallet key that is given here; for automation only, because the
    /// key passes through the conversation. An operational key made for it stays with this node,
    /// and the aid alone registers it.
    #[tool(
        name = "a2al_ethereum_proof",
        title = "Delegate with a wallet key",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn ethereum_proof(
        &self,
        Parameters(request): Parameters<EthereumProof>,
    ) -> Result<Json<KeptProof>, Failure> {
        Ok(Json(self.service().ethereum_proof_for_kept(request).await?))
    }
}
