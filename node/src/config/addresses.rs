// SPDX-License-Identifier: MPL-2.0
//! Addresses as people write them that the network does not read itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use a2al_protocol::network::{self, Multiaddr, parse_listen};

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Not `HOST:PORT` with an IP address or `localhost`.
    #[error("expected HOST:PORT, with an IP address or localhost")]
    Socket,
    /// Not a host name or an IP address.
    #[error("expected a host name or an IP address")]
    Host,
    /// The network cannot read it.
    #[error(transparent)]
    Network(#[from] network::AddressError),
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
        if !text.is_empty() && text.bytes().all(is_name) {
            Ok(Self::Name(text.to_owned()))
        } else {
            Err(AddressError::Host)
        }
    }
}

/// Reads an address to listen on: `127.0.0.1:2121`, `[::1]:2121`, `localhost:2121`, or `:2121` for
/// all interfaces.
pub(super) fn socket(text: &str) -> Result<SocketAddr, AddressError> {
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::Socket)?;
    let ip = match host {
        "" => Ipv4Addr::UNSPECIFIED,
        "localhost" => Ipv4Addr::LOCALHOST,
        _ => return text.parse().map_err(|_| AddressError::Socket),
    };
    let port = port.parse().map_err(|_| AddressError::Socket)?;
    Ok(SocketAddr::new(ip.into(), port))
}

/// Reads an address the network is to listen on.
pub(super) fn listen(text: &str) -> Result<Vec<Multiaddr>, AddressError> {
    Ok(parse_listen(text)?)
}

/// `addrs` with its QUIC addresses replaced by those of `quic`.
pub(super) fn with_quic(mut addrs: Vec<Multiaddr>, quic: Vec<Multiaddr>) -> Vec<Multiaddr> {
    addrs.retain(|addr| !is_quic(addr));
    addrs.extend(quic.into_iter().filter(is_quic));
    addrs
}

fn is_quic(addr: &Multiaddr) -> bool {
    addr.protocol_stack().any(|protocol| protocol == "quic-v1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("localhost:1", "127.0.0.1:1"),
            ("[::1]:1", "[::1]:1"),
            (":1", "0.0.0.0:1"),
        ] {
            assert_eq!(socket(text), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "127.0.0.1",
            "127.0.0.1:70000",
            ":x",
            "::1:1",
            "example.org:1",
            "[::1:1",
        ] {
            assert_eq!(socket(text), Err(AddressError::Socket), "{text}");
        }
    }

    #[test]
    fn quic_can_have_a_port_of_its_own() {
        let addrs = with_quic(
            listen("127.0.0.1:1").unwrap(),
            listen("127.0.0.2:2").unwrap(),
        );
        let texts: Vec<_> = addrs.iter().map(Multiaddr::to_string).collect();
        assert_eq!(
            texts,
            ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.2/udp/2/quic-v1"]
        );
    }

    #[test]
    fn a_host_is_a_number_or_a_name() {
        assert_eq!("[::1]".parse(), Ok(Host::Ip("::1".parse().unwrap())));
        assert_eq!(
            "192.0.2.1".parse(),
            Ok(Host::Ip("192.0.2.1".parse().unwrap()))
        );
        assert_eq!("a.example".parse(), Ok(Host::Name("a.example".to_owned())));
        for text in ["", "a b", "a:1", "a/b"] {
            assert_eq!(text.parse::<Host>(), Err(AddressError::Host), "{text}");
        }
    }
}
