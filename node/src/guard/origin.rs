// SPDX-License-Identifier: MPL-2.0
//! Names of this machine, as they stand in `Host` and `Origin`.

use std::net::Ipv4Addr;

/// Whether `host`, with or without a port, is `localhost`, in 127/8, or `[::1]`.
///
/// Compared letter by letter: `LOCALHOST`, `localhost.`, `0.0.0.0` and other spellings a browser
/// or a resolver might still lead here are not this machine's names.
pub(super) fn is_local(host: &str) -> bool {
    let (name, port) = split(host);
    is_local_name(name) && port.is_none_or(|port| number(port).is_some())
}

/// Whether `origin` is a page of our own, served on `our_port`.
pub(super) fn is_ours(origin: &str, our_port: u16) -> bool {
    let Some(host) = origin.strip_prefix("http://") else {
        return false;
    };
    let (name, port) = split(host);
    let port = port.map_or(Some(80), number);
    is_local_name(name) && port == Some(our_port)
}

fn is_local_name(name: &str) -> bool {
    name == "localhost"
        || name == "[::1]"
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

pub(super) fn number(port: &str) -> Option<u16> {
    port.parse()
        .ok()
        .filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_local() {
        for host in [
            "localhost",
            "localhost:1",
            "127.0.0.1",
            "127.8.9.1:2121",
            "[::1]",
            "[::1]:1",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "LOCALHOST",
            "localhost.",
            "0.0.0.0",
            "::1",
            "127.1",
            "127.0.0.1.",
            "0x7f.0.0.1",
            "2130706433",
            "evil.example",
            "localhost:",
            "localhost:x",
            "localhost:+1",
            "localhost:1:1",
            "127.0.0.1@evil.example",
            "[::1]x",
            "[::ffff:127.0.0.1]",
            "192.168.1.1",
            "a.localhost",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_ours_with_our_scheme_and_port_only() {
        for origin in [
            "http://localhost:2121",
            "http://127.0.0.1:2121",
            "http://[::1]:2121",
        ] {
            assert!(is_ours(origin, 2121), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://localhost",
            "https://localhost:2121",
            "http://localhost:2122",
            "http://evil.example:2121",
            "http://localhost:2121/",
            "http://localhost.:2121",
            "http://localhost:2121.evil.example",
            "HTTP://localhost:2121",
        ] {
            assert!(!is_ours(origin, 2121), "{origin}");
        }
        assert!(is_ours("http://localhost", 80));
    }
}
