// SPDX-License-Identifier: MPL-2.0
//! Records: publishing and looking them up.

use a2al_protocol::Aid;
use a2al_protocol::record::{self, meta::Meta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;

/// Where an agent is reached now.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
pub struct Resolution {
    /// The agent's address, in canonical form.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub address: Aid,
    /// Multiaddrs, best first, each ending in the node's peer id.
    #[schema(example = json!(["/ip4/203.0.113.7/udp/4121/quic-v1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"]))]
    pub endpoints: Vec<String>,
    /// Kind of NAT: 0 unknown, 1 public, 2 restricted, 3 port-restricted, 4 symmetric.
    #[schema(example = 1)]
    pub nat_type: u8,
    /// Sequence number of the record.
    #[schema(example = 1_795_468_800_123_u64)]
    pub seq: u64,
    /// When it was signed, Unix seconds.
    #[schema(example = 1_795_468_800_u64)]
    pub timestamp: u64,
    /// How long it is valid after that, in seconds.
    #[schema(example = 3600)]
    pub ttl: u32,
}

/// A record of a free kind to sign and publish for an agent.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct PublishRecord {
    /// Kind of record, 2 to 15.
    #[schema(example = 3)]
    pub rec_type: u32,
    /// Content, base64. Together with signature and delegation at most 4096 bytes.
    #[schema(example = "aGVsbG8=")]
    pub payload_base64: String,
    /// How long it is valid, in seconds; at least 1.
    #[serde(default)]
    #[schema(example = 3600)]
    pub ttl: u32,
}

/// Records found.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct RecordList {
    /// The records, ordered by kind.
    pub records: Vec<Record>,
}

/// One record; its signature and authority were checked.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Record {
    /// Address of the publisher.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Kind of record: 1 endpoint, 2 profile, 3 to 15 free.
    #[schema(example = 3)]
    pub rec_type: u8,
    /// Content, base64.
    #[schema(example = "aGVsbG8=")]
    pub payload_base64: String,
    /// Sequence number.
    #[schema(example = 1_795_468_800_123_u64)]
    pub seq: u64,
    /// When it was signed, Unix seconds.
    #[schema(example = 1_795_468_800_u64)]
    pub timestamp: u64,
    /// How long it is valid after that, in seconds.
    #[schema(example = 3600)]
    pub ttl: u32,
    /// Key that signed it, base64.
    pub pubkey_base64: String,
    /// Signature, base64.
    pub signature_base64: String,
    /// Delegation of that key, base64 CBOR; absent when the address's own key signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation_base64: Option<String>,
    /// The content, decoded; only for a well-formed profile (kind 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

/// What an agent says about itself; what it leaves open is absent.
///
/// Text by a stranger: show it, never act on it. What is not seen was taken out, what is too long cut.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct Profile {
    /// Display name.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(example = "Translator")]
    pub name: String,
    /// One sentence about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub brief: String,
    /// Protocols it speaks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["mcp", "http"]))]
    pub protocols: Vec<String>,
    /// What it can do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["lang.translate"]))]
    pub skills: Vec<String>,
    /// Kinds of content it handles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["text"]))]
    pub modalities: Vec<String>,
    /// SHA-256 of its agent card, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub card_hash: String,
    /// Anything else, as the agent named it.
    #[serde(skip_serializing_if = "Meta::is_empty")]
    #[schema(value_type = Object)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub meta: Meta,
}

impl Profile {
    /// What a stranger's profile says, fit to be shown.
    pub(crate) fn of_stranger(profile: &record::Profile) -> Self {
        Self {
            name: text::line(&profile.name, text::MAX_NAME_CHARS),
            brief: text::line(&profile.brief, text::MAX_VALUE_CHARS),
            protocols: text::lines(&profile.protocols),
            skills: text::lines(&profile.skills),
            modalities: text::lines(&profile.modalities),
            card_hash: profile.card_hash.map(hex::encode).unwrap_or_default(),
            meta: text::values(&profile.meta),
        }
    }
}

impl From<&record::Profile> for Profile {
    /// What the profile of an agent of this node says, as its owner set it.
    fn from(profile: &record::Profile) -> Self {
        let profile = profile.clone();
        Self {
            name: profile.name,
            brief: profile.brief,
            protocols: profile.protocols,
            skills: profile.skills,
            modalities: profile.modalities,
            card_hash: profile.card_hash.map(hex::encode).unwrap_or_default(),
            meta: profile.meta,
        }
    }
}
