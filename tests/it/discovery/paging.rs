// SPDX-License-Identifier: MPL-2.0
//! Long lists, page by page.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};

use super::{DEADLINE, aids, entries};
use crate::harness::{Api, Net, eventually};

/// Agents on two nodes that offer `service`.
async fn crowd(net: &Net, service: &str, count: usize) -> BTreeSet<String> {
    let registering = (0..count).map(|at| net.nodes[at % 2].api.offering(service));
    let crowd = join_all(registering).await.into_iter().collect();
    let api = &net.nodes[2].api;
    eventually("all are found", DEADLINE, async || {
        let body = json!({ "services": [service], "limit": 1000 });
        (aids(&api.discover(body).await) == crowd).then_some(())
    })
    .await;
    crowd
}

/// All pages of a search, and the cursors between them.
async fn pages(api: &Api, mut body: Value) -> (Vec<Vec<Value>>, Vec<String>) {
    let (mut pages, mut cursors) = (Vec::new(), Vec::new());
    loop {
        let answer = api.post("/discover", body.clone()).await.ok();
        pages.push(entries(&answer));
        let Some(cursor) = answer["cursor"].as_str() else {
            return (pages, cursors);
        };
        cursors.push(cursor.to_owned());
        body["cursor"] = json!(cursor);
    }
}

#[tokio::test]
async fn every_provider_comes_once() {
    let net = Net::of(3).await;
    let crowd = crowd(&net, "data.many", 25).await;
    let api = &net.nodes[2].api;
    let body = json!({ "services": ["data.many"], "limit": 10 });
    let (pages, cursors) = pages(api, body.clone()).await;
    let all: Vec<_> = pages.concat();
    assert_eq!(all.len(), 25, "none twice");
    assert_eq!(aids(&all), crowd);
    assert!(
        pages[..2].iter().all(|page| page.len() == 10),
        "{cursors:?}"
    );

    // The newest cursor may be sent again; older ones are over.
    let mut again = body.clone();
    let first = api.post("/discover", body.clone()).await.ok();
    again["cursor"] = first["cursor"].clone();
    let second = api.post("/discover", again.clone()).await.ok();
    for _ in 0..2 {
        assert_eq!(api.post("/discover", again.clone()).await.ok(), second);
    }
    let only_cursor = json!({ "cursor": again["cursor"] });
    assert_eq!(api.post("/discover", only_cursor).await.ok(), second);
    let mut third = body.clone();
    third["cursor"] = second["cursor"].clone();
    api.post("/discover", third.clone()).await.ok();
    api.post("/discover", again)
        .await
        .refused(400, "bad cursor");
    third["filter"] = json!({ "tags": ["x"] });
    api.post("/discover", third)
        .await
        .refused(400, "bad cursor");

    // Every node has an order of its own, and keeps it.
    let order = |pages: &[Vec<Value>]| -> Vec<Value> {
        pages
            .concat()
            .iter()
            .map(|entry| entry["aid"].clone())
            .collect()
    };
    let body = json!({ "services": ["data.many"] });
    let (once, _) = self::pages(api, body.clone()).await;
    let (twice, _) = self::pages(api, body.clone()).await;
    assert_eq!(order(&once), order(&twice));
    let (elsewhere, _) = self::pages(&net.nodes[0].api, body).await;
    assert_ne!(order(&once), order(&elsewhere));
}

#[tokio::test]
async fn a_search_that_nobody_continues_makes_room() {
    let net = Net::of(3).await;
    crowd(&net, "data.few", 3).await;
    let api = &net.nodes[2].api;
    let body = json!({ "services": ["data.few"], "limit": 1 });
    let first = api.post("/discover", body.clone()).await.ok();
    let cursor = json!({ "cursor": first["cursor"] });
    for _ in 0..64 {
        api.post("/discover", body.clone()).await.ok();
    }
    api.post("/discover", cursor)
        .await
        .refused(400, "bad cursor");
}
