// SPDX-License-Identifier: MPL-2.0
//! From configured addresses to those the network listens on and advertises.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use a2al_protocol::network::Multiaddr;
use a2al_service::NetworkConfig;
use tracing::warn;

use crate::config::{Config, Host, Listen, quic_addr, tcp_addr};

/// How often a free port is looked for that both UDP and TCP have.
const PORT_TRIES: usize = 32;

/// The network settings of `config`: free ports chosen, names looked up.
///
/// # Errors
/// When no port is free on the addresses to listen on.
pub(crate) async fn settings(config: &Config) -> io::Result<NetworkConfig> {
    let bootstrap = config.bootstrap.clone();
    let (tcp, quic) = match &config.listen {
        Listen::Multiaddrs(listen) => {
            let listen = listen.clone();
            return Ok(NetworkConfig {
                listen,
                bootstrap,
                advertise: Vec::new(),
            });
        }
        Listen::Sockets { tcp, quic } => (with_ports(tcp, None)?, quic),
    };
    // QUIC follows the port chosen for TCP; one of its own is chosen only where they differ.
    let quic = with_ports(quic, tcp.first().map(SocketAddr::port))?;
    let advertise = match &config.fallback_host {
        Some(host) => advertised(host, &tcp, &quic).await,
        None => Vec::new(),
    };
    let listen = quic
        .iter()
        .map(|addr| quic_addr(&Host::Ip(addr.ip()), addr.port()));
    let listen = listen.chain(
        tcp.iter()
            .map(|addr| tcp_addr(&Host::Ip(addr.ip()), addr.port())),
    );
    Ok(NetworkConfig {
        listen: listen.collect(),
        bootstrap,
        advertise,
    })
}

/// `addrs` with port 0 replaced by `port`, or a free one; IPv6 is left out where there is none.
fn with_ports(addrs: &[SocketAddr], port: Option<u16>) -> io::Result<Vec<SocketAddr>> {
    let is_usable = |addr: &&SocketAddr| addr.is_ipv4() || addrs.len() == 1 || has_ipv6();
    let ips: Vec<IpAddr> = addrs.iter().filter(is_usable).map(SocketAddr::ip).collect();
    let port = match (addrs.first().map_or(0, SocketAddr::port), port) {
        (0, Some(port)) => port,
        (0, None) => free_port(&ips)?,
        (said, _) => said,
    };
    Ok(ips
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect())
}

fn has_ipv6() -> bool {
    UdpSocket::bind("[::]:0").is_ok()
}

/// A port free for UDP and TCP on all `ips`.
fn free_port(ips: &[IpAddr]) -> io::Result<u16> {
    let mut tries = 1;
    loop {
        match try_port(ips) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < PORT_TRIES => {
                tries += 1;
            }
            found => return found,
        }
    }
}

fn try_port(ips: &[IpAddr]) -> io::Result<u16> {
    let mut port = 0;
    for ip in ips {
        let udp = UdpSocket::bind((*ip, port))?;
        port = udp.local_addr()?.port();
        drop(TcpListener::bind((*ip, port))?);
    }
    Ok(port)
}

async fn advertised(host: &Host, tcp: &[SocketAddr], quic: &[SocketAddr]) -> Vec<Multiaddr> {
    let mut addrs = Vec::new();
    for ip in looked_up(host).await {
        addrs.extend(
            quic.first()
                .map(|addr| quic_addr(&Host::Ip(ip), addr.port())),
        );
        addrs.extend(tcp.first().map(|addr| tcp_addr(&Host::Ip(ip), addr.port())));
    }
    addrs
}

/// The addresses of `host`; records hold no names, so a name is looked up here.
async fn looked_up(host: &Host) -> Vec<IpAddr> {
    let name = match host {
        Host::Ip(ip) => return vec![*ip],
        Host::Name(name) => name,
    };
    match tokio::net::lookup_host((name.as_str(), 0)).await {
        Ok(found) => found.map(|addr| addr.ip()).collect(),
        Err(error) => {
            warn!(host = name, %error, "fallback host is not advertised: name not found");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_becomes_one_port_for_all() {
        let both = [
            "127.0.0.1:0".parse().unwrap(),
            "127.0.0.2:0".parse().unwrap(),
        ];
        let chosen = with_ports(&both, None).unwrap();
        assert_ne!(chosen[0].port(), 0);
        assert_eq!(chosen[0].port(), chosen[1].port());
        assert_eq!(with_ports(&both, Some(7)).unwrap()[0].port(), 7);
        assert_eq!(
            with_ports(&["127.0.0.1:9".parse().unwrap()], Some(7)).unwrap()[0].port(),
            9
        );
    }
}
