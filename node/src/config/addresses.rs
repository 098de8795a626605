// SPDX-License-Identifier: MPL-2.0
//! Addresses as people write them, checked and turned into what the sockets and the network want.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use a2al_protocol::network::Multiaddr;

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// No port, or one that is not a number up to 65535.
    #[error("expected HOST:PORT")]
    Port,
    /// The host cannot be listened on.
    #[error("expected an IP address or localhost before the port")]
    Host,
    /// It begins with `/` and is not a multiaddr.
    #[error("not a valid multiaddr")]
    Multiaddr,
    /// A host name with characters no name has.
    #[error("not a host name or an IP address")]
    Name,
}

/// Where the network listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// TCP and QUIC on these; port 0 is one free port for all of them.
    Sockets {
        /// Where TCP listens.
        tcp: Vec<SocketAddr>,
        /// Where QUIC listens.
        quic: Vec<SocketAddr>,
    },
    /// Exactly these.
    Multiaddrs(Vec<Multiaddr>),
}

impl Listen {
    /// Reads `listen_addr` and `quic_listen_addr`.
    pub(super) fn parse(listen: &str, quic: &str) -> Result<Self, AddressError> {
        if listen.starts_with('/') {
            return entries(listen)
                .map(multiaddr)
                .collect::<Result<_, _>>()
                .map(Self::Multiaddrs);
        }
        let tcp = sockets(listen)?;
        let quic = if quic.is_empty() {
            tcp.clone()
        } else {
            sockets(quic)?
        };
        Ok(Self::Sockets { tcp, quic })
    }
}

/// A host by number or by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// A name to be looked up.
    Name(String),
}

impl FromStr for Host {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Self::Ip(ip));
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        match text.is_empty() || !text.bytes().all(is_name) {
            true => Err(AddressError::Name),
            false => Ok(Self::Name(text.to_owned())),
        }
    }
}

/// The entries of a comma list, without blanks and empty ones.
pub(super) fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// Reads an address to listen on: `127.0.0.1:2121`, `[::1]:2121`, `localhost:2121` or `:2121`.
pub(super) fn socket(text: &str) -> Result<SocketAddr, AddressError> {
    sockets(text).map(|both| both[0])
}

/// Reads one entry of `bootstrap` as the addresses to dial, QUIC first.
pub(super) fn bootstrap(entry: &str) -> Result<Vec<Multiaddr>, AddressError> {
    if entry.starts_with('/') {
        return Ok(vec![multiaddr(entry)?]);
    }
    let (host, port) = host_and_port(entry)?;
    let host = host.parse()?;
    Ok(vec![quic_addr(&host, port), tcp_addr(&host, port)])
}

/// The QUIC address of `host`.
pub(crate) fn quic_addr(host: &Host, port: u16) -> Multiaddr {
    built(format!("{}/udp/{port}/quic-v1", host_part(host)))
}

/// The TCP address of `host`.
pub(crate) fn tcp_addr(host: &Host, port: u16) -> Multiaddr {
    built(format!("{}/tcp/{port}", host_part(host)))
}

fn host_part(host: &Host) -> String {
    match host {
        Host::Ip(IpAddr::V4(ip)) => format!("/ip4/{ip}"),
        Host::Ip(IpAddr::V6(ip)) => format!("/ip6/{ip}"),
        Host::Name(name) => format!("/dns/{name}"),
    }
}

fn built(text: String) -> Multiaddr {
    text.parse()
        .expect("an address or a checked name, and a port, make a multiaddr")
}

fn multiaddr(text: &str) -> Result<Multiaddr, AddressError> {
    text.parse().map_err(|_| AddressError::Multiaddr)
}

/// The sockets meant by `text`; `:PORT` means all interfaces, IPv4 first.
fn sockets(text: &str) -> Result<Vec<SocketAddr>, AddressError> {
    let (host, port) = host_and_port(text)?;
    let ips = match host {
        "" => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        "localhost" => vec![Ipv4Addr::LOCALHOST.into()],
        _ => vec![host.parse::<IpAddr>().map_err(|_| AddressError::Host)?],
    };
    Ok(ips
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect())
}

fn host_and_port(text: &str) -> Result<(&str, u16), AddressError> {
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::Port)?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::Port);
    }
    let port = port.parse().map_err(|_| AddressError::Port)?;
    match host.strip_prefix('[') {
        Some(host) => Ok((host.strip_suffix(']').ok_or(AddressError::Host)?, port)),
        None if host.contains(':') => Err(AddressError::Port),
        None => Ok((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(addrs: &[Multiaddr]) -> Vec<String> {
        addrs.iter().map(Multiaddr::to_string).collect()
    }

    #[test]
    fn sockets_are_read_as_go_reads_them() {
        assert_eq!(
            socket("127.0.0.1:0"),
            Ok(SocketAddr::from(([127, 0, 0, 1], 0)))
        );
        assert_eq!(
            socket("localhost:1"),
            Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
        );
        assert_eq!(socket("[::1]:1"), Ok("[::1]:1".parse().unwrap()));
        assert_eq!(sockets(":1").unwrap().len(), 2);
        for (text, error) in [
            ("", AddressError::Port),
            ("127.0.0.1", AddressError::Port),
            ("127.0.0.1:70000", AddressError::Port),
            ("127.0.0.1:+1", AddressError::Port),
            ("::1:1", AddressError::Port),
            ("example.org:1", AddressError::Host),
            ("[::1:1", AddressError::Host),
        ] {
            assert_eq!(socket(text), Err(error), "{text}");
        }
    }

    #[test]
    fn one_port_serves_quic_and_tcp_unless_told_otherwise() {
        let Ok(Listen::Sockets { tcp, quic }) = Listen::parse("127.0.0.1:4121", "") else {
            panic!("not sockets");
        };
        assert_eq!(tcp, quic);
        let apart = Listen::parse("127.0.0.1:1", "127.0.0.1:2").unwrap();
        assert!(matches!(apart, Listen::Sockets { tcp, quic } if tcp != quic));
        let listed = Listen::parse("/ip4/127.0.0.1/tcp/1, /ip6/::1/udp/2/quic-v1", "").unwrap();
        assert!(matches!(listed, Listen::Multiaddrs(addrs) if addrs.len() == 2));
        assert_eq!(
            Listen::parse("/ip4/nonsense", ""),
            Err(AddressError::Multiaddr)
        );
    }

    #[test]
    fn a_plain_bootstrap_entry_is_dialled_both_ways() {
        assert_eq!(
            texts(&bootstrap("192.0.2.1:4121").unwrap()),
            ["/ip4/192.0.2.1/udp/4121/quic-v1", "/ip4/192.0.2.1/tcp/4121"]
        );
        assert_eq!(
            texts(&bootstrap("[2001:db8::1]:1").unwrap())[1],
            "/ip6/2001:db8::1/tcp/1"
        );
        assert_eq!(
            texts(&bootstrap("seed.example:1").unwrap())[1],
            "/dns/seed.example/tcp/1"
        );
        for garbage in ["", "::::", "host", ":1", "a b:1", "/ip4/1.2.3/tcp/1"] {
            assert!(bootstrap(garbage).is_err(), "{garbage}");
        }
    }
}
