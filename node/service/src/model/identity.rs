// SPDX-License-Identifier: MPL-2.0
//! Making identities.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Secret;

/// A new identity whose master key is an Ed25519 key.
///
/// Nothing of it is stored: register the operational key and the proof, and keep the master key
/// elsewhere.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct GeneratedIdentity {
    /// The new address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Master private key, 128 hexadecimal digits (seed and public key). Shown once; keep it
    /// offline.
    pub master_private_key_hex: Secret,
    /// Operational private key, 128 hexadecimal digits. This is the one a daemon needs.
    pub operational_private_key_hex: Secret,
    /// Proof that the master key lets the operational key act for the address; hexadecimal CBOR.
    pub delegation_proof_hex: String,
    /// What to do with the keys, for people.
    pub warning: String,
}

/// Which kind of wallet to make an identity for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct GenerateWallet {
    /// `ethereum` (also when absent) or `paralism`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "ethereum")]
    pub chain: Option<String>,
}

/// A new identity whose master key is a wallet key. Nothing of it is stored.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct GeneratedWallet {
    /// The new address, in the wallet's own form.
    #[schema(value_type = String, example = "0x52908400098527886E0F7030069857D2E4169EE7")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Wallet private key, 64 hexadecimal digits; only for `ethereum`. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethereum_private_key_hex: Option<Secret>,
    /// Wallet private key, 64 hexadecimal digits; only for `paralism`. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paralism_private_key_hex: Option<Secret>,
    /// Operational private key, 128 hexadecimal digits. This is the one a daemon needs.
    pub operational_private_key_hex: Secret,
    /// Proof that the wallet lets the operational key act for the address; hexadecimal CBOR.
    pub delegation_proof_hex: String,
    /// What to do with the keys, for people.
    pub warning: String,
}

/// A new identity whose keys stay with the node that made them.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct KeptIdentity {
    /// The new address; registering takes it in place of keys.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// The command with which the owner saves the master key, which waits until then.
    #[schema(
        example = "a2al identity backup A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A --out FILE"
    )]
    pub backup_command: String,
}

impl KeptIdentity {
    /// The identity of `aid`.
    pub(crate) fn new(aid: Aid) -> Self {
        Self {
            aid,
            backup_command: format!("a2al identity backup {aid} --out FILE"),
        }
    }
}

/// Identities that were made here and wait for something.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct KeptList {
    /// The identities, ordered by address.
    pub identities: Vec<Kept>,
}

/// An identity that was made here.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Kept {
    /// Its address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Whether its agent is hosted here.
    pub registered: bool,
    /// Whether its master key waits for the owner's backup.
    pub master_waits: bool,
}

/// Kinds of master keys.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MasterKind {
    /// An Ed25519 key: 128 hexadecimal digits, seed and public key.
    Ed25519,
    /// An Ethereum wallet key: 64 hexadecimal digits.
    Ethereum,
    /// A Paralism wallet key: 64 hexadecimal digits.
    Paralism,
}

/// A master key for its owner to save.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct MasterBackup {
    /// Whose it is.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// What kind of key.
    pub kind: MasterKind,
    /// The key. Keep it offline: it is the only way to replace a lost or stolen operational key.
    pub master_private_key_hex: Secret,
}
