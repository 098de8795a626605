// SPDX-License-Identifier: MPL-2.0
//! Where an agent appears to be, for the client that asked.

use a2al_protocol::Aid;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{Uri, header};

/// The part of a URL in front of the agent's own paths.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Base {
    /// Host and port as the client wrote them.
    pub(super) host: String,
    /// What precedes the agent's paths; empty on a host of its own.
    pub(super) prefix: String,
}

impl Base {
    /// Takes `/aid/{aid}` off the path: the base, the agent, and what is asked of it. `None` if
    /// there is no address.
    pub(super) fn of_path(request: &Request, port: u16) -> Option<(Self, Aid, String)> {
        const AGENTS: &str = "/aid/";
        let whole = target(request.uri());
        let rest = whole.strip_prefix(AGENTS)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (text, target) = rest.split_at(end);
        let aid = text.parse().ok()?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        let base = Self {
            host: host(request, port),
            prefix: format!("{AGENTS}{text}"),
        };
        Some((base, aid, format!("{slash}{target}")))
    }

    /// The base of a host of the agent's own.
    pub(super) fn of_host(request: &Request, port: u16) -> Self {
        Self {
            host: host(request, port),
            prefix: String::new(),
        }
    }

    /// The URL of a path of the agent.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.host, self.prefix)
    }
}

/// Path and query as they came; `*` of `OPTIONS` is one.
pub(super) fn target(uri: &Uri) -> String {
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if target.is_empty() { "/" } else { target }.to_owned()
}

/// The path without a prefix of this gateway, or another one, that the agent was told of and has put
/// in front already.
pub(super) fn own_path(path: &str, aid: Aid) -> &str {
    let Some(rest) = path.strip_prefix("/aid/") else {
        return path;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[..end].parse() == Ok(aid) {
        &rest[end..]
    } else {
        path
    }
}

fn host(request: &Request, port: u16) -> String {
    let host = request.headers().get(header::HOST);
    let host = host
        .and_then(|host| host.to_str().ok())
        .filter(|host| !host.is_empty());
    host.map_or_else(|| format!("127.0.0.1:{port}"), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const AID: &str = "a0aaae07e2c72fa2dbd3b4d8faa6d6ea2f8a8a34b8";

    fn asked(target: &str) -> Request {
        let target = target.replace("AID", AID);
        let request = Request::builder().uri(target).header("host", "localhost:1");
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn the_agents_own_path_is_what_follows_its_address() {
        for (asked_for, expected) in [
            ("/aid/AID", "/"),
            ("/aid/AID/", "/"),
            ("/aid/AID?a=1", "/?a=1"),
            ("/aid/AID/a%2Fb/%20?q=%26&&", "/a%2Fb/%20?q=%26&&"),
            ("/aid/AID//x/../y", "//x/../y"),
            ("http://localhost:1/aid/AID/x", "/x"),
            ("/aid/AID/aid/AID/", &format!("/aid/{AID}/")),
        ] {
            let (base, aid, target) = Base::of_path(&asked(asked_for), 2121).unwrap();
            assert_eq!(target, expected, "{asked_for}");
            assert_eq!(aid.to_string().to_lowercase(), AID);
            assert_eq!(base.url("/y"), format!("http://localhost:1/aid/{AID}/y"));
        }
        for bad in ["/aid/", "/aid/x/", "/aid/%61/", "/aid/AID%20/", "/aidAID/"] {
            assert!(Base::of_path(&asked(bad), 2121).is_none(), "{bad}");
        }
    }

    #[test]
    fn on_its_own_host_every_path_is_the_agents() {
        let base = Base::of_host(&asked("/status"), 2121);
        assert_eq!(base.url("/status"), "http://localhost:1/status");
        assert_eq!(target(&"*".parse().unwrap()), "*");
        assert_eq!(target(&"http://h".parse().unwrap()), "/");
    }
}
