// SPDX-License-Identifier: MPL-2.0
//! Hosts of agents, `<aid>.aid.localhost`: every agent's pages have an origin of their own.
//!
//! Names below `localhost` lead to this machine and can belong to nobody else. What is let in there
//! reaches the agent and never the API, so more is let in than on the API's own host: whoever
//! follows a link to an agent's page may do so, wherever the link stands.

use a2al_protocol::Aid;
use axum::http::{HeaderMap, Method, header};

use super::origin::{number, split};
use super::visit::is_visit;
use super::{Refusal, SEC_FETCH_SITE, is_own_site, sole};

/// What the names of agents' hosts end with.
const SUFFIX: &str = ".aid.localhost";

/// A request that names an agent in its `Host`; the gateway finds it among the request's
/// extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AgentHost {
    /// The agent.
    pub aid: Aid,
}

/// The agent's name in `host`, whether or not it is an address; `None` for every other host.
///
/// Letter case is no matter, as browsers fold it: an address in lower case is accepted everywhere.
fn label(host: &str) -> Option<String> {
    let (name, port) = split(host);
    if port.is_some_and(|port| number(port).is_none()) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    name.strip_suffix(SUFFIX).map(ToOwned::to_owned)
}

impl AgentHost {
    /// The host that serves `aid` on `port`.
    pub fn name(aid: &Aid, port: u16) -> String {
        let label = aid.to_string().to_ascii_lowercase();
        format!("{label}{SUFFIX}:{port}")
    }

    /// The agent's host that `host` is; `None` for every other host.
    pub(super) fn named(host: &str) -> Option<Result<Self, Refusal>> {
        let label = label(host)?;
        Some(
            label
                .parse()
                .map(|aid| Self { aid })
                .map_err(|_| Refusal::Aid),
        )
    }

    /// Whether a page may ask this: one of this same host, or any that only follows a link.
    pub(super) fn check(
        self,
        method: &Method,
        headers: &HeaderMap,
        our_port: u16,
    ) -> Result<(), Refusal> {
        if !sole(headers, &header::ORIGIN).is_none_or(|origin| self.is_origin(origin, our_port)) {
            return Err(Refusal::Origin);
        }
        let is_own = sole(headers, &SEC_FETCH_SITE).is_none_or(is_own_site);
        if is_own || is_visit(method, headers) {
            Ok(())
        } else {
            Err(Refusal::Site)
        }
    }

    /// Whether `origin` is this host, served on `our_port`.
    fn is_origin(self, origin: &str, our_port: u16) -> bool {
        let Some(host) = origin.strip_prefix("http://") else {
            return false;
        };
        let port = split(host).1.map_or(Some(80), number);
        let Some(label) = label(host) else {
            return false;
        };
        port == Some(our_port) && label.parse() == Ok(self.aid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AID: &str = "a0aaae07e2c72fa2dbd3b4d8faa6d6ea2f8a8a34b8";

    fn aid(text: &str) -> Aid {
        text.to_ascii_lowercase().parse().unwrap()
    }

    #[test]
    fn every_spelling_of_an_address_that_a_host_can_have_is_accepted() {
        let ethereum = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        for text in [AID, ethereum] {
            let folded = text.to_ascii_lowercase();
            for host in [
                format!("{folded}.aid.localhost:2121"),
                format!("{folded}.aid.localhost"),
                format!("{folded}.AID.LocalHost:2121"),
                format!("{}.aid.localhost:80", text.to_ascii_uppercase()),
                AgentHost::name(&aid(text), 2121),
            ] {
                let named = AgentHost::named(&host).unwrap().unwrap();
                assert_eq!(named.aid, aid(text), "{host}");
            }
        }
    }

    #[test]
    fn what_is_below_an_agents_host_is_no_address() {
        for label in ["", "x", "a0", "localhost", &format!("a.{AID}"), "127.0.0.1"] {
            let host = format!("{label}.aid.localhost:2121");
            assert_eq!(AgentHost::named(&host), Some(Err(Refusal::Aid)), "{host}");
        }
        for host in [
            "aid.localhost".to_owned(),
            format!("{AID}.aid.localhost."),
            format!("{AID}.aid.localhost:x"),
            format!("{AID}.aid.localhost.evil.example"),
            format!("{AID}.localhost"),
            format!("{AID}aid.localhost"),
        ] {
            assert_eq!(AgentHost::named(&host), None, "{host}");
        }
    }

    #[test]
    fn only_this_host_on_this_port_is_its_own_origin() {
        let host = AgentHost { aid: aid(AID) };
        let origin = |text: &str| host.is_origin(&text.replace("AID", AID), 2121);
        assert!(origin("http://AID.aid.localhost:2121"));
        for foreign in [
            "null",
            "",
            "http://AID.aid.localhost",
            "http://AID.aid.localhost:2122",
            "https://AID.aid.localhost:2121",
            "http://127.0.0.1:2121",
            "http://localhost:2121",
            "http://a0bbae07e2c72fa2dbd3b4d8faa6d6ea2f8a8a34b8.aid.localhost:2121",
            "http://aid.localhost:2121",
        ] {
            assert!(!origin(foreign), "{foreign}");
        }
    }
}
