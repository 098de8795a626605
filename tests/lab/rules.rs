// SPDX-License-Identifier: MPL-2.0
//! What each kind of router does to packets, as nft rules.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::Ipv4Addr;

use super::{Home, Kind};

/// How many outside ports a router that remaps draws from; a hash picks among them.
const DRAWN_PORTS: usize = 1024;

/// Seconds that a full-cone or address-restricted router remembers a port and a peer.
const REMEMBERED_SECS: u32 = 120;

/// Addresses that a router exchanges nothing with. Looked at before connection tracking, so that what is dropped here
/// leaves no trace.
pub(super) const CUT: &str = "table inet cut {
    set v4 { type ipv4_addr; flags interval; }
    set v6 { type ipv6_addr; flags interval; }
    chain pre {
        type filter hook prerouting priority -400
        ip saddr @v4 drop
        ip daddr @v4 drop
        ip6 saddr @v6 drop
        ip6 daddr @v6 drop
    }
}";

/// Who may send through and to the router.
///
/// Nothing unasked for reaches the router itself: a peer's early packet that it accepted would hold the very port the
/// host's own packet needs a moment later.
pub(super) fn guard(kind: Kind) -> String {
    let policy = if kind == Kind::None { "accept" } else { "drop" };
    let udp = match kind {
        Kind::UdpBlocked => "meta l4proto udp drop",
        _ => "",
    };
    format!(
        "table inet guard {{
            chain input {{
                type filter hook input priority filter; policy drop;
                iif lo accept
                ct state established,related accept
                meta l4proto {{ icmp, ipv6-icmp }} accept
            }}
            chain forward {{
                type filter hook forward priority filter; policy {policy};
                {udp}
                ct state established,related accept
                iifname lan0 accept
                ct status dnat accept
            }}
        }}"
    )
}

/// How addresses are translated between the LAN and `wan`; nothing where the LAN is routed. Each call draws new ports.
pub(super) fn nat(home: Home, wan: Ipv4Addr) -> String {
    if home.kind.is_routed() {
        return String::new();
    }
    let (inbound, outbound) = (inbound(home, wan), outbound(home, wan));
    format!(
        "table ip nat {{
            map inside {{
                type inet_service : ipv4_addr . inet_service
                flags dynamic,timeout; timeout {REMEMBERED_SECS}s; size 65535
            }}
            set asked {{
                type ipv4_addr . inet_service
                flags dynamic,timeout; timeout {REMEMBERED_SECS}s; size 65535
            }}
            chain learn {{
                type filter hook postrouting priority 300
                oifname wan0 meta l4proto udp ct direction original \
                    update @inside {{ udp sport : ct original ip saddr . ct original proto-src }} \
                    update @asked {{ ip daddr . udp sport }}
            }}
            chain pre {{
                type nat hook prerouting priority dstnat
                {inbound}
            }}
            chain post {{
                type nat hook postrouting priority srcnat
                {outbound}
            }}
        }}"
    )
}

/// Which packets from outside find the host that owns the port. `learn` has seen the outside port of every packet that left.
///
/// Only what is meant for the router's address: neighbours go on sending to one that it had before.
fn inbound(home: Home, wan: Ipv4Addr) -> String {
    let to_owner = "dnat ip to udp dport map @inside";
    let from_outside = match home.kind {
        Kind::FullCone => format!("iifname wan0 ip daddr {wan} {to_owner}"),
        Kind::AddressRestricted => {
            format!("iifname wan0 ip daddr {wan} ip saddr . udp dport @asked {to_owner}")
        }
        _ => String::new(),
    };
    let from_inside = if home.has_hairpin {
        format!("iifname lan0 ip daddr {wan} {to_owner}")
    } else {
        String::new()
    };
    format!("{from_outside}\n{from_inside}")
}

/// Which outside port a packet gets.
fn outbound(home: Home, wan: Ipv4Addr) -> String {
    let hashed = |of: &str| {
        let seed = RandomState::new().hash_one(of) & 0x7fff_ffff;
        let ports = drawn_ports();
        format!(
            "oifname wan0 meta l4proto udp \
                snat to {wan} : jhash {of} mod {DRAWN_PORTS} seed {seed} map {{ {ports} }}
            oifname wan0 masquerade random"
        )
    };
    let hairpin = if home.has_hairpin {
        "iifname lan0 oifname lan0 ct status dnat masquerade\n"
    } else {
        ""
    };
    let rule = match home.kind {
        Kind::Symmetric => "oifname wan0 masquerade fully-random".to_owned(),
        Kind::SymmetricAddr => hashed("ip saddr . udp sport . ip daddr"),
        // Linux keeps the source port while the whole tuple is free, so one inside port has one outside port.
        _ if !home.is_remapped => "oifname wan0 masquerade".to_owned(),
        _ => hashed("ip saddr . udp sport"),
    };
    format!("{hairpin}{rule}")
}

/// The elements of a map from hash to port.
fn drawn_ports() -> String {
    let dice = RandomState::new();
    let drawn = (0_u64..).map(|throw| 1024 + dice.hash_one(throw) % 64_000);
    let mut ports = BTreeSet::new();
    let fresh = drawn.filter(|port| ports.insert(*port)).take(DRAWN_PORTS);
    let elements = fresh
        .enumerate()
        .map(|(hash, port)| format!("{hash} : {port}"));
    elements.collect::<Vec<_>>().join(", ")
}
