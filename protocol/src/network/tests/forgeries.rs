// SPDX-License-Identifier: MPL-2.0
//! What impostors try: every attempt fails, on the side that it is aimed at.

use tokio::io::AsyncReadExt;

use super::*;
use crate::behaviour::records::Stored;

fn untrusted(result: Result<AgentStream, CallError>) -> Mistrust {
    match result {
        Err(CallError::Untrusted(mistrust)) => mistrust,
        other => panic!("an impostor was not refused as one: {other:?}"),
    }
}

/// What the callee says to a caller; none of it may be acceptance.
async fn refusal(mut stream: AgentStream) -> Refusal {
    let told = stream.refusal();
    within(stream.read_u8()).await.unwrap_err();
    told.get().expect("the callee says why")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_serves_a_stolen_record_is_not_the_agent() {
    let nodes = network(2).await;
    let owner = Owner::new();
    let credential = owner.credential(clock::now());
    // The record leads to node 1, which has the delegation but not the key.
    let record = endpoint_record(&credential, &nodes[1], 1);
    let forged = credential.forged_with(SigningKey::generate());
    nodes[1].client.host(Arc::new(forged));
    let outcome = call(&nodes[0], guest(&nodes[0]), &record).await;
    assert_eq!(untrusted(outcome), Mistrust::InvalidProof);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_once_a_newer_delegation_was_seen() {
    let nodes = network(3).await;
    let owner = Owner::new();
    let old = owner.credential(UnixSeconds(clock::now().0 - 1000));
    let new = owner.credential(clock::now());
    let (stolen, genuine) = (
        endpoint_record(&old, &nodes[1], 9),
        endpoint_record(&new, &nodes[2], 1),
    );
    nodes[1].client.host(old);
    nodes[2].client.host(new);
    // As long as nothing newer was seen the old key is as good as any.
    call(&nodes[0], guest(&nodes[0]), &stolen).await.unwrap();
    call(&nodes[0], guest(&nodes[0]), &genuine).await.unwrap();
    let outcome = call(&nodes[0], guest(&nodes[0]), &stolen).await;
    assert_eq!(untrusted(outcome), Mistrust::StaleDelegation);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_key_does_not_answer_for_a_newer_record() {
    let nodes = network(2).await;
    let owner = Owner::new();
    let old = owner.credential(UnixSeconds(clock::now().0 - 1000));
    let record = endpoint_record(&owner.credential(clock::now()), &nodes[1], 1);
    nodes[1].client.host(old);
    let outcome = call(&nodes[0], guest(&nodes[0]), &record).await;
    assert_eq!(untrusted(outcome), Mistrust::OtherKey);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_a_stolen_delegation_is_refused() {
    let nodes = network(2).await;
    let (_, _, record) = published(&nodes[1]).await;
    let victim = Owner::new().credential(clock::now());
    nodes[0]
        .client
        .host(Arc::new(victim.forged_with(SigningKey::generate())));
    let stream = call(&nodes[0], victim.aid(), &record).await.unwrap();
    assert_eq!(refusal(stream).await, Refusal::InvalidProof);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_caller_is_refused() {
    let mut nodes = network(3).await;
    let (_, _, record) = published(&nodes[2]).await;
    let owner = Owner::new();
    nodes[0]
        .client
        .host(owner.credential(UnixSeconds(clock::now().0 - 1000)));
    nodes[1].client.host(owner.credential(clock::now()));
    let genuine = call(&nodes[1], owner.aid(), &record).await.unwrap();
    within(nodes[2].calls.recv()).await.unwrap();
    let revoked = call(&nodes[0], owner.aid(), &record).await.unwrap();
    assert_eq!(refusal(revoked).await, Refusal::StaleDelegation);
    drop(genuine);
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_refuse_a_rollback_that_is_sent_to_them() {
    let nodes = network(3).await;
    let (_, credential, old) = published(&nodes[0]).await;
    let newer = endpoint_record(&credential, &nodes[0], 2);
    within(nodes[0].client.publish(newer.clone()))
        .await
        .unwrap();
    let exchange = &nodes[2].client.writer.exchange;
    for holder in &nodes[..2] {
        let route = Route::direct(holder.client.peer_id(), Vec::new());
        let placed = [(credential.aid().key(), old.clone()).into()];
        let outcomes = within(exchange.put(&route, &placed)).await.unwrap();
        assert!(
            matches!(&outcomes[..], [Stored::Superseded(Some(held))] if *held == newer),
            "{outcomes:?}"
        );
    }
}
