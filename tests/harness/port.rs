// SPDX-License-Identifier: MPL-2.0
//! Ports that have to be told before they are taken.

use std::net::{TcpListener, UdpSocket};

/// A port of this machine that nobody uses now, for TCP and UDP.
pub(crate) fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("a bound socket").port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
