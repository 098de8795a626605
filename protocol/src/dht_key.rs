// SPDX-License-Identifier: MPL-2.0
//! Places in the DHT's key space.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::Aid;

/// A point of the 256-bit key space in which records are looked up.
///
/// Displayed as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DhtKey([u8; 32]);

impl DhtKey {
    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Where the records and the mailbox of `aid` live: the SHA-256 of its 21 bytes.
    pub fn of_aid(aid: &Aid) -> Self {
        Self(Sha256::digest(aid.as_bytes()).into())
    }

    /// Where the entries for `topic` live: the SHA-256 of `topic:` and the name.
    ///
    /// The name counts byte by byte; nothing folds its case or normalises it.
    pub fn of_topic(topic: &str) -> Self {
        let digest = Sha256::new().chain_update(b"topic:").chain_update(topic);
        Self(digest.finalize().into())
    }

    /// Where the category of `topic` lists its entries: for `lang.translate` the key of `lang.*`.
    ///
    /// The category is what comes before the first `.`; a name without one has none.
    pub fn of_category(topic: &str) -> Option<Self> {
        let (category, _) = topic.split_once('.')?;
        Some(Self::of_topic(&format!("{category}.*")))
    }

    /// The bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The XOR distance to `other`, most significant byte first, so that byte order is distance
    /// order.
    pub fn distance(&self, other: &Self) -> [u8; 32] {
        std::array::from_fn(|index| self.0[index] ^ other.0[index])
    }
}

impl fmt::Display for DhtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DhtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DhtKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_are_hashed_as_they_are() {
        let key = DhtKey::of_topic("lang.translate");
        assert_ne!(key, DhtKey::of_topic("Lang.translate"));
        assert_eq!(key.to_string().len(), 64);
    }

    #[test]
    fn a_category_is_what_comes_before_the_first_dot() {
        let category = Some(DhtKey::of_topic("lang.*"));
        for topic in ["lang.translate", "lang.", "lang.translate.fast", "lang.*"] {
            assert_eq!(DhtKey::of_category(topic), category);
        }
        assert_eq!(DhtKey::of_category("lang"), None);
    }

    #[test]
    fn distance_is_symmetric_and_zero_only_to_itself() {
        let (one, two) = (DhtKey::of_topic("one"), DhtKey::of_topic("two"));
        assert_eq!(one.distance(&two), two.distance(&one));
        assert_eq!(one.distance(&one), [0; 32]);
        assert_ne!(one.distance(&two), [0; 32]);
    }
}
