// SPDX-License-Identifier: MPL-2.0
//! Agents called like web servers, through the gateway of another daemon.

#[path = "gateway/bodies.rs"]
mod bodies;
#[path = "gateway/cards.rs"]
mod cards;
#[path = "gateway/ends.rs"]
mod ends;
#[path = "gateway/errors.rs"]
mod errors;
#[path = "gateway/heads.rs"]
mod heads;
#[path = "gateway/origins.rs"]
mod origins;
#[path = "gateway/switched.rs"]
mod switched;

use reqwest::{Method, RequestBuilder};

use crate::harness::{Api, Net, Pair, RawAnswer, raw_request};

/// One way to an agent: a path on the API's host, or a host of the agent's own.
#[derive(Debug, Clone)]
struct Door {
    api: Api,
    host: String,
    prefix: String,
}

impl Door {
    /// Below a path of the API's host.
    fn by_path(api: &Api, aid: &str) -> Self {
        Self {
            api: api.clone(),
            host: api.authority().to_owned(),
            prefix: format!("/aid/{aid}"),
        }
    }

    /// On a host of the agent's own.
    fn by_host(api: &Api, aid: &str) -> Self {
        let (_, port) = api.authority().rsplit_once(':').expect("host and port");
        Self {
            api: api.clone(),
            host: format!("{}.aid.localhost:{port}", aid.to_ascii_lowercase()),
            prefix: String::new(),
        }
    }

    /// Both ways.
    fn both(api: &Api, aid: &str) -> [Self; 2] {
        [Self::by_path(api, aid), Self::by_host(api, aid)]
    }

    /// A request to be completed by the caller.
    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let request = self.api.request(method, &format!("{}{path}", self.prefix));
        request.header("host", &self.host)
    }

    /// The head of a request up to its last line, with further headers.
    fn head(&self, method: &str, path: &str, headers: &str) -> String {
        let Self { host, prefix, .. } = self;
        format!("{method} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\n{headers}")
    }

    /// Sends a request without a body as bytes.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> RawAnswer {
        let head = self.head(method, path, headers);
        let bytes = format!("{head}Connection: close\r\n\r\n");
        raw_request(self.api.authority(), bytes.as_bytes()).await
    }
}

/// A caller's daemon, and an agent on another one in front of `service`.
async fn agent_of(service: &str) -> (Net, String) {
    let net = Net::of(2).await;
    let aid = net.nodes[1].api.serving(service).await.aid;
    (net, aid)
}

fn doors(pair: &Pair) -> [Door; 2] {
    Door::both(&pair.caller().api, &pair.aid)
}
