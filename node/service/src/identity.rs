// SPDX-License-Identifier: MPL-2.0
//! Making identities that are shown once. Nothing made here is stored; `keystore` makes those that are.

use a2al_protocol::delegation::Terms;
use a2al_protocol::{Aid, DelegationProof, SigningKey, WalletKey};

use crate::error::Input;
use crate::model::{self, Secret};
use crate::{Error, Service, clock};

/// What clients show beside a new master key.
const MASTER_WARNING: &str = "Keep the master key offline: it is shown once and is the only way \
    to replace a lost or stolen operational key. Register the operational key and the delegation \
    proof with a daemon.";

/// What clients show beside a new operational key.
pub(crate) const OPERATIONAL_WARNING: &str = "The operational key is shown once. Register it \
    with the delegation proof, and keep it secret.";

/// Kinds of wallets that can own an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Chain {
    Ethereum,
    Paralism,
}

impl Chain {
    /// The chain of that name; Ethereum without one.
    pub(crate) fn named(name: &str) -> Result<Self, Input> {
        match name {
            "" | "ethereum" => Ok(Self::Ethereum),
            "paralism" => Ok(Self::Paralism),
            _ => Err(Input::Chain),
        }
    }

    /// The address of `wallet` on this chain.
    pub(crate) fn aid(self, wallet: &WalletKey) -> Aid {
        match self {
            Self::Ethereum => wallet.ethereum_aid(),
            Self::Paralism => wallet.paralism_aid(),
        }
    }
}

impl Service {
    /// Makes an identity with an Ed25519 master key and a delegation that never ends.
    pub fn generate_identity(&self) -> model::GeneratedIdentity {
        let (master, operational) = (SigningKey::generate(), SigningKey::generate());
        let aid = master.public().aid();
        let terms = Terms::new(aid, operational.public(), clock::now());
        let proof = DelegationProof::by_master(&master, terms);
        let proof = proof.expect("the address is that of the master key");
        model::GeneratedIdentity {
            aid,
            master_private_key_hex: Secret::new(master.private_hex().as_str()),
            operational_private_key_hex: Secret::new(operational.private_hex().as_str()),
            delegation_proof_hex: hex::encode(proof.encode()),
            warning: MASTER_WARNING.to_owned(),
        }
    }

    /// Makes an identity with a wallet key and a delegation that never ends.
    ///
    /// # Errors
    /// [`Input::Chain`].
    pub fn generate_wallet(
        &self,
        request: model::GenerateWallet,
    ) -> Result<model::GeneratedWallet, Error> {
        let model::GenerateWallet { chain } = request;
        let chain = Chain::named(chain.as_deref().unwrap_or_default())?;
        let (wallet, operational) = (WalletKey::generate(), SigningKey::generate());
        let aid = chain.aid(&wallet);
        let terms = Terms::new(aid, operational.public(), clock::now());
        let proof = DelegationProof::by_wallet(&wallet, terms);
        let proof = proof.expect("the address is that of the wallet");
        let wallet_hex = |of| (chain == of).then(|| Secret::new(wallet.to_hex().as_str()));
        Ok(model::GeneratedWallet {
            aid,
            ethereum_private_key_hex: wallet_hex(Chain::Ethereum),
            paralism_private_key_hex: wallet_hex(Chain::Paralism),
            operational_private_key_hex: Secret::new(operational.private_hex().as_str()),
            delegation_proof_hex: hex::encode(proof.encode()),
            warning: MASTER_WARNING.to_owned(),
        })
    }
}
