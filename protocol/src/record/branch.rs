// SPDX-License-Identifier: MPL-2.0
//! The keys below that of a service or a category, for entries that find no room there.

use sha2::{Digest, Sha256};

use crate::{Aid, DhtKey, limits::MAX_OVERFLOW_LEVELS};

/// What separates the hashes of this file from all others.
const DOMAIN: &[u8] = b"a2al-overflow\0";

/// The hex digits, each of which leads to one key below.
const DIGITS: &str = "0123456789abcdef";

/// One key of the tree below a root: the root itself, or what the first hex digits of an entry's
/// path lead to, at most [`MAX_OVERFLOW_LEVELS`] of them.
///
/// The path of an address is SHA-256(`a2al-overflow` 00 ‖ root ‖ its 21 bytes), so that the entries
/// of a full key spread evenly. The key at level L ≥ 1 is SHA-256(`a2al-overflow` 00 ‖ root ‖ L as
/// one byte ‖ the first L digits of the path as lowercase text). Every node computes them alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    root: DhtKey,
    digits: String,
}

impl Branch {
    /// The root: the key of a service or of a category.
    pub const fn root(key: DhtKey) -> Self {
        Self {
            root: key,
            digits: String::new(),
        }
    }

    /// Whether this is the key of the service or category itself.
    pub fn is_root(&self) -> bool {
        self.digits.is_empty()
    }

    /// Where it lies in the key space.
    pub fn key(&self) -> DhtKey {
        let Ok(level @ 1..) = u8::try_from(self.digits.len()) else {
            return self.root;
        };
        let digest = hash(&self.root).chain_update([level]);
        DhtKey::from_bytes(digest.chain_update(&self.digits).finalize().into())
    }

    /// The keys of the next level; none at the last one.
    pub fn children(&self) -> impl Iterator<Item = Self> {
        let has_room = self.digits.len() < MAX_OVERFLOW_LEVELS;
        let digits = DIGITS.chars().filter(move |_| has_room);
        digits.map(|digit| Self {
            root: self.root,
            digits: format!("{}{digit}", self.digits),
        })
    }

    /// The key of the next level on the path of `aid`; none at the last one.
    ///
    /// Says nothing about whether this key is on the path itself.
    pub fn towards(&self, aid: &Aid) -> Option<Self> {
        let level = self.digits.len() + 1;
        let path = hex::encode(hash(&self.root).chain_update(aid.as_bytes()).finalize());
        let next = || Self {
            root: self.root,
            digits: path[..level].to_owned(),
        };
        (level <= MAX_OVERFLOW_LEVELS).then(next)
    }
}

fn hash(root: &DhtKey) -> Sha256 {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(root.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::SigningKey;

    #[test]
    fn the_path_of_an_address_leads_through_one_child_of_each_level() {
        let aid = SigningKey::from_seed(&[1; 32]).public().aid();
        let mut branch = Branch::root(DhtKey::of_topic("lang.translate"));
        let mut keys = HashSet::from([branch.key()]);
        while let Some(next) = branch.towards(&aid) {
            assert_eq!(branch.children().filter(|child| *child == next).count(), 1);
            keys.extend(branch.children().map(|child| child.key()));
            branch = next;
        }
        assert_eq!(
            keys.len(),
            1 + 16 * MAX_OVERFLOW_LEVELS,
            "no two keys are the same"
        );
        assert_eq!(branch.children().count(), 0);
    }

    #[test]
    fn every_node_computes_the_same_keys() {
        let aid = SigningKey::from_seed(&[1; 32]).public().aid();
        let root = Branch::root(DhtKey::of_topic("lang.translate"));
        let first = root.towards(&aid).unwrap();
        assert_eq!(root.key(), DhtKey::of_topic("lang.translate"));
        // Computed with other programs by the rule above.
        let expected = "57acedf33babd606727be21391cb395dbe89105445abb84ad2386688c9a6a6d7";
        assert_eq!(
            (first.digits.as_str(), first.key().to_string()),
            ("a", expected.to_owned())
        );
    }
}
