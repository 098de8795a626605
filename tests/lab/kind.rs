// SPDX-License-Identifier: MPL-2.0
//! What can stand between a host and the public network.

use std::fmt;

/// How a router treats packets between its LAN and the rest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The LAN has public addresses and everything passes.
    None,
    /// The LAN has public addresses; from outside, only answers pass.
    Firewall,
    /// One outside port per inside port; everybody may send to it.
    FullCone,
    /// The same; whoever was sent something may send to it, from any port.
    AddressRestricted,
    /// The same; only the address and port that was sent something may send to it. What most homes have.
    PortRestricted,
    /// Another outside port for each remote address and port.
    Symmetric,
    /// Another outside port for each remote address.
    SymmetricAddr,
    /// Address translation for TCP; no UDP passes.
    UdpBlocked,
}

impl Kind {
    /// All kinds, the most open one first.
    pub(crate) const ALL: [Self; 8] = [
        Self::None,
        Self::Firewall,
        Self::FullCone,
        Self::AddressRestricted,
        Self::PortRestricted,
        Self::Symmetric,
        Self::SymmetricAddr,
        Self::UdpBlocked,
    ];

    /// Whether hosts behind it have public addresses of their own.
    pub(crate) fn is_routed(self) -> bool {
        matches!(self, Self::None | Self::Firewall)
    }

    /// Whether a hole can be punched over UDP between hosts behind `self` and `other`.
    ///
    /// The chapter `laboratory` measures that this laboratory behaves so.
    pub(crate) fn punches(self, other: Self) -> bool {
        PUNCHES[self as usize][other as usize] == b'o'
    }
}

/// Row and column in the order of [`Kind::ALL`]; `o` where both sides hear each other.
const PUNCHES: [&[u8; 8]; 8] = [
    b"ooooooo.", // none
    b"ooooo...", // firewall
    b"ooooooo.", // full-cone
    b"ooooooo.", // addr-restr
    b"ooooo...", // port-restr
    b"o.oo....", // symmetric
    b"o.oo....", // symm-addr
    b"........", // udp-blocked
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Firewall => "firewall",
            Self::FullCone => "full-cone",
            Self::AddressRestricted => "addr-restr",
            Self::PortRestricted => "port-restr",
            Self::Symmetric => "symmetric",
            Self::SymmetricAddr => "symm-addr",
            Self::UdpBlocked => "udp-blocked",
        })
    }
}

/// A LAN and what connects it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) kind: Kind,
    /// Outside ports differ from inside ports, and a flush draws new ones. Without effect on symmetric kinds, whose do anyway.
    pub(crate) is_remapped: bool,
    /// Hosts of the LAN reach each other by their outside addresses.
    pub(crate) has_hairpin: bool,
    /// The provider translates addresses once more.
    pub(crate) carrier: Option<Kind>,
    /// The LAN has public IPv6 addresses besides, behind a stateful firewall.
    pub(crate) has_ipv6: bool,
}

impl Home {
    /// A home behind `kind` without anything special.
    pub(crate) fn behind(kind: Kind) -> Self {
        Self {
            kind,
            is_remapped: false,
            has_hairpin: false,
            carrier: None,
            has_ipv6: false,
        }
    }

    /// A home behind `kind` whose router remaps ports.
    pub(crate) fn remapped(kind: Kind) -> Self {
        Self {
            is_remapped: true,
            ..Self::behind(kind)
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = self.kind.to_string();
        if self.is_remapped {
            name.push_str(" remap");
        }
        if let Some(carrier) = self.carrier {
            name = format!("{name}+{carrier}");
        }
        if self.has_ipv6 {
            name.push_str(" v6");
        }
        f.pad(&name)
    }
}
