// SPDX-License-Identifier: MPL-2.0
//! Where a service listens, as people write it.

use crate::cli::Failure;

/// An agent's service, and the path at which it is to be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    /// As the API takes it: `host:port`, with `http://` or `https://` before it if that was given.
    pub(super) service_tcp: String,
    /// Path and query; may be empty.
    pub(super) path: String,
}

impl Target {
    /// Reads a URL, or `host:port` with or without a path.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let bad = || Failure::BadUrl(text.to_owned());
        let Some((scheme, _)) = text.split_once("://") else {
            let (service, path) = text.split_at(text.find('/').unwrap_or(text.len()));
            let has_port = service
                .rsplit_once(':')
                .is_some_and(|(host, _)| !host.is_empty());
            return has_port
                .then(|| Self {
                    service_tcp: service.to_owned(),
                    path: path.to_owned(),
                })
                .ok_or_else(bad);
        };
        let url: reqwest::Url = text.parse().map_err(|_| bad())?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let (Some(host), Some(port), true) = (url.host_str(), url.port_or_known_default(), is_http)
        else {
            return Err(bad());
        };
        let scheme = scheme.to_ascii_lowercase();
        let query = url.query().map(|query| format!("?{query}"));
        Ok(Self {
            service_tcp: format!("{scheme}://{host}:{port}"),
            path: format!("{}{}", url.path(), query.unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_addresses_are_read() {
        for (text, service_tcp, path) in [
            ("127.0.0.1:80", "127.0.0.1:80", ""),
            ("localhost:80/a/b", "localhost:80", "/a/b"),
            ("http://localhost", "http://localhost:80", "/"),
            ("HTTPS://h/x?y=1#z", "https://h:443", "/x?y=1"),
            ("http://[::1]:9000/rpc", "http://[::1]:9000", "/rpc"),
        ] {
            let expected = Target {
                service_tcp: service_tcp.to_owned(),
                path: path.to_owned(),
            };
            assert_eq!(Target::parse(text).unwrap(), expected, "{text}");
        }
        for bad in ["", "host", "ftp://h/x", "grpc://h:1", "http://", ":80"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
