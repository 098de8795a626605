// SPDX-License-Identifier: MPL-2.0
//! What it costs to find everybody who offers a service, and to call one of them.

use std::slice::from_ref;
use std::time::Duration;

use serde_json::json;

use crate::bare::Relay;
use crate::harness::{Net, eventually};
use crate::load::Request;
use crate::one_at_a_time;
use crate::peer::Peer;
use crate::report::{Line, Report, Unit};

/// Nodes that have providers; one more searches.
const HOSTS: usize = 10;

/// Agents that offer the service.
const PROVIDERS: usize = 100;

/// Searches, one after the other.
const SEARCHES: usize = 300;

/// Calls, one after the other.
const CALLS: usize = 1000;

const SERVICE: &str = "lang.translate";

/// Adds the figures of this chapter.
pub(crate) async fn measure(report: &mut Report) {
    let upstream = Peer::start("http", "").await;
    let net = Net::of(HOSTS + 1).await;
    for at in 0..PROVIDERS {
        let api = &net.nodes[at % HOSTS].api;
        let aid = api.serving(&upstream.address).await.aid;
        let body = json!({
            "services": [SERVICE], "name": format!("Provider {at}"), "protocols": ["http"],
            "tags": ["de", "fr"], "brief": "Translates text", "meta": { "price": { "eur": at } },
        });
        api.post(&format!("/agents/{aid}/services"), body)
            .await
            .ok();
    }
    let reader = &net.nodes[HOSTS].api;
    let search = json!({ "services": [SERVICE] });
    let len = eventually("all are found", Duration::from_secs(60), async || {
        let answer = reader.post("/discover", search.clone()).await;
        let len = answer.text.len();
        let found = answer.ok()["entries"].as_array().map(Vec::len);
        (found == Some(PROVIDERS)).then_some(len)
    })
    .await;

    let plain = Request::get(&format!("/bytes/{len}"));
    let http = one_at_a_time(&upstream.address, &[plain], CALLS).await;
    let search = Request::post("/discover", &search);
    let found = one_at_a_time(reader.authority(), &[search], SEARCHES).await;
    let line = Line::new("discover 100 of 100, p50", Unit::Millis, found, http);
    report.add(line.target(143.0, 71.0));

    let relay = Relay::start(&upstream.address).await;
    let bare = one_at_a_time(relay.address(), &[Request::get("/name")], CALLS).await;
    let call = Request::post("/call", &json!({ "service": SERVICE, "path": "/name" }));
    let called = one_at_a_time(reader.authority(), from_ref(&call), CALLS).await;
    report.add(Line::new(
        "call by service, p50",
        Unit::Millis,
        called,
        bare,
    ));
}
