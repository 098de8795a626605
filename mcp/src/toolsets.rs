// SPDX-License-Identifier: MPL-2.0
//! Which tools a client is shown: every tool costs room in the context of a model.

use std::fmt;
use std::str::FromStr;

/// A group of tools that is shown or hidden as a whole.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Toolset {
    /// Identities, agents, lookups, requests, tunnels: what most work needs.
    Core,
    /// Records of any kind.
    Records,
    /// Wallets as master keys.
    Web3,
    /// Looking after the node: restore, export, peers.
    Admin,
}

impl Toolset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Core, Self::Records, Self::Web3, Self::Admin];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Records => "records",
            Self::Web3 => "web3",
            Self::Admin => "admin",
        }
    }
}

/// The toolsets that are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Toolsets([bool; Toolset::ALL.len()]);

impl Toolsets {
    /// What a list is made of.
    pub const EXPECTED: &str = "a comma list of core, records, web3 and admin, or all";

    /// Whether `set` is shown.
    pub fn has(self, set: Toolset) -> bool {
        self.0[set as usize]
    }
}

impl Default for Toolsets {
    /// The core alone.
    fn default() -> Self {
        Self([true, false, false, false])
    }
}

/// The text names no toolset.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no toolset {0:?}: expected {expected}", expected = Toolsets::EXPECTED)]
pub struct UnknownToolset(String);

impl FromStr for Toolsets {
    type Err = UnknownToolset;

    fn from_str(text: &str) -> Result<Self, UnknownToolset> {
        let mut shown = [false; Toolset::ALL.len()];
        let names = text.split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            if name == "all" {
                shown = [true; Toolset::ALL.len()];
                continue;
            }
            let set = Toolset::ALL.iter().position(|set| set.name() == name);
            shown[set.ok_or_else(|| UnknownToolset(name.to_owned()))?] = true;
        }
        if shown.contains(&true) {
            Ok(Self(shown))
        } else {
            Err(UnknownToolset(text.to_owned()))
        }
    }
}

impl fmt::Display for Toolsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Toolset::ALL.into_iter().filter(|set| self.has(*set));
        let names = names.map(Toolset::name).collect::<Vec<_>>();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        for (text, written) in [
            ("core", "core"),
            ("web3, core", "core,web3"),
            ("all", "core,records,web3,admin"),
            ("admin,,all", "core,records,web3,admin"),
        ] {
            let toolsets: Toolsets = text.parse().unwrap();
            assert_eq!(toolsets.to_string(), written);
        }
        for bad in ["", ",", "cores", "core,x", "Core"] {
            assert!(bad.parse::<Toolsets>().is_err(), "{bad:?}");
        }
        assert_eq!(Toolsets::default().to_string(), "core");
    }
}
