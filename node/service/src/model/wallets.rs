// SPDX-License-Identifier: MPL-2.0
//! Wallets as master keys: the text to sign, and what a signature is turned into.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Secret;

/// Terms an Ethereum wallet is asked to sign.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct EthereumMessage {
    /// The wallet's address.
    #[schema(example = "0x52908400098527886E0F7030069857D2E4169EE7")]
    pub agent: String,
    /// When the delegation starts, Unix seconds.
    #[schema(example = 1_795_468_800_u64)]
    pub issued_at: u64,
    /// When it ends, Unix seconds; 0 = never.
    #[schema(example = 1_803_244_800_u64)]
    pub expires_at: u64,
    /// What the operational key may do; 1 (also when absent or 0) is the only value so far.
    #[serde(default)]
    pub scope: u8,
    /// Operational public key, 64 hexadecimal digits. Exactly one of this and the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational_public_key_hex: Option<String>,
    /// Seed of the operational key, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational_private_key_seed_hex: Option<Secret>,
}

/// The text to sign with `personal_sign`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct DelegationMessage {
    /// The text, line ends included. Sign exactly these bytes.
    pub message: String,
}

/// The signed terms and the operational key; registers the agent.
///
/// Agent, times, scope and key must be those of the signed text.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct EthereumRegister {
    /// The wallet's address.
    #[schema(example = "0x52908400098527886E0F7030069857D2E4169EE7")]
    pub agent: String,
    /// When the delegation starts, Unix seconds.
    #[schema(example = 1_795_468_800_u64)]
    pub issued_at: u64,
    /// When it ends, Unix seconds; 0 = never.
    #[schema(example = 1_803_244_800_u64)]
    pub expires_at: u64,
    /// What the operational key may do; 1 (also when absent or 0) is the only value so far.
    #[serde(default)]
    pub scope: u8,
    /// The wallet's signature (EIP-191), 65 bytes as hexadecimal digits, `0x` optional.
    pub eth_signature_hex: String,
    /// The agent's local service, as in `register`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "127.0.0.1:8080")]
    pub service_tcp: Option<String>,
    /// Operational private key, 128 hexadecimal digits. Exactly one of this and the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational_private_key_hex: Option<Secret>,
    /// Seed of the operational key, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational_private_key_seed_hex: Option<Secret>,
}

/// Terms of a delegation by a wallet key that is at hand.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct ProofTerms {
    /// When the delegation starts, Unix seconds; 0 (also when absent) = now.
    pub issued_at: u64,
    /// When it ends, Unix seconds; 0 (also when absent) = never.
    pub expires_at: u64,
    /// What the operational key may do; 1 (also when absent or 0) is the only value so far.
    pub scope: u8,
    /// Operational public key, 64 hexadecimal digits. Without this and the seed a new key is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operational_public_key_hex: Option<String>,
    /// Seed of the operational key, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operational_private_key_seed_hex: Option<Secret>,
}

/// An Ethereum wallet key and terms; gives a proof without a wallet program.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct EthereumProof {
    /// Wallet private key, 64 hexadecimal digits, `0x` optional. Used for this answer only.
    pub ethereum_private_key_hex: Secret,
    /// What the wallet agrees to.
    #[serde(flatten)]
    pub terms: ProofTerms,
}

/// A Paralism wallet key and terms; gives a proof without a wallet program.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct ParalismProof {
    /// Wallet private key, 64 hexadecimal digits, `0x` optional. Used for this answer only.
    pub paralism_private_key_hex: Secret,
    /// What the wallet agrees to.
    #[serde(flatten)]
    pub terms: ProofTerms,
}

/// A proof by a wallet key, ready for `register`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct WalletProof {
    /// The wallet's address.
    #[schema(value_type = String, example = "0x52908400098527886E0F7030069857D2E4169EE7")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// The proof, hexadecimal CBOR.
    pub delegation_proof_hex: String,
    /// Operational private key, 128 hexadecimal digits; only when it was made by this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operational_private_key_hex: Option<Secret>,
    /// What to do with the key, for people; only when it was made by this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A proof by a wallet key; a new operational key stays with the node that made it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct KeptProof {
    /// The wallet's address; registering takes it in place of keys if the key is kept.
    #[schema(value_type = String, example = "0x52908400098527886E0F7030069857D2E4169EE7")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// The proof, hexadecimal CBOR.
    pub delegation_proof_hex: String,
    /// Whether the operational key was made by this call and is kept here.
    pub kept: bool,
}
