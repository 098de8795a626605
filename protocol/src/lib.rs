// SPDX-License-Identifier: MPL-2.0
//! What A2AL is: addresses, proofs, records, and the libp2p network that carries them.
//!
//! An agent is an address, [`Aid`], derived from a master key or a wallet that stays with its owner.
//! The owner lets an operational [`SigningKey`] act for it by a [`DelegationProof`]; key and proof
//! together are a [`Credential`]. What agents say is signed with one: a [`record::Draft`] becomes a
//! [`VerifiedRecord`], which says how the agent is reached ([`Endpoint`]), who it is ([`Profile`]),
//! what it offers ([`Topic`]), or something to one other agent. Records live at places of a DHT,
//! named by a [`DhtKey`], in [`RecordSet`]s.
//!
//! ```
//! use a2al_protocol::{
//!     Credential, DelegationProof, Draft, Endpoint, NatType, RecordKind, Seq, SignedRecord,
//!     SigningKey, UnixSeconds, delegation::Terms,
//! };
//!
//! let now = UnixSeconds(1_795_000_000);
//!
//! // The owner makes an identity and lets an operational key act for it.
//! let (master, operational) = (SigningKey::generate(), SigningKey::generate());
//! let terms = Terms::new(master.public().aid(), operational.public(), now);
//! let proof = DelegationProof::by_master(&master, terms)?;
//!
//! // The agent says where it is reached.
//! let credential = Credential::agent(operational, proof.verify(now)?)?;
//! let endpoint = Endpoint { addresses: vec!["/ip4/192.0.2.1/tcp/4121".into()], nat: NatType::Public };
//! let draft = Draft {
//!     kind: RecordKind::ENDPOINT,
//!     payload: endpoint.encode()?,
//!     seq: Seq(1),
//!     timestamp: now,
//!     ttl_secs: 3600,
//! };
//! let sent = draft.sign(&credential)?;
//!
//! // Anybody can check that it is the agent who says so.
//! let received = SignedRecord::decode(sent.encoded())?.verify(now)?;
//! assert_eq!(received.aid(), master.public().aid());
//! assert_eq!(Endpoint::decode(received.payload())?, endpoint);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `net`, the module `network` carries them: a libp2p swarm with A2AL's own behaviours on it.
//!
//! Bytes from outside go through `decode` and `verify(now)`; what comes out can be trusted, and
//! nothing else has a type that stores or callers take. Formats are byte-compatible with the Go
//! implementation, release 0.3.5, called "the reference" throughout.
//!
//! Without the feature `net`, nothing here reads a clock, opens a socket or needs a runtime. The
//! feature `serde` gives the types that appear in JSON their JSON forms.

pub mod aid;
pub mod delegation;
pub mod dht_key;
pub mod key;
pub mod limits;
pub mod mailbox;
pub mod record;
pub mod time;

mod cbor;
mod credential;

#[cfg(feature = "net")]
mod behaviour;
#[cfg(feature = "net")]
pub mod clock;
#[cfg(feature = "net")]
pub mod network;
#[cfg(feature = "net")]
pub mod node_key;
#[cfg(feature = "net")]
pub mod private_files;

pub use self::{
    aid::Aid,
    cbor::MalformedCbor,
    credential::{Credential, KeyMismatch},
    delegation::{Delegation, DelegationProof},
    dht_key::DhtKey,
    key::{PublicKey, Signature, SigningKey, WalletKey},
    record::{
        Draft, Endpoint, NatType, Profile, RecordKind, RecordSet, Seq, SignedRecord, Topic,
        VerifiedRecord,
    },
    time::UnixSeconds,
};
