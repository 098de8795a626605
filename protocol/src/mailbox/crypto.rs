// SPDX-License-Identifier: MPL-2.0
//! Encryption to an operational key: X25519 with a key made for one note, HKDF-SHA256, AES-256-GCM.

use aes_gcm::{Aes256Gcm, KeyInit as _, aead::Aead as _};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use crate::{Aid, PublicKey, SigningKey};

/// What separates the keys of notes from all others that grow from the same secret.
const SALT: &[u8] = b"a2al-mailbox\0";

/// Length of what AES-GCM adds, in bytes.
pub(super) const TAG_LEN: usize = 16;

pub(super) type Nonce = [u8; 12];
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// What makes every sealing different: an ephemeral private key and a nonce.
pub struct Randomness {
    ephemeral: Secret,
    nonce: Nonce,
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness(hidden)")
    }
}

impl Randomness {
    /// Randomness from the operating system.
    pub fn fresh() -> Self {
        Self {
            ephemeral: random_secret(),
            nonce: *random_secret()
                .first_chunk()
                .expect("32 bytes hold a nonce"),
        }
    }

    /// Given randomness. Used twice, it breaks the secrecy of both notes; what it is for is to check the format.
    pub fn from_bytes(ephemeral: [u8; 32], nonce: [u8; 12]) -> Self {
        Self {
            ephemeral: Zeroizing::new(ephemeral),
            nonce,
        }
    }

    pub(super) fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The public half of the ephemeral key.
    pub(super) fn public(&self) -> [u8; 32] {
        x25519(*self.ephemeral, X25519_BASEPOINT_BYTES)
    }

    /// The secret that this key shares with `recipient`; `None` if that is no point, or one that shares the same secret with all.
    pub(super) fn shared_with(&self, recipient: &PublicKey) -> Option<Secret> {
        let point = ed25519_dalek::VerifyingKey::from_bytes(recipient.as_bytes()).ok()?;
        agree(&self.ephemeral, point.to_montgomery().to_bytes())
    }
}

pub(super) fn random_secret() -> Secret {
    let mut secret = Secret::default();
    getrandom::fill(secret.as_mut()).expect("the operating system provides randomness");
    secret
}

/// The secret that `key` shares with an ephemeral key; `None` as for [`Randomness::shared_with`].
pub(super) fn shared_by(key: &SigningKey, ephemeral: [u8; 32]) -> Option<Secret> {
    let key = ed25519_dalek::SigningKey::from_bytes(&key.seed());
    agree(&Zeroizing::new(key.to_scalar_bytes()), ephemeral)
}

fn agree(private: &Secret, public: [u8; 32]) -> Option<Secret> {
    let shared = Zeroizing::new(x25519(**private, public));
    let is_zero = shared.iter().fold(0, |bits, byte| bits | byte) == 0;
    (!is_zero).then_some(shared)
}

/// The key that seals a note between these two.
pub(super) fn note_key(shared: &Secret, sender: &Aid, recipient: &Aid) -> Secret {
    derive(
        Some(SALT),
        shared,
        &[sender.as_bytes().as_slice(), recipient.as_bytes()],
    )
}

/// HKDF-SHA256: 32 bytes for the use that `info` names.
pub(super) fn derive(salt: Option<&[u8]>, secret: &Secret, info: &[&[u8]]) -> Secret {
    let mut key = Secret::default();
    Hkdf::<Sha256>::new(salt, secret.as_ref())
        .expand_multi_info(info, key.as_mut())
        .expect("SHA-256 gives up to 8160 bytes");
    key
}

pub(super) fn encrypt(key: &Secret, nonce: &Nonce, plaintext: &[u8]) -> Vec<u8> {
    Aes256Gcm::new((&**key).into())
        .encrypt(nonce.into(), plaintext)
        .expect("notes are far below 64 GiB")
}

/// `None` if anything was changed, or another key sealed it.
pub(super) fn decrypt(key: &Secret, nonce: &Nonce, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let plaintext = Aes256Gcm::new((&**key).into()).decrypt(nonce.into(), sealed);
    plaintext.ok().map(Zeroizing::new)
}
