// SPDX-License-Identifier: MPL-2.0
//! Local ports for connections to services.
//!
//! Each connection is bound to a port of its own before it is made, and no other socket of the
//! machine can use that port at the same address while the connection lives. At another one, such
//! as 127.0.0.2, a program of this machine can once the connection is made, so a service that does
//! not trust those programs asks who is behind the whole address that it sees, not the port alone.
//!
//! The system would choose such ports slowly once many are taken, and gives none to anybody for a
//! minute after a connection that this side ended: that is all of them at some 470 connections a
//! second. So they are chosen here, those that nothing but that minute keeps included.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpSocket;

/// The ports that are tried. Source: Linux' own choice for connections.
const PORTS: Range<u32> = 32_768..61_000;

/// From each port that is used to the next; it has no divisor in common with their number.
const STRIDE: u32 = 7919;

/// Where the next port comes from.
#[derive(Debug)]
pub(super) struct Ports {
    tried: AtomicU32,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            tried: AtomicU32::new(anywhere()),
        }
    }
}

impl Ports {
    /// A socket for a connection to `addr`, bound to a port.
    ///
    /// # Errors
    /// `AddrInUse` if the port that was tried is in use; another call tries another one.
    pub(super) fn socket_for(&self, addr: SocketAddr) -> io::Result<TcpSocket> {
        let socket = socket_like(addr)?;
        let port = any(addr, self.next());
        match socket.bind(port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                // Possible only where every other socket with that port is gone and allows it.
                socket.set_reuseaddr(true)?;
                socket.bind(port)?;
                socket.set_reuseaddr(false)?;
            }
            bound => bound?,
        }
        Ok(socket)
    }

    /// Goes on anywhere else. Another process takes ports in the same order, as did this one before it
    /// was killed, and where one of them is taken the next ones are likely to be, too.
    pub(super) fn jump(&self) {
        self.tried.store(anywhere(), Ordering::Relaxed);
    }

    fn next(&self) -> u16 {
        let tried = self.tried.fetch_add(STRIDE, Ordering::Relaxed);
        let port = PORTS.start + tried % (PORTS.end - PORTS.start);
        u16::try_from(port).unwrap_or(u16::MAX)
    }
}

fn anywhere() -> u32 {
    let random = getrandom::u32().expect("the system has random numbers");
    random % (PORTS.end - PORTS.start)
}

/// The address that a connection to `addr` comes from.
///
/// # Errors
/// When no way leads there.
pub(super) fn source_for(addr: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(any(addr, 0))?;
    // Sends nothing.
    socket.connect(addr)?;
    Ok(socket.local_addr()?.ip())
}

fn socket_like(addr: SocketAddr) -> io::Result<TcpSocket> {
    if addr.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
}

fn any(addr: SocketAddr, port: u16) -> SocketAddr {
    if addr.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, port).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, port).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use a2al_protocol::network::State;
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::super::{ServiceTcp, Targets};
    use super::*;

    #[tokio::test]
    async fn a_port_is_for_one_socket_only() {
        let to = "127.0.0.1:9".parse().unwrap();
        let ports = Ports::default();
        let sockets: Vec<_> = (0..100).filter_map(|_| ports.socket_for(to).ok()).collect();
        let used = sockets.iter().map(|socket| socket.local_addr().unwrap());
        assert!(sockets.len() > 1, "{}", sockets.len());
        assert_eq!(used.collect::<HashSet<_>>().len(), sockets.len());
        // Not even to somebody who would share it.
        let taken = sockets.last().unwrap().local_addr().unwrap();
        let thief = TcpSocket::new_v4().unwrap();
        thief.set_reuseaddr(true).unwrap();
        assert!(thief.bind(taken).is_err());
    }

    #[tokio::test]
    async fn a_run_of_taken_ports_is_left() {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = service.local_addr().unwrap();
        let start = anywhere();
        let at_start = || Ports {
            tried: AtomicU32::new(start),
        };
        let before = at_start();
        let _taken: Vec<_> = (0..300).map(|_| before.socket_for(service)).collect();
        let (_, network) = watch::channel(Arc::new(State::default()));
        let mut targets = Targets::new(None, false, network);
        targets.ports = at_start();
        let service: ServiceTcp = service.to_string().parse().unwrap();
        service.connect(&targets, |_| Some(())).await.unwrap();
    }

    #[test]
    fn every_port_has_its_turn() {
        let ports = Ports::default();
        let tried = (PORTS.start..PORTS.end).map(|_| ports.next());
        assert_eq!(tried.collect::<HashSet<_>>().len(), PORTS.len());
    }
}
