// SPDX-License-Identifier: MPL-2.0
//! The Paralism text form: Bech32 over one block of 21 bytes, the first of them zero.
//!
//! This is deliberately not BIP-173, whose addresses hold the witness version as a symbol of its
//! own: real segwit addresses have one character less and are refused.

use bech32::{Bech32, Bech32m, Hrp, primitives::decode::UncheckedHrpstring};

use super::{Aid, ParseError, Version};

/// Longest accepted text, in characters. Source: BIP-173.
const MAX_LEN: usize = 90;

/// Human-readable part that is written.
const HRP: &str = "bc";

/// Human-readable part that is also read.
const OTHER_HRP: &str = "pr";

pub(super) fn looks_like(text: &str) -> bool {
    let start = text.get(..3).map(str::to_ascii_lowercase);
    matches!(start.as_deref(), Some("bc1" | "pr1"))
}

pub(super) fn parse(text: &str) -> Result<Aid, ParseError> {
    if text.len() > MAX_LEN {
        return Err(ParseError::Length);
    }
    let unchecked = UncheckedHrpstring::new(text).map_err(|_| ParseError::Form)?;
    let hrp = unchecked.hrp().to_lowercase();
    if hrp != HRP && hrp != OTHER_HRP {
        return Err(ParseError::Form);
    }
    // The reference accepts both checksum constants.
    let checked = if unchecked.has_valid_checksum::<Bech32>() {
        unchecked.remove_checksum::<Bech32>()
    } else if unchecked.has_valid_checksum::<Bech32m>() {
        unchecked.remove_checksum::<Bech32m>()
    } else {
        return Err(ParseError::Checksum);
    };
    // The padding rule is segwit's; nothing else of segwit applies.
    checked
        .validate_segwit_padding()
        .map_err(|_| ParseError::Form)?;
    from_block(&checked.byte_iter().collect::<Vec<u8>>())
}

pub(super) fn text(hash: &[u8; 20]) -> String {
    let mut block = [0; Aid::LEN];
    block[1..].copy_from_slice(hash);
    bech32::encode_lower::<Bech32>(Hrp::parse_unchecked(HRP), &block)
        .expect("43 characters are within the limit of the checksum")
}

fn from_block(block: &[u8]) -> Result<Aid, ParseError> {
    let block: &[u8; Aid::LEN] = block.try_into().map_err(|_| ParseError::Length)?;
    match block {
        [0, hash @ ..] => Ok(Aid::new(Version::Paralism, *hash)),
        [version, ..] => Err(ParseError::Version(*version)),
    }
}
