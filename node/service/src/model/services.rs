// SPDX-License-Identifier: MPL-2.0
//! Services that agents are registered for, and profiles.

use a2al_protocol::record::meta::Meta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Services to register an agent for. All of them get the same entry; what is left out is empty.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct RegisterServices {
    /// Names of the services, byte for byte what others ask for; by convention `category.function`
    /// with an optional `-qualifier`.
    #[schema(example = json!(["lang.translate"]))]
    pub services: Option<Vec<String>>,
    /// The name under which the agent offers them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Translator")]
    pub name: Option<String>,
    /// Protocols to use them with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["http"]))]
    pub protocols: Option<Vec<String>>,
    /// What searches can be narrowed by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["de", "fr"]))]
    pub tags: Option<Vec<String>>,
    /// What they do; at most 140 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brief: Option<String>,
    /// Anything else, nested as you like. The whole entry has to fit into 512 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub meta: Option<Meta>,
    /// How long each entry lives once the node has stopped, in seconds: at most 7200; 3600 when 0
    /// or absent. While the node runs it is renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3600)]
    pub ttl: Option<u32>,
}

/// The agent is registered.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct ServicesRegistered {
    /// Always true.
    pub ok: bool,
    /// What is unusual about the names, or keeps others from calling the agent; one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A service that an agent of this node is registered for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
pub struct Offered {
    /// Name of the service.
    #[schema(example = "lang.translate")]
    pub topic: String,
    /// The name under which the agent offers it.
    pub name: String,
    /// Protocols to use it with; null if none were given.
    pub protocols: Option<Vec<String>>,
    /// What searches can be narrowed by; null if none were given.
    pub tags: Option<Vec<String>>,
    /// What it does.
    pub brief: String,
    /// Anything else; null if nothing was given.
    #[schema(value_type = Option<Object>)]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub meta: Option<Meta>,
    /// How long its entry lives, in seconds.
    #[schema(example = 3600)]
    pub ttl: u32,
}

/// What an agent is to say about itself. What is left out follows from its services: their
/// protocols, and their names as skills.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct SetProfile {
    /// Display name.
    #[schema(example = "Translator")]
    pub name: Option<String>,
    /// One sentence about it.
    pub brief: Option<String>,
    /// Protocols it speaks.
    #[schema(example = json!(["mcp", "http"]))]
    pub protocols: Option<Vec<String>>,
    /// What it can do; the first three are taken.
    #[schema(example = json!(["lang.translate"]))]
    pub skills: Option<Vec<String>>,
    /// Kinds of content it handles.
    #[schema(example = json!(["text"]))]
    pub modalities: Option<Vec<String>>,
    /// SHA-256 of its agent card: 64 hexadecimal digits, or base64.
    pub card_hash: Option<String>,
    /// Anything else. The whole profile has to fit into 700 bytes.
    #[schema(value_type = Option<Object>)]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub meta: Option<Meta>,
}
