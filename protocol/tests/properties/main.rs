// SPDX-License-Identifier: MPL-2.0
//! What holds for every address, proof, record and set of records, not only for chosen examples.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod addresses;
mod decoders;
mod delegations;
mod notes;
mod payloads;
mod records;
mod sets;

use a2al_protocol::{
    Aid, Credential, DelegationProof, Draft, Endpoint, RecordKind, Seq, SigningKey, UnixSeconds,
    VerifiedRecord, WalletKey, delegation::Terms,
};
use proptest::prelude::*;

/// The time at which everything generated here is in force.
const NOW: UnixSeconds = UnixSeconds(1_795_000_000);

/// Who owns an address.
#[derive(Clone, Debug)]
enum Owner {
    Master(SigningKey),
    Ethereum(WalletKey),
    Paralism(WalletKey),
}

impl Owner {
    fn aid(&self) -> Aid {
        match self {
            Self::Master(key) => key.public().aid(),
            Self::Ethereum(key) => key.ethereum_aid(),
            Self::Paralism(key) => key.paralism_aid(),
        }
    }

    fn delegate(&self, operational: &SigningKey, issued_at: UnixSeconds) -> DelegationProof {
        let terms = Terms::new(self.aid(), operational.public(), issued_at);
        match self {
            Self::Master(key) => DelegationProof::by_master(key, terms).unwrap(),
            Self::Ethereum(key) | Self::Paralism(key) => {
                DelegationProof::by_wallet(key, terms).unwrap()
            }
        }
    }

    fn credential(&self, operational: SigningKey, issued_at: UnixSeconds) -> Credential {
        let delegation = self.delegate(&operational, issued_at).verify(NOW).unwrap();
        Credential::agent(operational, delegation).unwrap()
    }
}

fn signing_key() -> impl Strategy<Value = SigningKey> {
    any::<[u8; 32]>().prop_map(|seed| SigningKey::from_seed(&seed))
}

fn owner() -> impl Strategy<Value = Owner> {
    let wallet = || {
        // Any number below 2^248 is a valid key, except zero.
        any::<[u8; 31]>().prop_filter_map("zero is no key", |bytes| {
            WalletKey::from_hex(&format!("00{}", hex::encode(bytes))).ok()
        })
    };
    prop_oneof![
        signing_key().prop_map(Owner::Master),
        wallet().prop_map(Owner::Ethereum),
        wallet().prop_map(Owner::Paralism),
    ]
}

/// A node's own credential, or one of an agent.
fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![
        signing_key().prop_map(Credential::node),
        (owner(), signing_key(), 0..NOW.0).prop_map(|(owner, operational, issued_at)| {
            owner.credential(operational, UnixSeconds(issued_at))
        }),
    ]
}

/// An endpoint, profile or mailbox record of any of these publishers.
fn record() -> impl Strategy<Value = VerifiedRecord> {
    let kind = prop_oneof![
        Just(RecordKind::ENDPOINT),
        Just(RecordKind::PROFILE),
        Just(RecordKind::MAILBOX)
    ];
    let content = (kind, any::<[u8; 8]>(), any::<u64>(), 0..=60_u64);
    (credential(), content).prop_map(|(credential, (kind, noise, seq, age))| {
        let draft = Draft {
            kind,
            payload: payload(kind, &noise),
            seq: Seq(seq),
            timestamp: UnixSeconds(NOW.0 - age),
            ttl_secs: 3600,
        };
        draft.sign(&credential).unwrap()
    })
}

/// A payload that differs with `noise`.
fn payload(kind: RecordKind, noise: &[u8]) -> Vec<u8> {
    if kind == RecordKind::ENDPOINT {
        let addresses = vec![hex::encode(noise)];
        return Endpoint {
            addresses,
            ..Endpoint::default()
        }
        .encode()
        .unwrap();
    }
    noise.to_vec()
}

/// `bytes` with one bit changed; which one, `place` says.
fn flip(bytes: &[u8], place: prop::sample::Index) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    let bit = place.index(bytes.len() * 8);
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}
