// SPDX-License-Identifier: MPL-2.0
//! The body of `PATCH /config`, and what it does to settings.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;
use utoipa::ToSchema;

use super::{LogFormat, Relaying, Settings, TurnServer};

/// What stands for the token where settings are shown; sent back, it changes nothing.
const MASK: &str = "***";

/// Keys to change; what is absent stays as it is.
#[derive(Clone, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Patch {
    listen_addr: Option<String>,
    quic_listen_addr: Option<String>,
    bootstrap: Option<Vec<String>>,
    disable_upnp: Option<bool>,
    fallback_host: Option<String>,
    min_observed_peers: Option<u32>,
    api_addr: Option<String>,
    api_token: Option<String>,
    key_dir: Option<String>,
    log_format: Option<LogFormat>,
    log_level: Option<String>,
    auto_publish: Option<bool>,
    turn_servers: Option<Vec<TurnServer>>,
    disable_relay: Option<bool>,
    relay_server: Option<Relaying>,
    mdns: Option<bool>,
    mcp_toolsets: Option<String>,
}

/// The answer to a change of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Patched {
    /// Always true.
    pub ok: bool,
    /// The changed keys that take effect, in whole or in part, with the next start. `disable_relay`
    /// is heeded by calls at once, and by places on relays from the next start.
    pub restart_required: Vec<String>,
}

/// When a changed key takes effect.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Effect {
    Live,
    /// In part at once, wholly with the next start.
    Partly,
    Restart,
}

/// The keys that can be changed, in the order they are answered.
const KEYS: [(&str, Effect); 17] = [
    ("listen_addr", Effect::Restart),
    ("quic_listen_addr", Effect::Restart),
    ("bootstrap", Effect::Restart),
    ("disable_upnp", Effect::Restart),
    ("fallback_host", Effect::Restart),
    ("min_observed_peers", Effect::Restart),
    ("api_addr", Effect::Restart),
    ("api_token", Effect::Live),
    ("key_dir", Effect::Restart),
    ("log_format", Effect::Live),
    ("log_level", Effect::Live),
    ("auto_publish", Effect::Live),
    ("turn_servers", Effect::Restart),
    ("disable_relay", Effect::Partly),
    ("relay_server", Effect::Restart),
    ("mdns", Effect::Restart),
    ("mcp_toolsets", Effect::Live),
];

impl fmt::Debug for Patch {
    /// Shows no value: the token may be one of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patch").finish_non_exhaustive()
    }
}

impl Patch {
    /// Whether `key` is one of those that can be changed.
    pub fn has(key: &str) -> bool {
        KEYS.iter().any(|(known, _)| *known == key)
    }

    /// The keys of this patch, as the file writes them.
    pub(super) fn changes(&self) -> Table {
        let mut changes = Table::try_from(self).expect("all fields are plain values");
        if self.api_token.as_deref() == Some(MASK) {
            changes.remove("api_token");
        }
        changes
    }
}

impl Patched {
    /// The answer to `changes`.
    pub(super) fn new(changes: &Table) -> Self {
        let restart = KEYS.iter().filter(|(_, effect)| *effect != Effect::Live);
        let restart_required = restart
            .filter(|(key, _)| changes.contains_key(*key))
            .map(|(key, _)| (*key).to_owned())
            .collect();
        Self {
            ok: true,
            restart_required,
        }
    }
}

impl Settings {
    /// These settings with `changes` made.
    pub(super) fn with(&self, changes: &Table) -> Self {
        let mut all = Table::try_from(self).expect("all fields are plain values");
        all.extend(changes.clone());
        Self::deserialize(all).expect("a patch has the types of the settings")
    }

    /// These settings as they may be shown: the token is masked.
    pub(super) fn masked(mut self) -> Self {
        if !self.api_token.is_empty() {
            MASK.clone_into(&mut self.api_token);
        }
        self
    }
}
