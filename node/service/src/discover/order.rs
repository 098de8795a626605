// SPDX-License-Identifier: MPL-2.0
//! The order in which a node lists what it finds.

use a2al_protocol::{Aid, SigningKey};
use sha2::{Digest as _, Sha256};

/// A random order of all addresses that is always the same on one node, and another one on each.
///
/// Nobody but the node can compute it, so no publisher can choose a key that comes first; and since
/// nodes differ, callers who take what comes first spread over all providers.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    secret: [u8; 32],
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order").finish_non_exhaustive()
    }
}

impl Order {
    /// The order of the node with this key.
    pub(crate) fn new(key: &SigningKey) -> Self {
        let digest = Sha256::new()
            .chain_update(b"a2al-order\0")
            .chain_update(key.seed().as_slice());
        Self {
            secret: digest.finalize().into(),
        }
    }

    /// What decides where `aid` comes; the smallest is first.
    pub(crate) fn rank(&self, aid: &Aid) -> [u8; 32] {
        let digest = Sha256::new().chain_update(self.secret);
        digest.chain_update(aid.as_bytes()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_own_and_keeps_it() {
        let aids: Vec<Aid> = (0..50_u8)
            .map(|seed| SigningKey::from_seed(&[seed; 32]).public().aid())
            .collect();
        let listed = |seed| {
            let order = Order::new(&SigningKey::from_seed(&[seed; 32]));
            let mut listed = aids.clone();
            listed.sort_by_key(|aid| order.rank(aid));
            listed
        };
        assert_eq!(listed(100), listed(100));
        assert_ne!(listed(100), listed(101));
        assert_ne!(listed(100), aids);
    }
}
