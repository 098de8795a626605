// SPDX-License-Identifier: MPL-2.0
//! Agent addresses (AIDs): what they are made of and how they are written.
//!
//! An address is a version byte and the 20-byte hash of a public key. Its canonical text depends on
//! the version: Ethereum addresses look like Ethereum addresses, Paralism addresses are Bech32, all
//! others are 42 hex digits whose letter case is a checksum.

mod base58;
mod bech32;
mod ethereum;
mod native;

use std::{fmt, str::FromStr};

use crate::DhtKey;

/// An agent's address: who signed a record, whom a call is for.
///
/// Displayed in the canonical text form of its version; [`FromStr`] takes every accepted form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aid([u8; Self::LEN]);

impl Aid {
    /// Length of an address in bytes.
    pub const LEN: usize = 21;

    /// The address with this version and key hash.
    pub(crate) fn new(version: Version, hash: [u8; 20]) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes[0] = version.byte();
        bytes[1..].copy_from_slice(&hash);
        Self(bytes)
    }

    /// Reads the binary form: version byte, then hash.
    ///
    /// # Errors
    /// [`ParseError::Length`] unless there are 21 bytes, [`ParseError::Version`] unless the first
    /// is one of `a0` to `af`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        let bytes: [u8; Self::LEN] = bytes.try_into().map_err(|_| ParseError::Length)?;
        Version::of_byte(bytes[0]).ok_or(ParseError::Version(bytes[0]))?;
        Ok(Self(bytes))
    }

    /// The binary form: version byte, then hash.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The kind of key behind the address.
    pub fn version(&self) -> Version {
        Version::of_byte(self.0[0]).expect("checked when the address was made")
    }

    /// The key hash, which is the address without its version.
    pub fn hash(&self) -> &[u8; 20] {
        self.0.last_chunk().expect("21 bytes hold 20")
    }

    /// The place in the DHT where this agent's records and mailbox live.
    pub fn key(&self) -> DhtKey {
        DhtKey::of_aid(self)
    }
}

/// The kind of key an address is derived from, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// `a0`: SHA-256 of an Ed25519 key, cut to 20 bytes.
    Ed25519,
    /// `a1`: registered for P-256 keys. The text form parses; proofs and records are refused,
    /// because no key encoding is defined.
    P256,
    /// `a2`: HASH160 of a secp256k1 key, as in Bitcoin and Paralism.
    Paralism,
    /// `a3`: the last 20 bytes of the Keccak-256 of a secp256k1 key, as in Ethereum.
    Ethereum,
    /// `a4` to `af`: the text form parses, nothing else is defined.
    Unassigned(u8),
}

impl Version {
    /// The first byte of addresses of this version.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0xa0,
            Self::P256 => 0xa1,
            Self::Paralism => 0xa2,
            Self::Ethereum => 0xa3,
            Self::Unassigned(byte) => byte,
        }
    }

    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0xa0 => Some(Self::Ed25519),
            0xa1 => Some(Self::P256),
            0xa2 => Some(Self::Paralism),
            0xa3 => Some(Self::Ethereum),
            0xa4..=0xaf => Some(Self::Unassigned(byte)),
            _ => None,
        }
    }
}

/// Why a text or a byte string is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// It has none of the forms an address can have.
    #[error("not an agent address")]
    Form,
    /// It does not hold 21 bytes.
    #[error("an agent address has 21 bytes")]
    Length,
    /// Its first byte is not an address version.
    #[error("{0:#04x} is not an address version")]
    Version(u8),
    /// Its checksum, or the letter case that serves as one, is wrong.
    #[error("the checksum of the address is wrong")]
    Checksum,
}

impl FromStr for Aid {
    type Err = ParseError;

    /// Reads any accepted text form; white space around it is ignored.
    ///
    /// The first rule whose shape matches decides: `0x` and 40 digits is Ethereum, `bc1…` and
    /// `pr1…` are Bech32, `1…` is Base58, 42 hex digits are the native form.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        if let Some(digits) = ethereum::digits(text) {
            return ethereum::parse(digits);
        }
        if bech32::looks_like(text) {
            return bech32::parse(text);
        }
        if base58::looks_like(text) {
            return base58::parse(text);
        }
        native::parse(text)
    }
}

impl fmt::Display for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.version() {
            Version::Ethereum => ethereum::text(self.hash()),
            Version::Paralism => bech32::text(self.hash()),
            Version::Ed25519 | Version::P256 | Version::Unassigned(_) => native::text(&self.0),
        };
        f.pad(&text)
    }
}

impl fmt::Debug for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Aid({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Aid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Aid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Lowercase hex digits with a letter made upper-case where the nibble of `digest` at the same
/// place is 8 or more; this is the checksum of the native form and of EIP-55.
fn checksum_case(lowercase: &str, digest: &[u8]) -> String {
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    lowercase
        .chars()
        .zip(nibbles)
        .map(|(digit, nibble)| {
            if nibble >= 8 {
                digit.to_ascii_uppercase()
            } else {
                digit
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_form_needs_length_and_version() {
        assert_eq!(Aid::from_bytes(&[0xa0; 20]), Err(ParseError::Length));
        assert_eq!(Aid::from_bytes(&[0x9f; 21]), Err(ParseError::Version(0x9f)));
        assert_eq!(Aid::from_bytes(&[0xb0; 21]), Err(ParseError::Version(0xb0)));
        assert!(Aid::from_bytes(&[0xaf; 21]).is_ok());
    }

    #[test]
    fn text_that_is_not_ascii_is_refused_without_panicking() {
        for text in [
            "0xüüüüüüüüüüüüüüüüüüüü",
            "bc1ü",
            "1üüüüüüüüüüüüüüü",
            "aü",
            "",
        ] {
            assert!(text.parse::<Aid>().is_err(), "{text}");
        }
    }

    #[test]
    fn real_segwit_addresses_are_refused() {
        // The first example of BIP-173; it holds the witness version as a symbol of its own.
        let segwit = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        assert!(segwit.parse::<Aid>().is_err());
    }

    #[cfg(feature = "serde")]
    #[test]
    fn json_holds_the_canonical_text() {
        let json = r#""0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed""#;
        let aid: Aid = serde_json::from_str(&json.to_ascii_lowercase()).unwrap();
        assert_eq!(serde_json::to_string(&aid).unwrap(), json);
        assert!(serde_json::from_str::<Aid>(r#""0x5a""#).is_err());
    }
}
