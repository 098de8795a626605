// SPDX-License-Identifier: MPL-2.0
//! Addresses: what users type, which are private, which are dialled, which are published.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::routing::{Route, Via};
use crate::behaviour::streams::is_relayed;
use crate::limits::{
    MAX_DIALLED_ADDRESSES, MAX_DIALLED_RELAYS, MAX_ENDPOINT_ADDRESS_LEN, MAX_ENDPOINT_ADDRESSES,
    MAX_RELAY_ADDRESSES,
};

/// A node to join through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Its address, or with `HOST:PORT` its QUIC and its TCP address, in the order of dialling.
    pub(crate) addresses: Vec<Multiaddr>,
}

impl Bootstrap {
    /// The peer that is expected there, if it was named.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        self.addresses.first().and_then(peer_of)
    }
}

impl FromStr for Bootstrap {
    type Err = AddressError;

    /// Reads a multiaddr, with or without `/p2p/<PeerId>`, or `HOST:PORT`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.starts_with('/') {
            let address = text.parse().map_err(|_| AddressError::Multiaddr)?;
            return Ok(Self {
                addresses: vec![address],
            });
        }
        let (host, port) = split_host_port(text)?;
        if host.is_empty() || port == 0 {
            return Err(AddressError::HostPort);
        }
        let host = match host.parse() {
            Ok(ip) => Protocol::from(ip_of(ip)),
            Err(_) => Protocol::Dns(host.to_owned().into()),
        };
        Ok(Self {
            addresses: quic_and_tcp(&host, port),
        })
    }
}

/// Reads a comma list of nodes to join through.
///
/// # Errors
/// By entry, so that one bad entry does not hide the others.
pub fn parse_bootstrap(list: &str) -> Vec<Result<Bootstrap, (String, AddressError)>> {
    let entries = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| entry.parse().map_err(|error| (entry.to_owned(), error)))
        .collect()
}

/// Reads where to listen: `HOST:PORT` for QUIC and TCP on one port number, or a comma list of multiaddrs.
///
/// `HOST` is an IP address; left out, it means all interfaces, IPv4 and IPv6. Port 0 means a free one.
///
/// # Errors
/// [`AddressError`] if it is neither.
pub fn parse_listen(text: &str) -> Result<Vec<Multiaddr>, AddressError> {
    let text = text.trim();
    if text.starts_with('/') {
        let addresses = text.split(',').map(|address| address.trim().parse());
        return addresses
            .collect::<Result<_, _>>()
            .map_err(|_| AddressError::Multiaddr);
    }
    let (host, port) = split_host_port(text)?;
    let hosts = match host {
        "" => vec![
            IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Ipv6Addr::UNSPECIFIED.into(),
        ],
        host => vec![ip_of(host.parse().map_err(|_| AddressError::NotAnIp)?)],
    };
    Ok(hosts
        .into_iter()
        .flat_map(|host| quic_and_tcp(&host.into(), port))
        .collect())
}

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It starts like a multiaddr and is none.
    #[error("not a multiaddr; /ip4/192.0.2.1/udp/4121/quic-v1 is one")]
    Multiaddr,
    /// It is not `HOST:PORT`.
    #[error("not HOST:PORT")]
    HostPort,
    /// The host to listen on is a name.
    #[error("the address to listen on must be an IP address, not a name")]
    NotAnIp,
}

/// Splits at the last colon and takes the brackets off an IPv6 address.
fn split_host_port(text: &str) -> Result<(&str, u16), AddressError> {
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::HostPort)?;
    let port = port.parse().map_err(|_| AddressError::HostPort)?;
    if host.contains(['/', '@', ' ']) {
        return Err(AddressError::HostPort);
    }
    match host.strip_prefix('[') {
        Some(rest) => Ok((rest.strip_suffix(']').ok_or(AddressError::HostPort)?, port)),
        None if host.contains(':') => Err(AddressError::HostPort),
        None => Ok((host, port)),
    }
}

/// An IPv4 address in IPv6 clothes is an IPv4 address.
fn ip_of(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn quic_and_tcp(host: &Protocol<'static>, port: u16) -> Vec<Multiaddr> {
    let base = || Multiaddr::empty().with(host.clone());
    vec![
        base().with(Protocol::Udp(port)).with(Protocol::QuicV1),
        base().with(Protocol::Tcp(port)),
    ]
}

/// The IP address that a multiaddr starts with.
pub(crate) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    }
}

/// The peer that an address ends in.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last()? {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// The UDP or TCP socket that an address without a relay names.
pub(crate) fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let port = address.iter().find_map(|part| match part {
        Protocol::Udp(port) | Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    Some(SocketAddr::new(ip(address)?, port?))
}

/// Whether an address is of use on its own network only: loopback, RFC 1918, 100.64/10, link-local, ULA.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || is_shared
                || ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
        }
    }
}

/// An address without its final `/p2p/<PeerId>`.
pub(crate) fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if peer_of(&address).is_some() {
        address.pop();
    }
    address
}

/// Where this node is reached within a private network, best first: in its networks, and on loopback if there is nothing else.
pub(crate) fn local(listening: &[Multiaddr]) -> Vec<Multiaddr> {
    let with = |wanted: fn(IpAddr) -> bool| {
        let addresses = listening.iter().filter(|a| ip(a).is_some_and(wanted));
        addresses.cloned().collect::<Vec<_>>()
    };
    let mut chosen = with(|ip| is_private(ip) && !ip.is_loopback() && !is_link_local(ip));
    if chosen.is_empty() {
        chosen = with(|ip| ip.is_loopback());
    }
    chosen.sort_by_key(|address| !is_quic(address));
    chosen
}

