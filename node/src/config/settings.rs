// SPDX-License-Identifier: MPL-2.0
//! The keys of `config.toml`, as they are written.
//!
//! All keys of the reference daemon are here, so its files keep working. Keys of features this
//! daemon does not have are kept and shown, and have no effect; their descriptions say so.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Relaying;

/// Every key of the configuration, with its default where nothing was said.
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field per key of the file"
)]
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(default)]
pub struct Settings {
    /// Where the network listens: `HOST:PORT`, `:PORT`, or a comma list of multiaddrs.
    pub listen_addr: String,
    /// Another `HOST:PORT` for QUIC; empty: the one of `listen_addr`.
    pub quic_listen_addr: String,
    /// Peers to join through: multiaddrs or `HOST:PORT`.
    pub bootstrap: Vec<String>,
    /// Whether the router is not asked to forward ports (UPnP).
    pub disable_upnp: bool,
    /// A host to advertise besides the addresses the node finds itself.
    pub fallback_host: String,
    /// Kept, without effect.
    pub min_observed_peers: u32,
    /// Where the REST API listens.
    pub api_addr: String,
    /// The bearer token of the API; required when `api_addr` is not a loopback address.
    pub api_token: String,
    /// Whether callers on this machine need the token too.
    #[serde(skip_serializing_if = "is_false")]
    pub require_local_token: bool,
    /// The directory of the node's key; empty: `keys` in the data directory.
    pub key_dir: String,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or a filter (`info,a2al_protocol=debug`).
    pub log_level: String,
    /// Modules logged at `debug` whatever the level.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_debug_components: Vec<String>,
    /// Kept, without effect.
    pub ice_signal_url: String,
    /// Kept, without effect.
    pub ice_signal_urls: Vec<String>,
    /// Kept, without effect.
    pub ice_stun_urls: Vec<String>,
    /// Kept, without effect.
    pub ice_turn_urls: Vec<String>,
    /// Kept, without effect.
    pub ice_publish_turns: Vec<String>,
    /// Kept, without effect.
    pub turn_servers: Vec<TurnServer>,
    /// Kept, without effect.
    pub signal_listen_addr: String,
    /// Whether published endpoints are renewed by themselves.
    pub auto_publish: bool,
    /// Kept, without effect: there is no page to open yet.
    pub open_browser: bool,
    /// Kept, without effect.
    #[serde(skip_serializing_if = "is_false")]
    pub beacon_mode: bool,
    /// Kept, without effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bootstrap_node_ids: Vec<String>,
    /// Kept, without effect.
    pub learned_path_first: bool,
    /// Kept, without effect.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub files_root: String,
    /// Whether relayed paths are left alone. Calls heed a change at once; places reserved on relays
    /// are given up, or taken, with the next start.
    #[serde(skip_serializing_if = "is_false")]
    pub disable_relay: bool,
    /// Whether others may use this node as a relay: `auto` (while it has a public address of its
    /// own), `always` or `true`, `never` or `false`.
    pub relay_server: Relaying,
    /// Whether nodes are looked for on the local network (mDNS).
    pub mdns: bool,
    /// Whether services of agents may be on other machines. Not to be changed over the API.
    #[serde(skip_serializing_if = "is_false")]
    pub allow_lan_services: bool,
    /// The MCP tools that assistants are shown: a comma list of `core`, `records`, `web3` and `admin`,
    /// or `all`.
    pub mcp_toolsets: String,
    /// Kept, without effect: this daemon does not update itself.
    pub update: Update,
    /// Kept, without effect.
    pub wake: Wake,
}

impl fmt::Debug for Settings {
    /// Shows no value: the token is one of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen_addr: ":4121".to_owned(),
            quic_listen_addr: String::new(),
            bootstrap: Vec::new(),
            disable_upnp: false,
            fallback_host: String::new(),
            min_observed_peers: 3,
            api_addr: "127.0.0.1:2121".to_owned(),
            api_token: String::new(),
            require_local_token: false,
            key_dir: String::new(),
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
            log_debug_components: Vec::new(),
            ice_signal_url: String::new(),
            ice_signal_urls: Vec::new(),
            ice_stun_urls: Vec::new(),
            ice_turn_urls: Vec::new(),
            ice_publish_turns: Vec::new(),
            turn_servers: Vec::new(),
            signal_listen_addr: String::new(),
            auto_publish: true,
            open_browser: true,
            beacon_mode: false,
            bootstrap_node_ids: Vec::new(),
            learned_path_first: true,
            files_root: String::new(),
            disable_relay: false,
            relay_server: Relaying::Auto,
            mdns: false,
            allow_lan_services: false,
            mcp_toolsets: "core".to_owned(),
            update: Update::default(),
            wake: Wake::default(),
        }
    }
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A TURN server of the reference daemon.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(default)]
pub struct TurnServer {
    /// Its address.
    pub url: String,
    /// `static`, `hmac` or `rest_api`.
    pub credential_type: String,
    /// The user name.
    pub username: String,
    /// The password or shared secret.
    pub credential: String,
    /// Where short-lived credentials are fetched.
    pub credential_url: String,
}

/// The table `[update]`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(default)]
pub struct Update {
    /// Kept, without effect.
    pub auto: bool,
}

impl Default for Update {
    fn default() -> Self {
        Self { auto: true }
    }
}

/// The table `[wake]`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(default)]
pub struct Wake {
    /// Kept, without effect.
    pub acp_cap: u32,
}

impl Default for Wake {
    fn default() -> Self {
        Self { acp_cap: 50_000 }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde calls"
)]
fn is_false(value: &bool) -> bool {
    !*value
}
