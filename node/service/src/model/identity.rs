// SPDX-License-Identifier: MPL-2.0
//! Making identities.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    /// The page of this node on which the owner does the same; absent where the API is out of
    /// reach from this machine's loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "http://127.0.0.1:2121/backup/A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub backup_url: Option<String>,
}

impl KeptIdentity {
    /// The identity of `aid`, on a node whose interface listens on `api_addr`.
    pub(crate) fn new(aid: Aid, api_addr: Option<SocketAddr>) -> Self {
        let api_addr = api_addr.and_then(on_loopback);
        Self {
            aid,
            backup_command: backup_command(aid, api_addr),
            backup_url: api_addr.map(|api_addr| format!("http://{api_addr}/backup/{aid}")),
        }
    }

    /// How the owner saves the master key, for people.
    pub fn ways(&self) -> String {
        let command = format!("run `{}`", self.backup_command);
        let page = self.backup_url.as_ref();
        page.map_or(command.clone(), |url| format!("open {url} or {command}"))
    }
}

/// Names the interface where `a2al` would not find it by itself.
fn backup_command(aid: Aid, api_addr: Option<SocketAddr>) -> String {
    let is_usual = |addr: &SocketAddr| *addr == SocketAddr::from((Ipv4Addr::LOCALHOST, 2121));
    let api_addr = api_addr.filter(|addr| !is_usual(addr));
    let api = api_addr.map_or_else(String::new, |addr| format!(" --api http://{addr}"));
    format!("a2al{api} identity backup {aid} --out FILE")
}

/// Where an interface on `addr` is reached from this machine without leaving it.
fn on_loopback(addr: SocketAddr) -> Option<SocketAddr> {
    let ip: IpAddr = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    ip.is_loopback().then(|| SocketAddr::new(ip, addr.port()))
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