/// A link-local address means nothing without the interface it belongs to.
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

pub(crate) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::QuicV1)
}

/// Adds `/p2p/<PeerId>`, and keeps no more than an endpoint record holds.
pub(crate) fn with_peer(addresses: Vec<Multiaddr>, peer: PeerId) -> Vec<Multiaddr> {
    let complete = addresses
        .into_iter()
        .map(|address| without_peer(address).with(Protocol::P2p(peer)));
    let fitting = complete.filter(|address| address.to_string().len() <= MAX_ENDPOINT_ADDRESS_LEN);
    fitting.take(MAX_ENDPOINT_ADDRESSES).collect()
}

/// The nodes that an endpoint record names, each with the addresses that may be dialled: IP only, none of `own`, private ones only
/// in a private network; at most [`MAX_DIALLED_ADDRESSES`] direct ones in all, and [`MAX_DIALLED_RELAYS`] relays with
/// [`MAX_RELAY_ADDRESSES`] each. `local` is no relay of its own.
pub(crate) fn routes(
    endpoints: &[String],
    local: PeerId,
    own: &[Multiaddr],
    is_private_network: bool,
) -> Vec<Route> {
    let own: Vec<SocketAddr> = own.iter().filter_map(socket).collect();
    let may_dial = |address: &Multiaddr| {
        let Some(socket) = socket(address) else {
            return false;
        };
        (is_private_network || !is_private(socket.ip())) && !own.contains(&socket)
    };
    let mut routes: Vec<Route> = Vec::new();
    let mut direct = 0;
    for text in endpoints.iter().take(MAX_ENDPOINT_ADDRESSES) {
        let Ok(address) = text.parse::<Multiaddr>() else {
            continue;
        };
        let Some(peer) = peer_of(&address) else {
            continue;
        };
        let circuit = via(&address);
        // A relay that this node is itself needs no dialling: the agent's node is connected to it.
        let is_here = circuit.as_ref().is_some_and(|(relay, _)| *relay == local);
        if !is_here && !may_dial(&address) {
            continue;
        }
        let known = routes.iter().position(|route| route.peer == peer);
        let index = known.unwrap_or(routes.len());
        if known.is_none() {
            routes.push(Route::direct(peer, Vec::new()));
        }
        let route = &mut routes[index];
        match circuit {
            Some(_) if is_here => {}
            Some((relay, at)) => add_relay(&mut route.relays, relay, at),
            None if direct < MAX_DIALLED_ADDRESSES => {
                direct += 1;
                route.addresses.push(address);
            }
            None => {}
        }
    }
    routes
}

fn add_relay(relays: &mut Vec<Via>, relay: PeerId, address: Multiaddr) {
    if let Some(via) = relays.iter_mut().find(|via| via.relay == relay) {
        if via.addresses.len() < MAX_RELAY_ADDRESSES {
            via.addresses.push(address);
        }
    } else if relays.len() < MAX_DIALLED_RELAYS {
        relays.push(Via {
            relay,
            addresses: vec![address],
        });
    }
}

/// The relay that an address leads through, and where the relay is.
pub(crate) fn via(address: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut parts: Vec<Protocol<'_>> = address.iter().collect();
    let circuit = parts
        .iter()
        .position(|part| *part == Protocol::P2pCircuit)?;
    parts.truncate(circuit);
    let Some(Protocol::P2p(relay)) = parts.pop() else {
        return None;
    };
    Some((relay, parts.into_iter().collect()))
}

/// Where this node listens through a relay that is reached at `at`.
pub(crate) fn reservation(at: &Multiaddr, relay: PeerId) -> Multiaddr {
    without_peer(at.clone())
        .with(Protocol::P2p(relay))
        .with(Protocol::P2pCircuit)
}

/// The address of `peer` through a relay that is reached at `at`.
pub(crate) fn circuit(at: &Multiaddr, relay: PeerId, peer: PeerId) -> Multiaddr {
    reservation(at, relay).with(Protocol::P2p(peer))
}

/// The network that an address belongs to, for choosing relays that do not fail together: /16, or /32 of IPv6.
pub(crate) fn network_of(address: &Multiaddr) -> Option<u32> {
    match ip(address)? {
        IpAddr::V4(ip) => Some(u32::from(ip) >> 16),
        IpAddr::V6(ip) => u32::try_from(u128::from(ip) >> 96).ok(),
    }
}

/// What of a peer's own account of its addresses is worth keeping, seen from a connection to `remote`.
///
/// A peer met on loopback may be met there again, a peer of a private network in that network; anywhere else only public addresses count.
pub(crate) fn credible(listening: &[Multiaddr], remote: &Multiaddr) -> Vec<Multiaddr> {
    let met_at = ip(remote);
    let is_credible = |address: &&Multiaddr| match (ip(address), met_at) {
        _ if is_relayed(address) => false,
        (Some(ip), Some(met)) if ip.is_loopback() => met.is_loopback(),
        (Some(ip), Some(met)) if is_private(ip) => is_private(met) && !is_link_local(ip),
        (Some(_), _) => true,
        (None, _) => false,
    };
    let addresses = listening.iter().filter(is_credible);
    addresses
        .cloned()
        .map(without_peer)
        .take(MAX_DIALLED_ADDRESSES)
        .collect()
}

#[cfg(test)]
mod tests;
