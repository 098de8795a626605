// SPDX-License-Identifier: MPL-2.0
//! secp256k1 keys and the two ways in which wallets sign a text.

use std::fmt;

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};
use sha3::Keccak256;
use zeroize::Zeroizing;

use super::{KeyError, secret_hex};
use crate::{Aid, aid::Version};

/// First header byte of a Bitcoin message signature whose key is meant uncompressed.
const UNCOMPRESSED_HEADER: u8 = 27;

/// First header byte of a Bitcoin message signature whose key is meant compressed.
const COMPRESSED_HEADER: u8 = 31;

/// A secp256k1 key, as a wallet holds it: the master key of an Ethereum or Paralism address.
#[derive(Clone)]
pub struct WalletKey(k256::ecdsa::SigningKey);

impl WalletKey {
    /// A new random key.
    ///
    /// # Panics
    /// If the operating system cannot provide randomness; there is no safe way to go on then.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(bytes.as_mut()).expect("the operating system provides randomness");
            // Fewer than one in 2^127 byte strings is not a key.
            if let Ok(key) = k256::ecdsa::SigningKey::from_slice(bytes.as_ref()) {
                return Self(key);
            }
        }
    }

    /// Reads a key written as 64 hex digits, most significant first; a `0x` before and space around
    /// them are ignored.
    ///
    /// # Errors
    /// [`KeyError::Hex`] if it is anything else, [`KeyError::OutOfRange`] if it is no key.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let bytes = secret_hex::<32>(text)?;
        let key = k256::ecdsa::SigningKey::from_slice(bytes.as_ref());
        key.map(Self).map_err(|_| KeyError::OutOfRange)
    }

    /// The key as 64 lowercase hex digits.
    pub fn to_hex(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(<[u8; 32]>::from(self.0.to_bytes()));
        Zeroizing::new(hex::encode(bytes.as_ref()))
    }

    /// The Ethereum address of this key.
    pub fn ethereum_aid(&self) -> Aid {
        ethereum_aid(self.0.verifying_key())
    }

    /// The Paralism address of this key in its compressed form.
    pub fn paralism_aid(&self) -> Aid {
        paralism_aid(self.0.verifying_key(), true)
    }

    /// Signs `message` as `personal_sign` does (EIP-191): r, s, then 27 or 28.
    pub fn sign_ethereum(&self, message: &str) -> [u8; 65] {
        let (signature, parity) = self.0.sign_prehash_recoverable(&ethereum_digest(message));
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + parity.to_byte();
        bytes
    }

    /// Signs `message` as Bitcoin wallets do: a header of 31 to 34, then r and s.
    pub fn sign_paralism(&self, message: &str) -> [u8; 65] {
        let (signature, parity) = self.0.sign_prehash_recoverable(&paralism_digest(message));
        let mut bytes = [0; 65];
        bytes[0] = COMPRESSED_HEADER + parity.to_byte();
        bytes[1..].copy_from_slice(&signature.to_bytes());
        bytes
    }
}

impl fmt::Debug for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalletKey({}, secret hidden)", self.ethereum_aid())
    }
}

/// The Ethereum address whose key made `signature` over `message`; none if no key can have.
///
/// The last byte is 0, 1, 27 or 28; the chain-bound values of EIP-155 are refused. Signatures with
/// a large s are taken, because wallets produce them.
pub(crate) fn recover_ethereum(message: &str, signature: &[u8; 65]) -> Option<Aid> {
    let [rest @ .., v] = signature;
    let parity = match v {
        0 | 27 => 0,
        1 | 28 => 1,
        _ => return None,
    };
    let key = recover(&ethereum_digest(message), rest, parity)?;
    Some(ethereum_aid(&key))
}

/// The Paralism address whose key made `signature` over `message`; none if no key can have.
///
/// The header says in which form the key is hashed: 27 to 30 uncompressed, 31 to 34 compressed. The
/// headers that BIP-137 adds for segwit are refused.
pub(crate) fn recover_paralism(message: &str, signature: &[u8; 65]) -> Option<Aid> {
    let [header, rest @ ..] = signature;
    let (compressed, id) = match header {
        27..=30 => (false, header - UNCOMPRESSED_HEADER),
        31..=34 => (true, header - COMPRESSED_HEADER),
        _ => return None,
    };
    let key = recover(&paralism_digest(message), rest, id)?;
    Some(paralism_aid(&key, compressed))
}

