// SPDX-License-Identifier: MPL-2.0
//! Keys, the addresses derived from them, and their delegations.

use a2al_protocol::{
    Aid, DelegationProof, SigningKey, UnixSeconds, WalletKey,
    aid::Version,
    delegation::{Approval, Terms},
};
use serde_json::Value;

use crate::{Section, VECTORS, bytes, entries, text};

#[test]
fn keys_addresses_and_delegations_are_the_same() {
    let mut section = Section::new("identities", &[]);
    for entry in entries("identities") {
        let aid = Aid::from_bytes(&bytes(entry, "aid_hex")).unwrap();
        check_address(entry, aid);
        if entry.get("delegation_proof_hex").is_some() {
            check_delegation(entry, aid);
        }
        section.compare(text(entry, "name"), &Some(aid), &owner(entry));
    }
    section.finish();
}

/// The address that derives from the master key of an identity.
fn owner(entry: &Value) -> Option<Aid> {
    if let Some(private) = entry["master_private_key_hex"].as_str() {
        return Some(signing_key(private).public().aid());
    }
    let (wallet, version) = wallet(entry)?;
    match version {
        Version::Ethereum => Some(wallet.ethereum_aid()),
        _ => Some(wallet.paralism_aid()),
    }
}

fn wallet(entry: &Value) -> Option<(WalletKey, Version)> {
    let keys = [
        ("ethereum_private_key_hex", Version::Ethereum),
        ("paralism_private_key_hex", Version::Paralism),
    ];
    keys.into_iter().find_map(|(key, version)| {
        let private = entry[key].as_str()?;
        let wallet = WalletKey::from_hex(private).unwrap();
        assert_eq!(*wallet.to_hex(), private);
        Some((wallet, version))
    })
}

fn signing_key(private: &str) -> SigningKey {
    let key = SigningKey::from_private_hex(private).unwrap();
    assert_eq!(*key.private_hex(), private);
    assert_eq!(
        SigningKey::from_seed_hex(&private[..64]).unwrap().public(),
        key.public()
    );
    key
}

fn check_address(entry: &Value, aid: Aid) {
    assert_eq!(aid.to_string(), text(entry, "aid"));
    assert_eq!(text(entry, "aid").parse(), Ok(aid));
    assert_eq!(text(entry, "native_checksum_text").parse(), Ok(aid));
    assert_eq!(text(entry, "aid_hex").parse(), Ok(aid));
    assert_eq!(aid.key().to_string(), text(entry, "node_id_hex"));
}

fn check_delegation(entry: &Value, aid: Aid) {
    let encoded = bytes(entry, "delegation_proof_hex");
    let proof = DelegationProof::decode(&encoded).unwrap();
    assert_eq!(proof.encode(), encoded);
    check_terms(&entry["delegation_decoded"], &proof.terms);

    let operational = signing_key(text(entry, "operational_private_key_hex")).public();
    assert_eq!(
        operational.to_string(),
        text(entry, "operational_public_key_hex")
    );
    let now = UnixSeconds(VECTORS["captured_at"].as_u64().unwrap());
    let delegation = proof.clone().verify(now).unwrap();
    assert_eq!(
        (delegation.agent(), delegation.operational()),
        (aid, operational)
    );
    assert_eq!(delegation.encoded(), encoded);

    // Ed25519 and RFC 6979 signatures are deterministic, so signing anew gives the same bytes.
    assert_eq!(sign_anew(entry, proof.terms).encode(), encoded);
    if let Approval::Wallet { message, .. } = &proof.approval {
        assert_eq!(proof.terms.message().as_ref(), Some(message));
        assert_eq!(message, text(&entry["delegation_decoded"], "8"));
    }
}

fn sign_anew(entry: &Value, terms: Terms) -> DelegationProof {
    if let Some((wallet, _)) = wallet(entry) {
        return DelegationProof::by_wallet(&wallet, terms).unwrap();
    }
    let master = signing_key(text(entry, "master_private_key_hex"));
    DelegationProof::by_master(&master, terms).unwrap()
}

fn check_terms(decoded: &Value, terms: &Terms) {
    assert_eq!(terms.operational.to_string(), text(decoded, "2"));
    assert_eq!(hex::encode(terms.agent.as_bytes()), text(decoded, "3"));
    assert_eq!(Some(terms.issued_at.0), decoded["4"].as_u64());
    assert_eq!(
        terms.expires_at.map_or(0, |end| end.0),
        decoded["5"].as_u64().unwrap()
    );
    assert_eq!(Some(terms.scope.into()), decoded["6"].as_u64());
}
