// SPDX-License-Identifier: MPL-2.0
//! The text in which a wallet's owner reads the terms before signing them.

use super::Terms;
use crate::Aid;

/// The exact text to sign. `chain` names the kind of address for the reader.
pub(super) fn write(terms: &Terms, chain: &str) -> String {
    format!(
        "A2AL Delegation Authorization\n\
         Authorize this Ed25519 key to operate on behalf of your {chain} address.\n\
         \n\
         op_key:{}\n\
         agent:{}\n\
         scope:{}\n\
         issued_at:{}\n\
         expires_at:{}\n",
        terms.operational,
        terms.agent,
        terms.scope,
        terms.issued_at,
        terms.expires_at_or_zero()
    )
}

/// Whether `text` states these terms, all five of them.
///
/// Only the fields count. They may stand anywhere and in any order, the last of a repeated one
/// counts, and other text is ignored: the reference accepts that, and wallets reformat texts.
pub(super) fn states(text: &str, terms: &Terms) -> bool {
    let field = |name| last_field(text, name);
    let number = |name| field(name).and_then(decimal);
    field("op_key").and_then(key_bytes) == Some(*terms.operational.as_bytes())
        && field("agent").and_then(|aid| aid.parse::<Aid>().ok()) == Some(terms.agent)
        && number("scope") == Some(terms.scope.into())
        && number("issued_at") == Some(terms.issued_at.0)
        && number("expires_at") == Some(terms.expires_at_or_zero())
}

/// The value of the last line `name:value`, space around both parts taken away.
fn last_field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let fields = text.rsplit('\n').filter_map(|line| line.split_once(':'));
    fields
        .filter(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
        .next()
}

fn key_bytes(digits: &str) -> Option<[u8; 32]> {
    let digits = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
        .unwrap_or(digits);
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

/// Digits only: unlike `parse` alone, no sign.
fn decimal(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SigningKey, UnixSeconds, WalletKey};

    fn terms() -> Terms {
        let agent = WalletKey::from_hex(&"22".repeat(32))
            .unwrap()
            .ethereum_aid();
        let operational = SigningKey::from_seed(&[9; 32]).public();
        Terms {
            expires_at: Some(UnixSeconds(9)),
            ..Terms::new(agent, operational, UnixSeconds(5))
        }
    }

    #[test]
    fn the_written_text_states_the_terms() {
        let terms = terms();
        let text = terms.message().unwrap();
        assert!(states(&text, &terms));
        assert!(states(&text.replace('\n', "\r\n"), &terms));
        let corrected = text.replace("issued_at:", "issued_at:6\n issued_at : ");
        assert!(states(&corrected, &terms));
    }

    #[test]
    fn the_last_of_a_repeated_field_counts() {
        let terms = terms();
        let text = terms.message().unwrap();
        assert!(!states(&format!("{text}scope:2"), &terms));
        assert!(!states(&format!("{text}scope:+1"), &terms));
        assert!(!states(&format!("{text}scope:"), &terms));
    }

    #[test]
    fn every_field_is_needed() {
        let terms = terms();
        for name in ["op_key", "agent", "scope", "issued_at", "expires_at"] {
            let text = terms
                .message()
                .unwrap()
                .replace(&format!("\n{name}:"), "\nother:");
            assert!(!states(&text, &terms), "{name}");
        }
    }
}
