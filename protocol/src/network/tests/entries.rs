// SPDX-License-Identifier: MPL-2.0
//! Entries for services, and how they are found, for the tests of searches.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use futures::StreamExt;
use futures::stream;

use super::*;
use crate::DhtKey;
use crate::behaviour::records::Query;
use crate::record::Topic;

/// The service that most of the tests are about.
pub(super) const TOPIC: &str = "translate";

/// Prints a figure, which the test runner would withhold from the print macros.
pub(super) fn print(figure: &str) {
    writeln!(std::io::stderr(), "{figure}").expect("stderr is open");
}

/// How many there are of something, unless the environment asks for another number.
pub(super) fn scale(variable: &str, default: usize) -> usize {
    let asked = std::env::var(variable).ok();
    let number = asked.and_then(|number| number.parse().ok());
    number.unwrap_or(default)
}

pub(super) fn print_shares(nodes: &[Network]) {
    let stores = nodes.iter().map(|node| &node.client.store);
    let mut shares: Vec<_> = stores.map(|store| store.bytes() / 1024).collect();
    shares.sort_unstable();
    print(&format!("KiB per holder: {shares:?}"));
}

pub(super) fn agents(count: usize) -> Vec<Arc<Credential>> {
    let owners = (0..count).map(|_| Owner::new());
    owners.map(|owner| owner.credential(clock::now())).collect()
}

pub(super) fn entry(agent: &Credential, topic: &str, seq: u64) -> VerifiedRecord {
    let payload = Topic::new(topic).encode().unwrap();
    record(agent, RecordKind::TOPIC, payload, seq)
}

pub(super) fn withdrawal(agent: &Credential, topic: &str, seq: u64) -> VerifiedRecord {
    let payload = Topic::new(topic).encode().unwrap();
    record(agent, RecordKind::TOPIC_WITHDRAWN, payload, seq)
}

/// Publishes one entry of each agent, spread over the nodes, a few at a time.
pub(super) async fn publish(nodes: &[Network], agents: &[Arc<Credential>]) {
    let published = agents.iter().enumerate().map(|(at, agent)| {
        let client = nodes[at % nodes.len()].client.clone();
        let entry = entry(agent, TOPIC, 1);
        async move { client.publish_entry(entry).await.unwrap() }
    });
    let published = stream::iter(published).buffer_unordered(8);
    published.collect::<Vec<_>>().await;
}

/// Everybody whom a search finds, batch by batch to its end; nobody is found twice.
pub(super) async fn everybody(client: &Client, topic: &str) -> BTreeMap<Aid, VerifiedRecord> {
    try_everybody(client, topic).await.unwrap()
}

async fn try_everybody(
    client: &Client,
    topic: &str,
) -> Result<BTreeMap<Aid, VerifiedRecord>, Error> {
    let mut search = client.search(topic);
    let mut found = BTreeMap::new();
    while let Some(batch) = within(search.next()).await? {
        for record in batch {
            let told = found.insert(record.aid(), record);
            assert_eq!(told, None, "found twice");
        }
    }
    Ok(found)
}

pub(super) async fn first_batch(client: &Client) -> BTreeSet<Aid> {
    let batch = within(client.search(TOPIC).next()).await.unwrap();
    let records = batch.into_iter().flatten();
    records.map(|record| record.aid()).collect()
}

/// What a node holds at the service's own key.
pub(super) fn held(client: &Client) -> BTreeSet<Aid> {
    let query = Query::of_entries(DhtKey::of_topic(TOPIC));
    let records = client.store.get(&query, clock::now()).into_iter();
    records.map(|record| record.aid()).collect()
}

/// How many agents a search to its end does not find; all of them if nobody answers it in time.
pub(super) async fn missing(client: &Client, agents: &[Arc<Credential>]) -> usize {
    let Ok(found) = try_everybody(client, TOPIC).await else {
        return agents.len();
    };
    let missing = agents
        .iter()
        .filter(|agent| !found.contains_key(&agent.aid()));
    missing.count()
}
