// SPDX-License-Identifier: MPL-2.0
//! Listening on every address that was asked for, before anything else happens.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm, TransportError};
use tokio::time::timeout;

use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::network::address;
use crate::network::error::StartError;

/// How often a free port is looked for that UDP and TCP can share.
const PORT_ATTEMPTS: usize = 16;

/// How long no further address may come before a start goes on. They come together, a millisecond apart at most.
const ADDRESSES_QUIET: Duration = Duration::from_millis(5);

/// Listens on all of `addresses`; returns when each has at least one real address and no more come.
///
/// A machine without IPv6 may fail on `[::]` as long as something else works.
pub(super) async fn listen(
    swarm: &mut Swarm<Behaviour>,
    addresses: &[Multiaddr],
) -> Result<(), StartError> {
    let mut starting: HashMap<ListenerId, Multiaddr> = HashMap::new();
    for address in with_ports(addresses)? {
        match swarm.listen_on(address.clone()) {
            Ok(listener) => drop(starting.insert(listener, address)),
            Err(error) if is_any_v6(&address) => tracing::info!(%address, %error, "no IPv6"),
            Err(error) => return Err(refused(address, error)),
        }
    }
    if starting.is_empty() {
        return Err(StartError::NoAddress);
    }
    while !starting.is_empty() {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, .. } => drop(starting.remove(&listener_id)),
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => {
                if let Some(address) = starting.remove(&listener_id) {
                    let source = reason.err().unwrap_or_else(|| io::ErrorKind::Other.into());
                    return Err(StartError::Listen { address, source });
                }
            }
            event => send_away(swarm, &event),
        }
    }
    // A listener on all interfaces names loopback first; whoever reads our addresses next is to find the others as well.
    let is_everywhere =
        |address: &Multiaddr| address::ip(address).is_some_and(|ip| ip.is_unspecified());
    if addresses.iter().any(is_everywhere) {
        while let Ok(event) = timeout(ADDRESSES_QUIET, swarm.select_next_some()).await {
            send_away(swarm, &event);
        }
    }
    Ok(())
}

/// Closes a connection that came before this node has taken on its roles: the peer would not learn of them, a relay's
/// for one, as long as it lasts. It may come again at once.
fn send_away(swarm: &mut Swarm<Behaviour>, event: &SwarmEvent<BehaviourEvent>) {
    if let SwarmEvent::ConnectionEstablished { connection_id, .. } = event {
        swarm.close_connection(*connection_id);
    }
}

fn is_any_v6(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Ip6(ip)) if ip.is_unspecified())
}

fn refused(address: Multiaddr, error: TransportError<io::Error>) -> StartError {
    let source = match error {
        TransportError::Other(source) => source,
        TransportError::MultiaddrNotSupported(_) => io::ErrorKind::Unsupported.into(),
    };
    StartError::Listen { address, source }
}

/// Replaces port 0 by a free port, the same for every address of the list.
fn with_ports(addresses: &[Multiaddr]) -> Result<Vec<Multiaddr>, StartError> {
    let is_open = |part: &Protocol<'_>| matches!(part, Protocol::Udp(0) | Protocol::Tcp(0));
    let Some(open) = addresses
        .iter()
        .find(|address| address.iter().any(|part| is_open(&part)))
    else {
        return Ok(addresses.to_vec());
    };
    let ip = address::ip(open).ok_or(StartError::NoAddress)?;
    let free = free_port(ip);
    let port = free.map_err(|source| StartError::Listen {
        address: open.clone(),
        source,
    })?;
    let filled = |address: &Multiaddr| {
        let parts = address.iter().map(|part| match part {
            Protocol::Udp(0) => Protocol::Udp(port),
            Protocol::Tcp(0) => Protocol::Tcp(port),
            other => other,
        });
        parts.collect()
    };
    Ok(addresses.iter().map(filled).collect())
}

/// A port that is free for TCP and UDP just now.
fn free_port(ip: IpAddr) -> io::Result<u16> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_ATTEMPTS {
        let listener = TcpListener::bind(SocketAddr::new(ip, 0))?;
        let port = listener.local_addr()?.port();
        match UdpSocket::bind(SocketAddr::new(ip, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}
