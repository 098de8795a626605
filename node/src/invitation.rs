// SPDX-License-Identifier: MPL-2.0
//! How another machine joins through this node.

use std::net::IpAddr;

/// The line that says how, by the first of `addresses` (multiaddrs) that leads here from elsewhere;
/// none if all are of this machine alone.
pub(crate) fn invitation(addresses: &[String]) -> Option<String> {
    let mut elsewhere = addresses.iter().filter(|address| !is_loopback(ip(address)));
    let address = elsewhere.next()?;
    let machine = if is_private(ip(address)) {
        "another machine of this network"
    } else {
        "another machine"
    };
    Some(format!(
        "to join from {machine}: a2ald --bootstrap {address}"
    ))
}

/// The IP address that a multiaddr begins with; one that begins with a name has none.
fn ip(address: &str) -> Option<IpAddr> {
    address.split('/').nth(2)?.parse().ok()
}

fn is_loopback(ip: Option<IpAddr>) -> bool {
    ip.is_some_and(|ip| ip.is_loopback())
}

fn is_private(ip: Option<IpAddr>) -> bool {
    match ip {
        Some(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Some(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(addresses: &[&str]) -> Option<String> {
        let addresses: Vec<_> = addresses.iter().map(|&text| text.to_owned()).collect();
        invitation(&addresses)
    }

    #[test]
    fn who_can_join_is_said() {
        let own = "/ip4/127.0.0.1/udp/1/quic-v1/p2p/P";
        assert_eq!(of(&[own]), None);
        assert_eq!(of(&[]), None);
        for (address, machine) in [
            (
                "/ip4/192.168.1.7/tcp/1/p2p/P",
                "another machine of this network",
            ),
            (
                "/ip6/fd00::1/tcp/1/p2p/P",
                "another machine of this network",
            ),
            ("/ip4/203.0.113.7/tcp/1/p2p/P", "another machine"),
            ("/dns4/a.example/tcp/1/p2p/P", "another machine"),
        ] {
            let expected = format!("to join from {machine}: a2ald --bootstrap {address}");
            assert_eq!(of(&[own, address]), Some(expected));
        }
    }
}
