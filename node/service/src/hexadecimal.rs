// SPDX-License-Identifier: MPL-2.0
//! Hexadecimal digits as clients write them.

/// The bytes, space around them and a leading `0x` left aside.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(digits(text)).ok()
}

/// Exactly `N` bytes, read like [`bytes`].
pub(crate) fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut array = [0; N];
    hex::decode_to_slice(digits(text), &mut array).ok()?;
    Some(array)
}

fn digits(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_and_space_do_not_matter() {
        for text in ["0aFF", "0x0aff", " 0X0AFF\n"] {
            assert_eq!(bytes(text).unwrap(), [0x0a, 0xff]);
            assert_eq!(array(text), Some([0x0a, 0xff]));
            assert_eq!(array::<3>(text), None);
        }
        assert_eq!(bytes("0x0"), None);
        assert_eq!(bytes("zz"), None);
    }
}
