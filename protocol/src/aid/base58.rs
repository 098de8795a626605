// SPDX-License-Identifier: MPL-2.0
//! The older Bitcoin text form (P2PKH), which is read but never written.

use super::{Aid, ParseError, Version};

/// Version byte of a pay-to-public-key-hash address.
const P2PKH: u8 = 0;

pub(super) fn looks_like(text: &str) -> bool {
    text.starts_with('1') && (26..=35).contains(&text.len())
}

pub(super) fn parse(text: &str) -> Result<Aid, ParseError> {
    let bytes = bs58::decode(text)
        .with_check(None)
        .into_vec()
        .map_err(|error| match error {
            bs58::decode::Error::InvalidChecksum { .. } => ParseError::Checksum,
            _ => ParseError::Form,
        })?;
    match bytes.as_slice() {
        [P2PKH, hash @ ..] => {
            let hash = hash.try_into().map_err(|_| ParseError::Length)?;
            Ok(Aid::new(Version::Paralism, hash))
        }
        _ => Err(ParseError::Form),
    }
}