fn recover(digest: &[u8; 32], signature: &[u8; 64], id: u8) -> Option<VerifyingKey> {
    let signature = Signature::from_slice(signature).ok()?;
    let id = RecoveryId::from_byte(id)?;
    VerifyingKey::recover_from_prehash(digest, &signature, id).ok()
}

fn ethereum_aid(key: &VerifyingKey) -> Aid {
    let point = key.to_sec1_point(false);
    // The first byte only says that both coordinates follow.
    let digest = Keccak256::digest(&point.as_bytes()[1..]);
    let hash = digest.last_chunk().expect("Keccak-256 gives 32 bytes");
    Aid::new(Version::Ethereum, *hash)
}

fn paralism_aid(key: &VerifyingKey, compressed: bool) -> Aid {
    let point = key.to_sec1_point(compressed);
    let hash = Ripemd160::digest(Sha256::digest(point.as_bytes()));
    Aid::new(Version::Paralism, hash.into())
}

fn ethereum_digest(message: &str) -> [u8; 32] {
    let digest = Keccak256::new()
        .chain_update(b"\x19Ethereum Signed Message:\n")
        .chain_update(message.len().to_string())
        .chain_update(message);
    digest.finalize().into()
}

fn paralism_digest(message: &str) -> [u8; 32] {
    const MAGIC: &str = "Bitcoin Signed Message:\n";
    let inner = Sha256::new()
        .chain_update(compact_size(MAGIC.len()))
        .chain_update(MAGIC)
        .chain_update(compact_size(message.len()))
        .chain_update(message);
    Sha256::digest(inner.finalize()).into()
}

/// Bitcoin's variable-length integer.
fn compact_size(len: usize) -> Vec<u8> {
    let bytes = len.to_le_bytes();
    match len {
        0..=0xfc => bytes[..1].to_vec(),
        0xfd..=0xffff => [&[0xfd], &bytes[..2]].concat(),
        0x1_0000..=0xffff_ffff => [&[0xfe], &bytes[..4]].concat(),
        _ => [&[0xff], &bytes[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_recover_their_address() {
        let key = WalletKey::from_hex(&"11".repeat(32)).unwrap();
        let signature = key.sign_ethereum("hello");
        assert_eq!(
            recover_ethereum("hello", &signature),
            Some(key.ethereum_aid())
        );
        assert_ne!(
            recover_ethereum("hullo", &signature),
            Some(key.ethereum_aid())
        );
        let signature = key.sign_paralism("hello");
        assert_eq!(
            recover_paralism("hello", &signature),
            Some(key.paralism_aid())
        );
        assert_ne!(
            recover_paralism("hullo", &signature),
            Some(key.paralism_aid())
        );
    }

    #[test]
    fn keys_outside_the_curve_order_are_refused() {
        for text in ["00".repeat(32), "ff".repeat(32)] {
            assert_eq!(
                WalletKey::from_hex(&text).unwrap_err(),
                KeyError::OutOfRange
            );
        }
        assert_eq!(
            WalletKey::from_hex("11").unwrap_err(),
            KeyError::Hex { digits: 64 }
        );
        assert_ne!(
            *WalletKey::generate().to_hex(),
            *WalletKey::generate().to_hex()
        );
    }

    #[test]
    fn compact_sizes_grow_at_bitcoins_boundaries() {
        assert_eq!(compact_size(0xfc), [0xfc]);
        assert_eq!(compact_size(0xfd), [0xfd, 0xfd, 0]);
        assert_eq!(compact_size(268), [0xfd, 0x0c, 0x01]);
        assert_eq!(compact_size(0x1_0000), [0xfe, 0, 0, 1, 0]);
    }

    #[test]
    fn garbage_signatures_recover_nothing() {
        for fill in [0, 1, 27, 31, 0xff] {
            let _ = recover_ethereum("x", &[fill; 65]);
            let _ = recover_paralism("x", &[fill; 65]);
        }
        assert_eq!(recover_ethereum("x", &[0; 65]), None);
        assert_eq!(recover_paralism("x", &[27; 65].map(|_| 0)), None);
    }
}
