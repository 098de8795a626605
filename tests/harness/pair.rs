// SPDX-License-Identifier: MPL-2.0
//! Two daemons, one with an agent in front of a service, and what a fetch from the other brings back.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Answer, Daemon, Net, Upstream};

/// A caller's daemon, a daemon with an agent, and the service behind the agent.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) net: Net,
    pub(crate) upstream: Upstream,
    pub(crate) aid: String,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let upstream = Upstream::start("first").await;
        let net = Net::of(2).await;
        let aid = net.nodes[1].api.serving(&upstream.address).await.aid;
        Self { net, upstream, aid }
    }

    pub(crate) fn caller(&self) -> &Daemon {
        &self.net.nodes[0]
    }

    pub(crate) fn host(&self) -> &Daemon {
        &self.net.nodes[1]
    }

    pub(crate) async fn fetch(&self, request: Value) -> Answer {
        self.caller()
            .api
            .post(&format!("/fetch/{}", self.aid), request)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.fetch(json!({ "path": path })).await.ok()
    }
}

/// The bytes of a fetched body.
#[track_caller]
pub(crate) fn body(fetched: &Value) -> Vec<u8> {
    let body = fetched["body"].as_str().expect("the body is text");
    BASE64_STANDARD.decode(body).expect("the body is base64")
}

/// What the service's `/echo` saw.
#[track_caller]
pub(crate) fn echoed(fetched: &Value) -> Value {
    assert_eq!(fetched["status"], 200, "{fetched}");
    serde_json::from_slice(&body(fetched)).expect("the echo is JSON")
}

/// The first value of a header, compared without regard to case.
pub(crate) fn header<'a>(headers: &'a Value, name: &str) -> Option<&'a str> {
    let all = headers.as_object()?;
    let (_, values) = all
        .iter()
        .find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    values[0].as_str()
}
