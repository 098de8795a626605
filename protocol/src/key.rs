// SPDX-License-Identifier: MPL-2.0
//! Keys and signatures: Ed25519 for everything A2AL signs, secp256k1 for wallets that delegate.
//!
//! Secret keys are wiped from memory when dropped and never appear in `Debug` output.

mod wallet;

use std::fmt;

use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use self::wallet::WalletKey;
pub(crate) use self::wallet::{recover_ethereum, recover_paralism};
use crate::{Aid, aid::Version};

/// An Ed25519 key pair: a node's own key, an agent's master key or its operational key.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new random key.
    ///
    /// # Panics
    /// If the operating system cannot provide randomness; there is no safe way to go on then.
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system provides randomness");
        Self::from_seed(&seed)
    }

    /// The key that grows from `seed` (RFC 8032 calls it the private key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads a seed written as 64 hex digits; a `0x` before and space around them are ignored.
    ///
    /// # Errors
    /// [`KeyError::Hex`] if it is anything else.
    pub fn from_seed_hex(text: &str) -> Result<Self, KeyError> {
        let seed = secret_hex::<32>(text)?;
        Ok(Self::from_seed(&seed))
    }

    /// Reads a private key written as 128 hex digits, the seed and then the public key; a `0x`
    /// before and space around them are ignored.
    ///
    /// # Errors
    /// [`KeyError::Hex`] if it is anything else, [`KeyError::Mismatch`] if the public half does not
    /// belong to the seed.
    pub fn from_private_hex(text: &str) -> Result<Self, KeyError> {
        let pair = secret_hex::<64>(text)?;
        let key = ed25519_dalek::SigningKey::from_keypair_bytes(&pair);
        key.map(Self).map_err(|_| KeyError::Mismatch)
    }

    /// The private key as 128 lowercase hex digits, the form in which it is exported.
    pub fn private_hex(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(self.0.to_keypair_bytes());
        Zeroizing::new(hex::encode(pair.as_ref()))
    }

    /// The seed, for protocols that derive keys of their own from it.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The signature over `message`; the same every time.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret hidden)", self.public())
    }
}

/// An Ed25519 public key, which may or may not be a valid point.
///
/// Displayed as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with these bytes. That they are a point is checked by [`Self::verify`].
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address of whoever holds this key and needs no delegation.
    pub fn aid(&self) -> Aid {
        let digest = Sha256::digest(self.0);
        let hash = digest.first_chunk().expect("SHA-256 gives 32 bytes");
        Aid::new(Version::Ed25519, *hash)
    }

    /// Checks that `signature` over `message` was made with this key.
    ///
    /// The check is the strict one: besides what RFC 8032 asks, points of small order are refused,
    /// so that nobody can make one signature that fits several messages or keys. The reference
    /// tolerates such keys, but its own key generation never yields one.
    ///
    /// # Errors
    /// [`InvalidSignature`], also if the key is not a valid point.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| InvalidSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(message, &signature)
            .map_err(|_| InvalidSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// An Ed25519 signature. Displayed as 128 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature with these bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes of the signature.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

/// A signature does not belong to the key and the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is wrong")]
pub struct InvalidSignature;

/// Why a text is not a private key. Never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not the expected number of hex digits.
    #[error("not a private key: expected {digits} hex digits")]
    Hex {
        /// How many digits a key of this kind has.
        digits: usize,
    },
    /// The public half is not the one that belongs to the seed.
    #[error("the public half of the private key does not belong to its seed")]
    Mismatch,
    /// The number is zero or too large for the curve.
    #[error("not a private key of this curve")]
    OutOfRange,
}

/// Reads `N` secret bytes from hex, ignoring `0x` before and space around the digits.
fn secret_hex<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, KeyError> {
    let text = text.trim();
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(digits, bytes.as_mut()).map_err(|_| KeyError::Hex { digits: 2 * N })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    #[test]
    fn private_hex_is_read_back() {
        let text = key().private_hex();
        assert_eq!(text.len(), 128);
        for form in [
            text.to_string(),
            format!(" 0x{}\n", *text),
            text.to_ascii_uppercase(),
        ] {
            assert_eq!(
                SigningKey::from_private_hex(&form).unwrap().public(),
                key().public()
            );
        }
        let seed = SigningKey::from_seed_hex(&text[..64]).unwrap();
        assert_eq!(seed.public(), key().public());
    }

    #[test]
    fn a_public_half_of_another_key_is_refused() {
        let other = SigningKey::from_seed(&[8; 32]).private_hex();
        let mixed = format!("{}{}", &key().private_hex()[..64], &other[64..]);
        assert_eq!(
            SigningKey::from_private_hex(&mixed).unwrap_err(),
            KeyError::Mismatch
        );
        assert_eq!(
            SigningKey::from_private_hex(&other[..64]).unwrap_err(),
            KeyError::Hex { digits: 128 }
        );
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let key = key();
        let shown = format!("{key:?}");
        assert!(!shown.contains(&key.private_hex()[..64]));
        assert!(shown.contains("hidden"));
    }

    #[test]
    fn small_order_keys_verify_nothing() {
        // The identity point as key, and as R with s = 0: valid for every message unless refused.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let verdict =
            PublicKey::from_bytes(identity).verify(b"anything", &Signature::from_bytes(signature));
        assert_eq!(verdict, Err(InvalidSignature));
    }

    #[test]
    fn a_signature_with_the_group_order_added_is_refused() {
        /// Order of the base point, little-endian. Source: RFC 8032 §5.1.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut bytes = *key().sign(b"message").as_bytes();
        let mut carry = 0;
        for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let verdict = key()
            .public()
            .verify(b"message", &Signature::from_bytes(bytes));
        assert_eq!(verdict, Err(InvalidSignature));
    }
}
