// SPDX-License-Identifier: MPL-2.0
//! Which addresses may be dialled because somebody asks for it.

use std::net::IpAddr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::network::address;

/// The lowest port that is dialled, apart from that of HTTPS: below live services that are not expected to be A2AL nodes, and some that a stray
/// packet upsets.
const LOWEST_PORT: u16 = 1024;

const HTTPS_PORT: u16 = 443;

/// The IP address of a target, if that is an address of one host, with a port and a transport of ours, and nothing else.
pub(crate) fn ip(target: &Multiaddr) -> Option<IpAddr> {
    let ip = address::ip(target).filter(|ip| !is_group(*ip))?;
    let target = address::without_peer(target.clone());
    let parts: Vec<Protocol<'_>> = target.iter().skip(1).collect();
    let port = match parts.as_slice() {
        [Protocol::Udp(port), Protocol::QuicV1] | [Protocol::Tcp(port)] => *port,
        _ => return None,
    };
    (port >= LOWEST_PORT || port == HTTPS_PORT).then_some(ip)
}

/// Whether packets to an address go to more than one host.
fn is_group(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_host_and_an_unprivileged_port() {
        let peer = libp2p::PeerId::random();
        for good in [
            "/ip4/203.0.113.1/udp/4121/quic-v1",
            "/ip4/203.0.113.1/tcp/1024",
            "/ip6/2001:db8::1/udp/443/quic-v1",
            &format!("/ip4/203.0.113.1/tcp/443/p2p/{peer}"),
        ] {
            assert!(ip(&good.parse().unwrap()).is_some(), "{good}");
        }
        for bad in [
            "/ip4/203.0.113.1/udp/0/quic-v1",
            "/ip4/203.0.113.1/tcp/22",
            "/ip4/203.0.113.1/tcp/1023",
            "/ip4/203.0.113.1/udp/4121",
            "/ip4/203.0.113.1/tcp/4121/ws",
            "/ip4/224.0.0.1/udp/4121/quic-v1",
            "/ip4/255.255.255.255/udp/4121/quic-v1",
            "/ip6/ff02::1/tcp/4121",
            "/dns4/victim.example/tcp/4121",
            "/dns/victim.example/udp/4121/quic-v1",
            &format!("/ip4/203.0.113.1/tcp/4121/p2p/{peer}/p2p-circuit"),
            &format!("/p2p/{peer}"),
        ] {
            assert_eq!(ip(&bad.parse().unwrap()), None, "{bad}");
        }
    }
}
