// SPDX-License-Identifier: MPL-2.0
//! What it takes to act as an address: the key that signs, and the proof that it may.

use crate::{Aid, Delegation, PublicKey, Signature, SigningKey, UnixSeconds};

/// An address together with the key that signs for it.
#[derive(Clone, Debug)]
pub struct Credential {
    aid: Aid,
    key: SigningKey,
    delegation: Option<Delegation>,
}

/// The key and the delegation do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the delegation is for another operational key")]
pub struct KeyMismatch;

impl Credential {
    /// Acting as the address that derives from `key` itself, as a node does.
    pub fn node(key: SigningKey) -> Self {
        Self {
            aid: key.public().aid(),
            key,
            delegation: None,
        }
    }

    /// Acting as the agent of `delegation` with its operational key.
    ///
    /// # Errors
    /// [`KeyMismatch`] if `key` is not the key that was delegated to.
    pub fn agent(key: SigningKey, delegation: Delegation) -> Result<Self, KeyMismatch> {
        if key.public() != delegation.operational() {
            return Err(KeyMismatch);
        }
        Ok(Self {
            aid: delegation.agent(),
            key,
            delegation: Some(delegation),
        })
    }

    /// What an impostor has who stole the delegation but not the key.
    #[cfg(all(test, feature = "net"))]
    pub(crate) fn forged_with(&self, key: SigningKey) -> Self {
        Self {
            key,
            ..self.clone()
        }
    }

    /// The address that is acted as.
    pub fn aid(&self) -> Aid {
        self.aid
    }

    /// The public half of the signing key.
    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// The key that signs.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The proof that the key may sign for the address; none if the address is its own.
    pub fn delegation(&self) -> Option<&Delegation> {
        self.delegation.as_ref()
    }

    /// When the delegation was issued; zero without one, as in the order of records.
    pub fn issued_at(&self) -> UnixSeconds {
        self.delegation
            .as_ref()
            .map_or(UnixSeconds(0), Delegation::issued_at)
    }

    /// The signature over `message`.
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.key.sign(message)
    }
}
