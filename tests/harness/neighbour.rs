// SPDX-License-Identifier: MPL-2.0
//! A node in this process among the daemons, and records that no daemon would sign.

use std::time::Duration;

use a2al_protocol::network::{self, Config, Network};
use a2al_protocol::{Credential, Draft, RecordKind, Seq, SigningKey, VerifiedRecord, clock};

use super::{Daemon, eventually};

/// Longest time until the node has joined.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);

/// A node that joined through `daemon`.
pub(crate) async fn beside(daemon: &Daemon) -> Network {
    let config = Config::new(SigningKey::generate());
    joined(config, &daemon.addresses().await).await
}

/// A node with that configuration on a free port of loopback, which joined through a daemon's `addresses`.
pub(crate) async fn joined(mut config: Config, addresses: &[String]) -> Network {
    config.listen = network::parse_listen("127.0.0.1:0").expect("an address");
    let parsed = network::parse_bootstrap(&addresses.join(",")).into_iter();
    config.bootstrap = parsed
        .map(|address| address.expect("the daemon's own address"))
        .collect();
    let node = network::start(config).await.expect("a free port");
    eventually("the node joins", JOIN_DEADLINE, async || {
        (node.client.state().borrow().dht_peers > 0).then_some(())
    })
    .await;
    node
}

/// A record as of now, for an hour.
pub(crate) fn signed(
    credential: &Credential,
    kind: RecordKind,
    payload: Vec<u8>,
    seq: u64,
) -> VerifiedRecord {
    let draft = Draft {
        kind,
        payload,
        seq: Seq(seq),
        timestamp: clock::now(),
        ttl_secs: 3600,
    };
    draft.sign(credential).expect("a record as any other")
}
