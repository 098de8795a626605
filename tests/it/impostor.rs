// SPDX-License-Identifier: MPL-2.0
//! A hostile node among honest daemons: it holds real records and keys that are no longer good, and uses them.

use std::sync::Arc;

use a2al_protocol::delegation::{Delegation, DelegationProof, Terms};
use a2al_protocol::network::{Client, Network};
use a2al_protocol::{
    Credential, Endpoint, NatType, RecordKind, SigningKey, UnixSeconds, VerifiedRecord, clock,
};
use serde_json::{Value, json};

use crate::harness::{Daemon, Identity, Net, Upstream, beside, eventually, signed};

const JOIN_DEADLINE: std::time::Duration = std::time::Duration::from_secs(20);

/// A node in this process that joined through `daemon`, and knows another one.
async fn hostile(daemon: &Daemon) -> Network {
    let node = beside(daemon).await;
    eventually("the hostile node joins", JOIN_DEADLINE, async || {
        (node.client.state().borrow().dht_peers >= 2).then_some(())
    })
    .await;
    node
}

fn delegation_of(identity: &Identity) -> Delegation {
    let proof = hex::decode(&identity.proof).expect("hexadecimal");
    let proof = DelegationProof::decode(&proof).expect("the daemon made it");
    proof.verify(clock::now()).expect("the daemon made it")
}

/// What somebody can sign with who has copied the agent's operational key.
fn copied_key(identity: &Identity) -> Credential {
    let key = SigningKey::from_private_hex(&identity.operational).expect("the daemon made it");
    Credential::agent(key, delegation_of(identity)).expect("key and delegation belong together")
}

/// An endpoint record that leads to the node of `client`.
fn leading_to(client: &Client, credential: &Credential, seq: u64) -> VerifiedRecord {
    let addresses = client
        .state()
        .borrow()
        .advertised
        .iter()
        .map(ToString::to_string)
        .collect();
    let payload = Endpoint {
        addresses,
        nat: NatType::Unknown,
    }
    .encode()
    .expect("few addresses");
    signed(credential, RecordKind::ENDPOINT, payload, seq)
}

/// The newest record of `identity` as the hostile node reads it.
async fn copied_record(hostile: &Network, identity: &Identity) -> VerifiedRecord {
    let aid = identity.aid.parse().expect("an address");
    hostile
        .client
        .endpoint(aid)
        .await
        .expect("a published agent")
}

/// The same agent with a new operational key, delegated a moment later.
fn renewed(identity: &Identity) -> Value {
    let master = SigningKey::from_private_hex(&identity.master).expect("the daemon made it");
    let key = SigningKey::generate();
    let issued_at = UnixSeconds(delegation_of(identity).issued_at().0 + 1);
    let terms = Terms::new(master.public().aid(), key.public(), issued_at);
    let proof = DelegationProof::by_master(&master, terms).expect("the master's own address");
    json!({
        "operational_private_key_hex": key.private_hex().as_str(),
        "delegation_proof_hex": hex::encode(proof.encode()),
    })
}

#[tokio::test]
async fn an_old_record_does_not_come_back() {
    let net = Net::of(3).await;
    let hostile = hostile(&net.nodes[0]).await;
    let agent = net.nodes[0].api.agent().await;
    net.nodes[0].api.publish(&agent.aid).await;
    let old = copied_record(&hostile, &agent).await;
    let newer = net.nodes[0].api.publish(&agent.aid).await;
    // Refused or ignored: either is right, as long as nobody is misled.
    let _answer = hostile.client.publish(old).await;
    for node in &net.nodes {
        assert_eq!(node.api.resolve(&agent.aid).await["seq"], newer["seq"]);
    }
    hostile.client.shutdown().await;
}

#[tokio::test]
async fn a_deleted_agent_is_not_brought_back_by_others() {
    let net = Net::of(3).await;
    let hostile = hostile(&net.nodes[0]).await;
    let agent = net.nodes[0].api.agent().await;
    net.nodes[0].api.publish(&agent.aid).await;
    let old = copied_record(&hostile, &agent).await;
    net.nodes[0]
        .api
        .delete(&format!("/agents/{}", agent.aid))
        .await
        .ok();
    let _answer = hostile.client.publish(old).await;
    for node in &net.nodes {
        let path = format!("/resolve/{}", agent.aid);
        node.api
            .post(&path, json!({}))
            .await
            .refused(404, "resolve failed");
    }
    hostile.client.shutdown().await;
}

#[tokio::test]
async fn a_revoked_key_leads_nobody_astray() {
    let upstream = Upstream::start("genuine").await;
    let net = Net::of(3).await;
    let hostile = hostile(&net.nodes[0]).await;
    let agent = net.nodes[0].api.serving(&upstream.address).await;
    let copied = Arc::new(copied_key(&agent));
    net.nodes[0].api.post("/agents", renewed(&agent)).await.ok();
    let genuine = net.nodes[0].api.publish(&agent.aid).await;

    hostile.client.host(Arc::clone(&copied));
    let _answer = hostile
        .client
        .publish(leading_to(&hostile.client, &copied, 1 << 52))
        .await;
    let home = format!("/p2p/{}", net.nodes[0].peer_id);
    for node in &net.nodes {
        let found = node.api.resolve(&agent.aid).await;
        // The daemon may have renewed it since, under a higher number.
        assert!(found["seq"].as_u64() >= genuine["seq"].as_u64(), "{found}");
        let endpoint = found["endpoints"][0].as_str().expect("an endpoint");
        assert!(endpoint.ends_with(&home), "{found}");
        let path = format!("/fetch/{}", agent.aid);
        let fetched = node.api.post(&path, json!({ "path": "/name" })).await.ok();
        assert_eq!(fetched["status"], 200, "{fetched}");
    }
    assert_eq!(
        upstream.served(),
        net.nodes.len(),
        "every call reached the genuine service"
    );
    hostile.client.shutdown().await;
}
