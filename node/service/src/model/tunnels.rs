// SPDX-License-Identifier: MPL-2.0
//! TCP on this machine that leads to an agent's service.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How to connect to an agent once.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct Connect {
    /// Agent on this node to call as; the node itself when absent or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_aid: Option<String>,
    /// True to take no relayed path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_relay: Option<bool>,
}

/// A port that takes one TCP connection to an agent's service.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Connected {
    /// Where to connect, within six minutes; absent if the agent does not let the caller in.
    #[schema(example = "127.0.0.1:40123")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<String>,
    /// Whether the agent was reached.
    pub connected: bool,
    /// Whether it lets the caller in.
    pub allowed: bool,
    /// True when the bytes pass through a relay; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_relayed: bool,
}

/// How to open a tunnel to an agent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct OpenTunnel {
    /// Agent on this node to call as; the node itself when absent or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_aid: Option<String>,
    /// Port to listen on, at 127.0.0.1; a free one when absent or 0.
    #[schema(example = 5432)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_port: Option<i64>,
    /// Seconds without a connection after which the tunnel is closed: 360 when absent or 0, never
    /// when -1.
    #[schema(example = 3600)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_sec: Option<i64>,
    /// True to take no relayed path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_relay: Option<bool>,
}

/// An open tunnel: every TCP connection to its port reaches the agent's service.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Tunnel {
    /// Its name, 16 hexadecimal digits.
    #[schema(example = "9f86d081884c7d65")]
    pub id: String,
    /// Who calls.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub local_aid: Aid,
    /// Who is called.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub remote_aid: Aid,
    /// Where programs connect.
    #[schema(example = "127.0.0.1:40123")]
    pub listen: String,
    /// The same service over TLS with a certificate made for this machine, on a port of its own.
    #[schema(example = "https://127.0.0.1:40124")]
    pub https_url: String,
    /// Whether the newest connection passes through a relay.
    pub is_relayed: bool,
    /// Whether the agent was reached when it was last called.
    pub connected: bool,
    /// Whether it let the caller in then.
    pub allowed: bool,
    /// When the tunnel was opened, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub opened_at: String,
    /// When a connection was last opened or closed, or bytes were carried, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub last_activity: String,
    /// Open TCP connections.
    #[schema(example = 3)]
    pub active_conns: u64,
    /// Bytes sent to the agent.
    pub bytes_up: u64,
    /// Bytes received from it.
    pub bytes_down: u64,
    /// When bytes were last carried, RFC 3339; null before the first.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub last_progress_at: Option<String>,
}

/// The open tunnels.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct TunnelList {
    /// The tunnels, oldest first.
    pub tunnels: Vec<Tunnel>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_left_out_or_null() {
        for json in [
            "{}",
            r#"{"local_aid":null,"local_port":null,"idle_timeout_sec":null,"disable_relay":null}"#,
            r#"{"access_token":"not known here"}"#,
        ] {
            let request: OpenTunnel = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&request).unwrap(), "{}");
        }
    }
}
