// SPDX-License-Identifier: MPL-2.0
//! The proof that a node speaks for an agent, and the reasons to refuse a call.
//!
//! A proof signs both `PeerIds`, both AIDs, the direction and both nonces: it holds for one pair, on connections between these
//! two nodes, for one handshake, and cannot be replayed anywhere else.

use a2al_proto::v1;
use libp2p::PeerId;

use super::bindings::{Binding, Pair};
use super::newest::Newest;
use crate::aid::Aid;
use crate::credential::Credential;
use crate::delegation::DelegationProof;
use crate::key::{PublicKey, Signature};
use crate::time::UnixSeconds;

/// What the signature of a proof starts with, so that it can never pass for another A2AL signature.
const CONTEXT: &[u8] = b"a2al-agent\0";

/// Freshness of one handshake, chosen by one side.
pub(super) type Nonce = [u8; 32];

/// A nonce from the operating system.
pub(super) fn nonce() -> Nonce {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce).expect("the operating system provides randomness");
    nonce
}

/// Reads a nonce field.
pub(super) fn parse_nonce(bytes: &[u8]) -> Result<Nonce, Refusal> {
    bytes.try_into().map_err(|_| Refusal::Malformed)
}

/// Who proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Caller = 1,
    Callee = 2,
}

/// Everything that a proof is bound to.
#[derive(Clone, Debug)]
pub(super) struct Transcript {
    pub(super) caller_peer: PeerId,
    pub(super) callee_peer: PeerId,
    pub(super) pair: Pair,
    pub(super) caller_nonce: Nonce,
    pub(super) callee_nonce: Nonce,
}

impl Transcript {
    fn signed_bytes(&self, direction: Direction) -> Vec<u8> {
        let mut bytes = CONTEXT.to_vec();
        bytes.push(direction as u8);
        for peer in [self.caller_peer.to_bytes(), self.callee_peer.to_bytes()] {
            bytes.push(u8::try_from(peer.len()).expect("a PeerId is at most 66 bytes"));
            bytes.extend_from_slice(&peer);
        }
        bytes.extend_from_slice(self.pair.caller.as_bytes());
        bytes.extend_from_slice(self.pair.agent.as_bytes());
        bytes.extend_from_slice(&self.caller_nonce);
        bytes.extend_from_slice(&self.callee_nonce);
        bytes
    }

    /// Proves that this node holds the operational key of `credential`'s agent.
    pub(super) fn prove(&self, direction: Direction, credential: &Credential) -> v1::Proof {
        let delegation = credential
            .delegation()
            .map(|proof| proof.encoded().to_vec());
        v1::Proof {
            public_key: credential.public_key().as_bytes().to_vec(),
            delegation: delegation.unwrap_or_default(),
            signature: credential
                .sign(&self.signed_bytes(direction))
                .as_bytes()
                .to_vec(),
        }
    }

    /// Verifies the other side's proof.
    ///
    /// # Errors
    /// [`Refusal::InvalidProof`] if the key does not speak for the agent, [`Refusal::StaleDelegation`] if a newer delegation of
    /// that AID was verified before.
    pub(super) fn verify(
        &self,
        direction: Direction,
        proof: &v1::Proof,
        newest: &Newest,
        now: UnixSeconds,
    ) -> Result<Binding, Refusal> {
        let aid = match direction {
            Direction::Caller => self.pair.caller,
            Direction::Callee => self.pair.agent,
        };
        let key = PublicKey::from_bytes(parse_bytes(&proof.public_key)?);
        let signature = Signature::from_bytes(parse_bytes(&proof.signature)?);
        key.verify(&self.signed_bytes(direction), &signature)
            .map_err(|_| Refusal::InvalidProof)?;
        let binding = authority(aid, key, &proof.delegation, now)?;
        if !newest.accept(aid, binding.issued_at) {
            return Err(Refusal::StaleDelegation);
        }
        Ok(binding)
    }
}

