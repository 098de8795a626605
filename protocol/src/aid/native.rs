// SPDX-License-Identifier: MPL-2.0
//! The native text form: 42 hex digits, all lowercase or in checksum case.

use sha2::{Digest, Sha256};

use super::{Aid, ParseError, checksum_case};

pub(super) fn parse(text: &str) -> Result<Aid, ParseError> {
    let mut bytes = [0; Aid::LEN];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseError::Form)?;
    let aid = Aid::from_bytes(&bytes)?;
    let lowercase = hex::encode(bytes);
    if text == lowercase || text == with_checksum(&lowercase) {
        Ok(aid)
    } else {
        Err(ParseError::Checksum)
    }
}

pub(super) fn text(bytes: &[u8; Aid::LEN]) -> String {
    with_checksum(&hex::encode(bytes))
}

/// Unlike EIP-55, the digest is SHA-256, and the version digits take part.
fn with_checksum(lowercase: &str) -> String {
    checksum_case(lowercase, &Sha256::digest(lowercase))
}
