// SPDX-License-Identifier: MPL-2.0
//! The key `relay_server`: a word, or true and false as short forms of the two plain ones.

use std::fmt;
use std::str::FromStr;

use a2al_protocol::network::RelayServer;
use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Whether others may use this node as a relay. `true` is read as `always`, `false` as `never`.
#[derive(Clone, Copy, Debug, Default, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Relaying {
    /// While an interface of this machine has a public address that others reach.
    #[default]
    Auto,
    /// They may.
    Always,
    /// They may not.
    Never,
}

impl Relaying {
    /// What the key may be.
    pub(super) const EXPECTED: &str = "auto, always (true) or never (false)";

    /// How it is written.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// A text is none of the values of `relay_server`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotRelaying;

impl FromStr for Relaying {
    type Err = NotRelaying;

    fn from_str(text: &str) -> Result<Self, NotRelaying> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" | "true" | "1" => Ok(Self::Always),
            "never" | "false" | "0" => Ok(Self::Never),
            _ => Err(NotRelaying),
        }
    }
}

impl From<bool> for Relaying {
    fn from(is_on: bool) -> Self {
        if is_on { Self::Always } else { Self::Never }
    }
}

impl From<Relaying> for RelayServer {
    fn from(relaying: Relaying) -> Self {
        match relaying {
            Relaying::Auto => Self::WhenPublic,
            Relaying::Always => Self::Always,
            Relaying::Never => Self::Never,
        }
    }
}

impl<'de> Deserialize<'de> for Relaying {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Reads both spellings.
struct Written;

impl Visitor<'_> for Written {
    type Value = Relaying;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Relaying::EXPECTED)
    }

    fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<Relaying, E> {
        Ok(is_on.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Relaying, E> {
        text.parse()
            .map_err(|NotRelaying| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
