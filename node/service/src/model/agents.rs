// SPDX-License-Identifier: MPL-2.0
//! Agents on this node.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Offered, PendingByAgent, Profile, Secret};

/// Credentials of an agent to host on this node.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Register {
    /// Operational private key, 128 hexadecimal digits, `0x` optional.
    pub operational_private_key_hex: Secret,
    /// Proof by the master key or wallet, hexadecimal CBOR, `0x` optional.
    #[schema(example = "a701582048…")]
    pub delegation_proof_hex: String,
    /// The agent's local service: `host:port`, `http://host:port` or `https://host:port` (its
    /// certificate is not checked). Absent or empty keeps what an agent registered before already
    /// has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "127.0.0.1:8080")]
    pub service_tcp: Option<String>,
}

/// Whom to host on this node: whoever the credentials are for, or an identity whose keys are kept
/// here, by its address alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Registration {
    /// Address of an identity whose keys this node keeps. Beside credentials it is not looked at:
    /// the proof says whose they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "Option<String>")]
    pub aid: Option<Aid>,
    /// Operational private key, 128 hexadecimal digits, `0x` optional. Needed unless the key is
    /// kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational_private_key_hex: Option<Secret>,
    /// Proof by the master key or wallet, hexadecimal CBOR, `0x` optional. Needed unless the key is
    /// kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "a701582048…")]
    pub delegation_proof_hex: Option<String>,
    /// The agent's local service, as in [`Register`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "127.0.0.1:8080")]
    pub service_tcp: Option<String>,
}

/// What a successful call did, in one word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The agent is hosted here.
    Registered,
    /// The agent's settings are changed.
    Updated,
    /// Done.
    Ok,
}

/// The agent that is now hosted here.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Registered {
    /// Its address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Always `registered`.
    pub status: Outcome,
}

/// One agent on this node.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Agent {
    /// Its address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Its local service, or empty.
    #[schema(example = "127.0.0.1:8080")]
    pub service_tcp: String,
    /// Services it can be found by; null as long as none is registered.
    pub services: Option<Vec<Offered>>,
    /// What was set as its profile; absent when nothing was. What it leaves open follows from the
    /// services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// When it was registered here first, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub registered_at: String,
    /// Sequence number of the endpoint record published last; 0 before the first publication since
    /// the start.
    #[schema(example = 1_795_468_800_123_u64)]
    pub seq: u64,
    /// Whether a record published since the start is still valid.
    pub published_to_dht: bool,
    /// When it was published last, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub last_publish_at: Option<String>,
    /// When it will be published again, RFC 3339; null while nothing is published or automatic
    /// publishing is off.
    pub next_republish_estimate: Option<String>,
    /// When the published record ends unless renewed, RFC 3339.
    pub dht_record_expires_at: Option<String>,
    /// Other nodes that stored the record when it was published last.
    #[schema(example = 5)]
    pub dht_active_replicas: u64,
    /// 1 while this node holds the record itself, else 0.
    #[schema(example = 1)]
    pub dht_local_replicas: u64,
    /// Seconds since the last heartbeat or other call that changed something; null before the
    /// first.
    #[schema(example = 12.5)]
    pub heartbeat_seconds_ago: Option<f64>,
    /// Whether this daemon itself runs a demonstration service for it.
    pub demo_active: bool,
    /// Who may call it.
    pub acl: Acl,
}

/// Who may call an agent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
pub struct Acl {
    /// What holds for callers in neither list.
    pub default: AclDefault,
    /// Addresses that may call in any case.
    pub allow: Vec<String>,
    /// Addresses that may not call in any case.
    pub deny: Vec<String>,
    /// Terms for callers who pay; null without any.
    #[schema(value_type = Option<Object>)]
    pub paid: Option<serde_json::Value>,
}

/// What holds for callers in neither list.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AclDefault {
    /// Everybody may call.
    #[default]
    Public,
    /// Nobody may call.
    Deny,
}

/// All agents on this node, ordered by address.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct AgentList {
    /// The agents.
    pub agents: Vec<Agent>,
    /// What waits for them; absent when nothing does.
    #[serde(default, skip_serializing_if = "PendingByAgent::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, super::Pending>)]
    pub pending: PendingByAgent,
}

/// The agents that were deleted and can be restored, the last deleted first.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct DeletedList {
    /// The agents.
    pub agents: Vec<Deleted>,
}

/// An agent that was deleted and can be restored.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Deleted {
    /// Its address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Its local service, or empty.
    #[schema(example = "127.0.0.1:8080")]
    pub service_tcp: String,
    /// When it was deleted, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub deleted_at: String,
    /// Until when it can be restored, RFC 3339.
    #[schema(example = "2026-12-23T22:40:00Z")]
    pub restorable_until: String,
}

/// Changes to an agent; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct PatchAgent {
    /// New local service; empty unbinds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "127.0.0.1:8080")]
    pub service_tcp: Option<String>,
    /// Operational private key, to prove ownership. Never required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational_private_key_hex: Option<Secret>,
}

/// The change was made.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Updated {
    /// Always `updated`.
    pub status: Outcome,
}

/// The call succeeded.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Done {
    /// Always true.
    pub ok: bool,
}

/// Whether an agent can be reached, as seen from its own node.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Probe {
    /// Whether the local service took a TCP connection just now.
    pub service_tcp_ok: bool,
    /// Addresses in the record published last.
    #[schema(example = json!(["/ip4/203.0.113.7/udp/4121/quic-v1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"]))]
    pub published_endpoints: Vec<String>,
    /// Kind of NAT in that record: 0 unknown, 1 public, 2 restricted, 3 port-restricted, 4
    /// symmetric.
    pub published_nat_type: u8,
    /// Sequence number of that record; 0 when nothing is published.
    pub published_record_seq: u64,
}

/// Everything needed to host the agent on another node; can be sent to `register` as it is.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Export {
    /// Its address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub aid: Aid,
    /// Operational private key, 128 hexadecimal digits.
    pub operational_private_key_hex: Secret,
    /// Proof by the master key or wallet, hexadecimal CBOR.
    pub delegation_proof_hex: String,
    /// Its local service, or empty.
    pub service_tcp: String,
}

/// The agent is marked as alive.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Heartbeat {
    /// Always `ok`.
    pub status: Outcome,
}

/// The endpoint record is in the network.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Published {
    /// Always true.
    pub ok: bool,
    /// Sequence number of the published record.
    #[schema(example = 1_795_468_800_123_u64)]
    pub seq: u64,
    /// Other nodes that stored it so far. With 0 this node holds it and hands it on as soon as it
    /// meets another.
    #[schema(example = 5)]
    pub replicas: u64,
}
