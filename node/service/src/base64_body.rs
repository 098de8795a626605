// SPDX-License-Identifier: MPL-2.0
//! Base64 as clients write it: with padding, and read as leniently as the reference reads it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The bytes that `text` stands for, line breaks passed over; `None` if it is no base64.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    if !text.contains(['\r', '\n']) {
        return LENIENT.decode(text).ok();
    }
    LENIENT.decode(text.replace(['\r', '\n'], "")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_bits_that_are_left_over_do_not_count() {
        for text in ["aGk=", "aGk=\n", "aG\r\nk=", "aGl="] {
            assert_eq!(read(text).as_deref(), Some(&b"hi"[..]), "{text:?}");
        }
        assert_eq!(read(""), Some(Vec::new()));
        for bad in ["aGk", "aG k=", "aGk=aGk=", "a-_="] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