fn parse_bytes<const LENGTH: usize>(bytes: &[u8]) -> Result<[u8; LENGTH], Refusal> {
    bytes.try_into().map_err(|_| Refusal::InvalidProof)
}

/// Checks that `key` speaks for `aid`: as its own key, or by a delegation.
fn authority(
    aid: Aid,
    key: PublicKey,
    delegation: &[u8],
    now: UnixSeconds,
) -> Result<Binding, Refusal> {
    if key.aid() == aid {
        return Ok(Binding {
            key,
            issued_at: UnixSeconds(0),
            expires_at: None,
        });
    }
    let proof = DelegationProof::decode(delegation).map_err(|_| Refusal::InvalidProof)?;
    let delegation = proof.verify(now).map_err(|_| Refusal::InvalidProof)?;
    if delegation.agent() != aid || delegation.operational() != key {
        return Err(Refusal::InvalidProof);
    }
    Ok(Binding {
        key,
        issued_at: delegation.issued_at(),
        expires_at: delegation.expires_at(),
    })
}

/// Why the called node does not serve a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The agent is not on that node.
    #[error("the agent is not hosted there")]
    NotHosted,
    /// A proof is missing, malformed, or does not verify.
    #[error("the proof of the agent's identity does not verify")]
    InvalidProof,
    /// A newer delegation of that AID is known.
    #[error("a newer delegation of the agent is known")]
    StaleDelegation,
    /// The pair has not proved itself on this connection, or not recently enough.
    #[error("the agents have to prove themselves again")]
    ProofRequired,
    /// The agent offers no service.
    #[error("the agent offers no service")]
    NoService,
    /// The agent's service does not answer.
    #[error("the agent's service does not answer")]
    ServiceUnreachable,
    /// The agent does not serve this caller.
    #[error("the agent does not serve this caller")]
    Denied,
    /// Too many streams; try again later.
    #[error("the node serves too many streams")]
    Busy,
    /// The first bytes were not a message of this protocol.
    #[error("not a message of the agent protocol")]
    Malformed,
}

impl Refusal {
    /// Whether the refusal says that the caller's proof did not hold.
    pub(super) fn is_about_identity(self) -> bool {
        matches!(
            self,
            Self::NotHosted | Self::InvalidProof | Self::StaleDelegation | Self::ProofRequired
        )
    }

    /// The answer that carries this refusal.
    pub(super) fn answer(self) -> v1::Answer {
        let refused = v1::Refused {
            code: self.code().into(),
        };
        v1::Answer {
            body: Some(v1::answer::Body::Refused(refused)),
        }
    }

    fn code(self) -> v1::RefusalCode {
        match self {
            Self::NotHosted => v1::RefusalCode::NotHosted,
            Self::InvalidProof => v1::RefusalCode::InvalidProof,
            Self::StaleDelegation => v1::RefusalCode::StaleDelegation,
            Self::ProofRequired => v1::RefusalCode::ProofRequired,
            Self::NoService => v1::RefusalCode::NoService,
            Self::ServiceUnreachable => v1::RefusalCode::ServiceUnreachable,
            Self::Denied => v1::RefusalCode::Denied,
            Self::Busy => v1::RefusalCode::Busy,
            Self::Malformed => v1::RefusalCode::Malformed,
        }
    }
}

impl From<v1::RefusalCode> for Refusal {
    fn from(code: v1::RefusalCode) -> Self {
        match code {
            v1::RefusalCode::NotHosted => Self::NotHosted,
            v1::RefusalCode::InvalidProof => Self::InvalidProof,
            v1::RefusalCode::StaleDelegation => Self::StaleDelegation,
            v1::RefusalCode::ProofRequired => Self::ProofRequired,
            v1::RefusalCode::NoService => Self::NoService,
            v1::RefusalCode::ServiceUnreachable => Self::ServiceUnreachable,
            v1::RefusalCode::Denied => Self::Denied,
            v1::RefusalCode::Busy => Self::Busy,
            v1::RefusalCode::Malformed | v1::RefusalCode::Unspecified => Self::Malformed,
        }
    }
}
