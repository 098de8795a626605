// SPDX-License-Identifier: MPL-2.0
//! The Ethereum text form: `0x` and 40 hex digits, with the checksum case of EIP-55.

use sha3::{Digest, Keccak256};

use super::{Aid, ParseError, Version, checksum_case};

/// The part after `0x` or `0X`, if `text` has the length of this form.
pub(super) fn digits(text: &str) -> Option<&str> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))?;
    (digits.len() == 40).then_some(digits)
}

/// Takes lowercase digits as they are; any other case must be the checksum.
pub(super) fn parse(digits: &str) -> Result<Aid, ParseError> {
    let mut hash = [0; 20];
    hex::decode_to_slice(digits, &mut hash).map_err(|_| ParseError::Form)?;
    let lowercase = hex::encode(hash);
    if digits == lowercase || digits == with_checksum(&lowercase) {
        Ok(Aid::new(Version::Ethereum, hash))
    } else {
        Err(ParseError::Checksum)
    }
}

pub(super) fn text(hash: &[u8; 20]) -> String {
    format!("0x{}", with_checksum(&hex::encode(hash)))
}

fn with_checksum(lowercase: &str) -> String {
    checksum_case(lowercase, &Keccak256::digest(lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_eip_55() {
        for example in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(example.parse::<Aid>().unwrap().to_string(), example);
        }
    }
}
