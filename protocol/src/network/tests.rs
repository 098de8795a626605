// SPDX-License-Identifier: MPL-2.0
//! Real nodes on loopback: everything between `start` and the bytes that arrive.

mod calls;
mod departures;
mod entries;
mod floods;
mod forgeries;
mod liars;
mod notes;
mod records;
mod relays;
mod search;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::credential::Credential;
use crate::delegation::{DelegationProof, Terms};
use crate::key::SigningKey;
use crate::mailbox::{Lifetime, Recipient, SealedNote};
use crate::record::{Draft, Endpoint, NatType, RecordKind, Seq, VerifiedRecord};
use crate::time::UnixSeconds;
use crate::{Aid, clock};

/// Longest time that any one step of a test may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node on a free loopback port. All nodes are in this process, so none of them may go by how much
/// memory it takes.
fn config(key: SigningKey) -> Config {
    let mut config = Config::new(key);
    config.listen = parse_listen("127.0.0.1:0").unwrap();
    config.max_memory_bytes = usize::MAX;
    config
}

/// A node on a free loopback port that joins through `others`.
async fn node(others: &[&Network]) -> Network {
    let mut config = config(SigningKey::generate());
    config.bootstrap = others.iter().map(|other| bootstrap_of(other)).collect();
    start(config).await.unwrap()
}

fn bootstrap_of(node: &Network) -> Bootstrap {
    node.client.state().borrow().bootstrap_addrs[0]
        .to_string()
        .parse()
        .unwrap()
}

/// `count` nodes that all know each other.
async fn network(count: usize) -> Vec<Network> {
    let mut nodes = vec![node(&[]).await];
    for _ in 1..count {
        nodes.push(node(&[&nodes[0]]).await);
    }
    for node in &nodes {
        eventually(|| async { node.client.state().borrow().dht_peers >= count - 1 }).await;
    }
    nodes
}

async fn eventually<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(
            Instant::now() < deadline,
            "the condition did not come about in time"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("the step takes too long")
}

/// An agent with a master key, and what its owner can do with it.
struct Owner {
    master: SigningKey,
}

impl Owner {
    fn new() -> Self {
        Self {
            master: SigningKey::generate(),
        }
    }

    fn aid(&self) -> Aid {
        self.master.public().aid()
    }

    /// A credential for a fresh operational key, delegated at that time.
    fn credential(&self, issued_at: UnixSeconds) -> Arc<Credential> {
        let key = SigningKey::generate();
        let terms = Terms::new(self.aid(), key.public(), issued_at);
        let proof = DelegationProof::by_master(&self.master, terms).unwrap();
        let delegation = proof.verify(clock::now()).unwrap();
        Arc::new(Credential::agent(key, delegation).unwrap())
    }
}

/// An agent on that node that only calls.
fn guest(node: &Network) -> Aid {
    let credential = Owner::new().credential(clock::now());
    node.client.host(Arc::clone(&credential));
    credential.aid()
}

/// Calls for bytes from an agent on that node.
async fn call(
    node: &Network,
    from: Aid,
    record: &VerifiedRecord,
) -> Result<AgentStream, CallError> {
    within(node.client.call(from, record, Paths::Any, Content::Bytes)).await
}

fn endpoint_record(credential: &Credential, node: &Network, seq: u64) -> VerifiedRecord {
    let addresses = node
        .client
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
    .unwrap();
    record(credential, RecordKind::ENDPOINT, payload, seq)
}

fn record(credential: &Credential, kind: RecordKind, payload: Vec<u8>, seq: u64) -> VerifiedRecord {
    let draft = Draft {
        kind,
        payload,
        seq: Seq(seq),
        timestamp: clock::now(),
        ttl_secs: 3600,
    };
    draft.sign(credential).unwrap()
}

/// A note that lives for an hour.
pub(super) fn sealed(from: &Credential, to: &Credential, body: &[u8]) -> SealedNote {
    let lifetime = Lifetime {
        seq: Seq(1),
        timestamp: clock::now(),
        ttl_secs: 3600,
    };
    SealedNote::seal(from, &Recipient::of(to), 3, body, lifetime).unwrap()
}

/// An agent that is hosted and published.
async fn published(node: &Network) -> (Owner, Arc<Credential>, VerifiedRecord) {
    let owner = Owner::new();
    let credential = owner.credential(clock::now());
    node.client.host(Arc::clone(&credential));
    let record = endpoint_record(&credential, node, 1);
    within(node.client.publish(record.clone())).await.unwrap();
    (owner, credential, record)
}
