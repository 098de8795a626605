// SPDX-License-Identifier: MPL-2.0
//! Registering and changing agents.

use a2al_protocol::delegation::Terms;
use a2al_protocol::{DelegationProof, SigningKey, UnixSeconds, WalletKey};
use a2al_service::Error;
use a2al_service::model::{self, PatchAgent, Register, Secret};

use crate::harness::{Node, credentials};

fn service(service_tcp: &str) -> PatchAgent {
    PatchAgent {
        service_tcp: Some(service_tcp.to_owned()),
        ..PatchAgent::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_survive_a_restart() {
    let node = Node::first().await;
    let (kept, deleted) = (node.agent("localhost:1234").await, node.agent("").await);
    node.service.delete(deleted).await.unwrap();
    let export = node.service.export(kept).unwrap();
    let node = node.restart().await;
    let agents = node.service.agents().agents;
    assert_eq!(agents.len(), 1);
    assert_eq!(
        (agents[0].aid, agents[0].service_tcp.as_str()),
        (kept, "localhost:1234")
    );
    let again = node.service.export(kept).unwrap();
    assert_eq!(
        again.operational_private_key_hex,
        export.operational_private_key_hex
    );
    assert_eq!(again.delegation_proof_hex, export.delegation_proof_hex);
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_again_changes_only_a_given_service() {
    let node = Node::first().await;
    let identity = node.service.generate_identity();
    node.service
        .register(credentials(&identity, "localhost:1"))
        .await
        .unwrap();
    node.service
        .register(credentials(&identity, ""))
        .await
        .unwrap();
    assert_eq!(
        node.service.agent(identity.aid).unwrap().service_tcp,
        "localhost:1"
    );
    node.service
        .register(credentials(&identity, "localhost:2"))
        .await
        .unwrap();
    assert_eq!(
        node.service.agent(identity.aid).unwrap().service_tcp,
        "localhost:2"
    );
    node.service.patch(identity.aid, service("")).await.unwrap();
    assert_eq!(node.service.agent(identity.aid).unwrap().service_tcp, "");
}

/// Credentials under `master`, issued at `issued_at`.
fn delegated(master: &SigningKey, operational: &SigningKey, issued_at: u64) -> Register {
    let terms = Terms::new(
        master.public().aid(),
        operational.public(),
        UnixSeconds(issued_at),
    );
    let proof = DelegationProof::by_master(master, terms).unwrap();
    Register {
        operational_private_key_hex: Secret::new(operational.private_hex().as_str()),
        delegation_proof_hex: hex::encode(proof.encode()),
        service_tcp: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_newer_delegation_replaces_a_key() {
    let node = Node::first().await;
    let (master, stolen, fresh) = (
        SigningKey::generate(),
        SigningKey::generate(),
        SigningKey::generate(),
    );
    let aid = master.public().aid();
    node.service
        .register(delegated(&master, &stolen, 100))
        .await
        .unwrap();
    for issued_at in [99, 100] {
        let refused = node
            .service
            .register(delegated(&master, &fresh, issued_at))
            .await;
        assert!(matches!(refused, Err(Error::KeyConflict)));
    }
    node.service
        .register(delegated(&master, &fresh, 101))
        .await
        .unwrap();
    let held = node
        .service
        .export(aid)
        .unwrap()
        .operational_private_key_hex;
    assert_eq!(held.expose(), fresh.private_hex().as_str());
    let node = node.restart().await;
    let refused = node
        .service
        .register(delegated(&master, &stolen, 100))
        .await;
    assert!(matches!(refused, Err(Error::KeyConflict)));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_by_name() {
    let node = Node::first().await;
    let identity = node.service.generate_identity();
    let other = node.service.generate_identity();
    let good = credentials(&identity, "");
    let text = |result: Result<model::Registered, Error>| {
        let error = result.unwrap_err();
        assert_eq!(error.wire().http, 400);
        error.to_string()
    };
    let register = async |request| text(node.service.register(request).await);
    let bad_proof = Register {
        delegation_proof_hex: "zz".to_owned(),
        ..good.clone()
    };
    assert_eq!(register(bad_proof).await, "bad delegation_proof_hex");
    let no_proof = Register {
        delegation_proof_hex: "a0".to_owned(),
        ..good.clone()
    };
    assert!(register(no_proof).await.starts_with("delegation parse"));
    let bad_key = Register {
        operational_private_key_hex: Secret::new("12"),
        ..good.clone()
    };
    assert_eq!(register(bad_key).await, "bad operational_private_key_hex");
    let key = other.operational_private_key_hex.clone();
    let other_key = Register {
        operational_private_key_hex: key.clone(),
        ..good.clone()
    };
    assert!(register(other_key).await.starts_with("delegation verify"));
    let path = credentials(&identity, "http://127.0.0.1:80/x");
    assert!(
        register(path)
            .await
            .starts_with("service_tcp cannot contain a path")
    );

    node.service.register(good).await.unwrap();
    let patch = PatchAgent {
        operational_private_key_hex: Some(key),
        ..PatchAgent::default()
    };
    let refused = node.service.patch(identity.aid, patch).await;
    assert!(matches!(refused, Err(Error::KeyMismatch)));
    assert!(matches!(
        node.service.patch(other.aid, service("")).await,
        Err(Error::NotFound)
    ));
    let node_aid = node.service.node_aid();
    assert!(matches!(
        node.service.delete(node_aid).await,
        Err(Error::Input(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_registers_an_agent_by_signing_the_text() {
    let node = Node::first().await;
    let wallet = WalletKey::generate();
    let key = SigningKey::generate();
    let seed = Secret::new(hex::encode(*key.seed()));
    let asked = model::EthereumMessage {
        agent: wallet.ethereum_aid().to_string(),
        issued_at: 100,
        expires_at: 0,
        scope: 0,
        operational_public_key_hex: Some(key.public().to_string()),
        operational_private_key_seed_hex: None,
    };
    let message = node
        .service
        .ethereum_message(asked.clone())
        .unwrap()
        .message;
    assert!(message.starts_with("A2AL Delegation Authorization\n") && message.ends_with(":0\n"));
    let both = model::EthereumMessage {
        operational_private_key_seed_hex: Some(seed.clone()),
        ..asked
    };
    assert!(node.service.ethereum_message(both).is_err());

    let signed = |signature: [u8; 65]| model::EthereumRegister {
        agent: wallet.ethereum_aid().to_string().to_lowercase(),
        issued_at: 100,
        expires_at: 0,
        scope: 1,
        eth_signature_hex: format!("0x{}", hex::encode(signature)),
        service_tcp: None,
        operational_private_key_hex: None,
        operational_private_key_seed_hex: Some(seed.clone()),
    };
    let forged = WalletKey::generate().sign_ethereum(&message);
    let refused = node
        .service
        .ethereum_register(signed(forged))
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "signature verify failed");
    let done = node
        .service
        .ethereum_register(signed(wallet.sign_ethereum(&message)))
        .await;
    assert_eq!(done.unwrap().aid, wallet.ethereum_aid());
}

#[tokio::test(flavor = "multi_thread")]
async fn made_identities_can_be_registered() {
    let node = Node::first().await;
    for chain in [None, Some("ethereum"), Some("paralism")] {
        let chain = chain.map(ToOwned::to_owned);
        let made = node
            .service
            .generate_wallet(model::GenerateWallet { chain })
            .unwrap();
        let request = Register {
            operational_private_key_hex: made.operational_private_key_hex.clone(),
            delegation_proof_hex: made.delegation_proof_hex.clone(),
            service_tcp: None,
        };
        assert_eq!(node.service.register(request).await.unwrap().aid, made.aid);
    }
    let wallet = WalletKey::generate();
    let proof = node.service.paralism_proof(model::ParalismProof {
        paralism_private_key_hex: Secret::new(wallet.to_hex().as_str()),
        terms: model::ProofTerms::default(),
    });
    let proof = proof.unwrap();
    assert_eq!(proof.aid, wallet.paralism_aid());
    let request = Register {
        operational_private_key_hex: proof.operational_private_key_hex.unwrap(),
        delegation_proof_hex: proof.delegation_proof_hex,
        service_tcp: None,
    };
    node.service.register(request).await.unwrap();
}
