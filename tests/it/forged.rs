// SPDX-License-Identifier: MPL-2.0
//! Proofs that somebody tampered with are refused wherever one can be handed in.

use a2al_protocol::delegation::{Approval, DelegationProof, Terms};
use a2al_protocol::{Aid, PublicKey, SigningKey, UnixSeconds, WalletKey};
use serde_json::{Value, json};

use crate::harness::{Daemon, Identity, unix_now};

/// Where the values of an Ed25519 proof lie in its canonical encoding, by name.
const VALUES: [(&str, std::ops::Range<usize>); 5] = [
    ("master key", 4..36),
    ("operational key", 39..71),
    ("agent", 73..94),
    ("time of issue", 96..100),
    ("signature", 107..171),
];

fn master_of(identity: &Identity) -> SigningKey {
    SigningKey::from_private_hex(&identity.master).expect("the daemon made it")
}

fn registration(key: &SigningKey, proof: &DelegationProof) -> Value {
    json!({
        "operational_private_key_hex": key.private_hex().as_str(),
        "delegation_proof_hex": hex::encode(proof.encode()),
    })
}

async fn assert_nothing_registered(daemon: &Daemon) {
    assert_eq!(daemon.api.get("/agents").await.ok()["agents"], json!([]));
}

#[tokio::test]
async fn every_flipped_bit_of_a_value_is_noticed() {
    let daemon = Daemon::alone().await;
    let identity = daemon.api.identity().await;
    let proof = hex::decode(&identity.proof).expect("hexadecimal");
    assert_eq!(proof.len(), 171, "the layout above");
    for (name, range) in VALUES {
        for at in range {
            let mut forged = proof.clone();
            forged[at] ^= 1 << (at % 8);
            let mut body = identity.registration();
            body["delegation_proof_hex"] = json!(hex::encode(forged));
            let answer = daemon.api.post("/agents", body).await;
            assert_eq!(answer.status, 400, "byte {at}, {name}: {}", answer.text);
            let told = answer.json()["error"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(told.starts_with("delegation "), "byte {at}, {name}: {told}");
        }
    }
    assert_nothing_registered(&daemon).await;
    daemon
        .api
        .post("/agents", identity.registration())
        .await
        .ok();
}

#[tokio::test]
async fn terms_that_do_not_hold_are_refused() {
    let daemon = Daemon::alone().await;
    let victim = daemon.api.identity().await;
    let (master, key) = (master_of(&victim), SigningKey::generate());
    let terms = Terms::new(master.public().aid(), key.public(), UnixSeconds(unix_now()));
    let expired = Terms {
        expires_at: Some(UnixSeconds(unix_now() - 3600)),
        ..terms
    };
    let other_scope = Terms { scope: 2, ..terms };
    for broken in [expired, other_scope] {
        let proof = DelegationProof::by_master(&master, broken).expect("the master's own address");
        let answer = daemon.api.post("/agents", registration(&key, &proof)).await;
        answer.refused(400, "delegation verify");
    }
    let other_key = Terms {
        operational: SigningKey::generate().public(),
        ..terms
    };
    let proof = DelegationProof::by_master(&master, other_key).expect("the master's own address");
    let answer = daemon.api.post("/agents", registration(&key, &proof)).await;
    answer.refused(400, "delegation verify");
    assert_nothing_registered(&daemon).await;
}

#[tokio::test]
async fn nobody_delegates_for_an_address_of_another() {
    let daemon = Daemon::alone().await;
    let victim = daemon.api.identity().await;
    let (thief, key) = (SigningKey::generate(), SigningKey::generate());
    let own = Terms::new(thief.public().aid(), key.public(), UnixSeconds(unix_now()));
    let stolen = Terms {
        agent: victim.aid.parse().expect("an address"),
        ..own
    };
    let honest = DelegationProof::by_master(&thief, own).expect("the thief's own address");
    // The thief's signature, but the victim's address; then the victim's master key as well.
    let renamed = DelegationProof {
        terms: stolen,
        ..honest.clone()
    };
    let Approval::Master { signature, .. } = honest.approval else {
        panic!("an Ed25519 proof")
    };
    let approval = Approval::Master {
        key: master_of(&victim).public(),
        signature,
    };
    for forged in [
        renamed,
        DelegationProof {
            terms: stolen,
            approval,
        },
    ] {
        let answer = daemon
            .api
            .post("/agents", registration(&key, &forged))
            .await;
        answer.refused(400, "delegation verify");
    }
    assert_nothing_registered(&daemon).await;
}

#[tokio::test]
async fn a_wallet_delegates_for_its_own_address_only() {
    let daemon = Daemon::alone().await;
    let key = SigningKey::generate();
    let (victim, thief) = (WalletKey::generate(), WalletKey::generate());
    let address_of: [fn(&WalletKey) -> Aid; 2] = [WalletKey::ethereum_aid, WalletKey::paralism_aid];
    for address in address_of {
        let own = Terms::new(address(&thief), key.public(), UnixSeconds(unix_now()));
        let proof = DelegationProof::by_wallet(&thief, own).expect("the wallet's own address");
        for forged in forgeries(&proof, address(&victim), SigningKey::generate().public()) {
            let answer = daemon
                .api
                .post("/agents", registration(&key, &forged))
                .await;
            assert_eq!(answer.status, 400, "{forged:?}: {}", answer.text);
        }
        daemon
            .api
            .post("/agents", registration(&key, &proof))
            .await
            .ok();
        daemon
            .api
            .delete(&format!("/agents/{}", address(&thief)))
            .await
            .ok();
    }
    assert_nothing_registered(&daemon).await;
}

/// A wallet's proof with the address, the key, the time or the text exchanged.
fn forgeries(proof: &DelegationProof, victim: Aid, other: PublicKey) -> Vec<DelegationProof> {
    let DelegationProof { terms, approval } = proof.clone();
    let Approval::Wallet { signature, .. } = approval else {
        panic!("a wallet's proof")
    };
    let told = |terms: Terms| DelegationProof {
        terms,
        approval: Approval::Wallet {
            message: terms.message().expect("a wallet"),
            signature,
        },
    };
    let untold = |terms: Terms| DelegationProof {
        terms,
        ..proof.clone()
    };
    let changed = [
        Terms {
            agent: victim,
            ..terms
        },
        Terms {
            operational: other,
            ..terms
        },
        Terms {
            issued_at: UnixSeconds(terms.issued_at.0 + 1),
            ..terms
        },
        Terms {
            expires_at: Some(UnixSeconds(terms.issued_at.0 + 9999)),
            ..terms
        },
    ];
    changed
        .into_iter()
        .flat_map(|terms| [told(terms), untold(terms)])
        .collect()
}

#[tokio::test]
async fn another_key_takes_over_only_with_a_newer_delegation() {
    let daemon = Daemon::alone().await;
    let identity = daemon.api.identity().await;
    daemon
        .api
        .post("/agents", identity.registration())
        .await
        .ok();
    let (master, key) = (master_of(&identity), SigningKey::generate());
    let current = hex::decode(&identity.proof).expect("hexadecimal");
    let current = DelegationProof::decode(&current)
        .expect("the daemon made it")
        .terms;
    let sign = |issued_at: u64| {
        let terms = Terms::new(current.agent, key.public(), UnixSeconds(issued_at));
        DelegationProof::by_master(&master, terms).expect("the master's own address")
    };
    for old in [current.issued_at.0, current.issued_at.0 - 100] {
        let answer = daemon
            .api
            .post("/agents", registration(&key, &sign(old)))
            .await;
        assert_eq!(answer.status, 409, "issued at {old}: {}", answer.text);
    }
    let newer = registration(&key, &sign(current.issued_at.0 + 1));
    daemon.api.post("/agents", newer.clone()).await.ok();
    let exported = daemon
        .api
        .get(&format!("/agents/{}/export", identity.aid))
        .await
        .ok();
    assert_eq!(
        exported["delegation_proof_hex"],
        newer["delegation_proof_hex"]
    );
    let back = daemon.api.post("/agents", identity.registration()).await;
    assert_eq!(back.status, 409, "{}", back.text);
}

#[tokio::test]
async fn the_nodes_own_address_cannot_be_registered() {
    let daemon = Daemon::alone().await;
    let file = daemon.data_dir().join("keys/node.key");
    let node = std::fs::read_to_string(file).expect("the node's key");
    let node = SigningKey::from_private_hex(&node).expect("the node's key");
    let key = SigningKey::generate();
    let terms = Terms::new(node.public().aid(), key.public(), UnixSeconds(unix_now()));
    let proof = DelegationProof::by_master(&node, terms).expect("the node's own address");
    let answer = daemon.api.post("/agents", registration(&key, &proof)).await;
    answer.refused(400, "cannot register node identity as agent");
}
