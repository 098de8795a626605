// SPDX-License-Identifier: MPL-2.0
//! Where an agent's local service listens.

mod dial;
mod ports;
mod targets;
mod tls;

use std::fmt;
use std::str::FromStr;

pub(crate) use dial::{DialError, ServiceStream};
pub use targets::OwnListener;
pub(crate) use targets::{Forbidden, Targets};

use crate::error::Input;

/// An agent's service: `host:port`, `http://host:port` or `https://host:port`.
#[derive(Clone, Debug, Eq, PartialEq, Hash)]
pub(crate) struct ServiceTcp {
    /// As it was given.
    text: String,
    /// Where the authority starts in `text`.
    authority: usize,
    /// Length of the host in the authority.
    host_len: usize,
    is_http: bool,
    is_tls: bool,
}

impl ServiceTcp {
    /// As it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port, for a `Host` header or a resolver.
    pub(crate) fn authority(&self) -> &str {
        &self.text[self.authority..]
    }

    /// The host alone, an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        self.authority()[..self.host_len].trim_matches(['[', ']'])
    }

    /// Whether the service was declared to speak HTTP.
    pub(crate) fn is_http(&self) -> bool {
        self.is_http
    }

    /// Whether the service speaks TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl fmt::Display for ServiceTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ServiceTcp {
    type Err = Input;

    fn from_str(text: &str) -> Result<Self, Input> {
        let (authority, is_tls) = scheme(text);
        let rest = &text[authority..];
        if rest.contains(['/', '?', '#']) {
            return Err(Input::ServicePath);
        }
        let (host, port) = rest.rsplit_once(':').ok_or(Input::ServiceAddress)?;
        if !is_host(host) || !is_port(port) {
            return Err(Input::ServiceAddress);
        }
        Ok(Self {
            authority,
            host_len: host.len(),
            is_http: authority > 0,
            is_tls,
            text: text.to_owned(),
        })
    }
}

/// Length of the scheme in front, and whether it is the one of TLS.
fn scheme(text: &str) -> (usize, bool) {
    for (scheme, is_tls) in [("http://", false), ("https://", true)] {
        if text
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        {
            return (scheme.len(), is_tls);
        }
    }
    (0, false)
}

/// An address, an IPv6 address in brackets, or a name of letters, digits, `-`, `_` and `.`.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn is_port(text: &str) -> bool {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    is_plain && text.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServiceTcp, Input> {
        text.parse()
    }

    #[test]
    fn takes_the_three_forms() {
        for (text, host, authority, is_tls) in [
            ("127.0.0.1:80", "127.0.0.1", "127.0.0.1:80", false),
            (
                "http://localhost:8080",
                "localhost",
                "localhost:8080",
                false,
            ),
            (
                "HTTPS://my-host.lan:8443",
                "my-host.lan",
                "my-host.lan:8443",
                true,
            ),
            ("[::1]:9000", "::1", "[::1]:9000", false),
            ("https://[::1]:9000", "::1", "[::1]:9000", true),
        ] {
            let service = parse(text).unwrap();
            assert_eq!(service.as_str(), text);
            assert_eq!(service.host(), host);
            assert_eq!(service.authority(), authority);
            assert_eq!(service.is_tls(), is_tls);
            assert_eq!(service.is_http(), text.contains("//"));
        }
    }

    #[test]
    fn a_path_is_named_as_the_mistake() {
        for text in [
            "127.0.0.1:80/",
            "http://host:80/path",
            "https://host:1?x",
            "host/path",
        ] {
            assert!(matches!(parse(text), Err(Input::ServicePath)), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "host",
            "host:",
            ":80",
            "host:0",
            "host:65536",
            "host:+80",
            "ftp:80:90",
            "::1:80",
            "a b:80",
            "user@host:80",
            "[zz]:80",
            "host:80 ",
            "http://",
            "é:80",
        ] {
            assert!(matches!(parse(text), Err(Input::ServiceAddress)), "{text}");
        }
    }
}
