// SPDX-License-Identifier: MPL-2.0
//! A holder that lies: it drops, replays and forges entries, and says that others are elsewhere.

use a2al_proto::v1::{RecordRequest, RecordResponse, Verdict, record_request, record_response};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::entries::{TOPIC, agents, entry, everybody, print, withdrawal};
use super::*;
use crate::DhtKey;
use crate::behaviour::records::{Holder, Query, Source};
use crate::behaviour::streams::{Incoming, read_frame, write_frame};
use crate::limits::MAX_RECORDS_MESSAGE_LEN;
use crate::network::start::{keypair, start_serving};
use crate::record::SignedRecord;

/// Holds what it was given first, and answers with lies.
async fn serve(holder: Holder, mut incoming: mpsc::Receiver<Incoming>, stop: CancellationToken) {
    let serving = async {
        while let Some(inbound) = incoming.recv().await {
            tokio::spawn(converse(holder.clone(), inbound));
        }
    };
    stop.run_until_cancelled(serving).await;
}

async fn converse(holder: Holder, mut inbound: Incoming) {
    let source = Source::of(inbound.peer, inbound.ip);
    let stream = &mut inbound.stream;
    while let Ok(mut request) = read_frame(stream, MAX_RECORDS_MESSAGE_LEN).await {
        refuse_updates(&mut request);
        let mut answer = holder.answer(source, request).await;
        lie(&mut answer);
        if write_frame(stream, &answer).await.is_err() {
            return;
        }
    }
}

/// Later versions are not stored, so that the first ones are replayed for ever.
fn refuse_updates(request: &mut RecordRequest) {
    let Some(record_request::Body::Put(put)) = &mut request.body else {
        return;
    };
    for placed in &mut put.records {
        let record = SignedRecord::decode(&placed.record).unwrap();
        let is_update = |record: VerifiedRecord| record.seq() > Seq(1);
        if record.verify(clock::now()).is_ok_and(is_update) {
            placed.record.clear();
        }
    }
}

fn lie(answer: &mut RecordResponse) {
    match &mut answer.body {
        Some(record_response::Body::Put(put)) => {
            for outcome in &mut put.outcomes {
                outcome.set_verdict(Verdict::Stored);
            }
        }
        Some(record_response::Body::Get(page)) => {
            page.overflows = true;
            let mut number = 0..;
            page.records.retain(|_| number.next() != Some(0));
            // The signature covers the byte of the payload that is changed here.
            for forged in page.records.iter_mut().step_by(3) {
                forged[40] ^= 1;
            }
        }
        Some(record_response::Body::Remove(_) | record_response::Body::Error(_)) | None => {}
    }
}

/// The live entries that a node holds at the service's key.
fn live(node: &Network) -> Vec<VerifiedRecord> {
    let query = Query::of_entries(DhtKey::of_topic(TOPIC));
    let mut held = node.client.store.get(&query, clock::now());
    held.retain(|record| !record.is_withdrawn());
    held.sort_by_key(VerifiedRecord::aid);
    held
}

/// A key whose node is the first to be asked for a place.
fn key_closest_to(place: &DhtKey, nodes: &[Network]) -> SigningKey {
    let is_closest = |key: &SigningKey| {
        let peer = keypair(key).unwrap().public().to_peer_id();
        let mut others = nodes.iter().map(|node| node.client.peer_id());
        others.all(|other| Routing::is_closer(place, &peer, &other))
    };
    let mut keys = std::iter::repeat_with(SigningKey::generate);
    keys.find(is_closest).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_searches_past_a_lying_holder_all_are_complete_and_true() {
    let nodes = network(7).await;
    let mut config = config(key_closest_to(&DhtKey::of_topic(TOPIC), &nodes));
    config.bootstrap = vec![bootstrap_of(&nodes[0])];
    let liar = start_serving(config, serve).await.unwrap();
    for node in nodes.iter().chain([&liar]) {
        eventually(|| async { node.client.state().borrow().dht_peers >= 7 }).await;
    }
    let agents = agents(20);
    let mut expected = Vec::new();
    for (at, agent) in agents.iter().enumerate() {
        let publisher = &nodes[at % 7].client;
        let first = publisher.publish_entry(entry(agent, TOPIC, 1));
        within(first).await.unwrap();
        let has_left = at % 4 == 0;
        let second = if has_left {
            withdrawal(agent, TOPIC, 2)
        } else {
            entry(agent, TOPIC, 2)
        };
        expected.extend((!has_left).then(|| second.clone()));
        within(publisher.publish_entry(second)).await.unwrap();
    }
    expected.sort_by_key(VerifiedRecord::aid);
    eventually(|| async { nodes.iter().all(|node| live(node) == expected) }).await;
    let begun = Instant::now();
    for round in 0..100 {
        let reader = &nodes[round % 7].client;
        let own = reader.store.all(clock::now());
        reader.store.clear();
        let found: Vec<_> = everybody(reader, TOPIC).await.into_values().collect();
        assert_eq!(found, expected, "round {round}");
        for held in own {
            let key = DhtKey::of_topic(TOPIC);
            reader
                .store
                .put(key, held.record, Source::Kept, clock::now());
        }
    }
    print(&format!(
        "100 of 100 searches complete and true, in {:?}",
        begun.elapsed()
    ));
}
