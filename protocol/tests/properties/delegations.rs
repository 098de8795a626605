// SPDX-License-Identifier: MPL-2.0

use a2al_protocol::{DelegationProof, UnixSeconds, delegation::Error};
use proptest::prelude::*;

use crate::{NOW, Owner, flip, owner, signing_key};

fn proof() -> impl Strategy<Value = DelegationProof> {
    (owner(), signing_key(), any::<u64>())
        .prop_map(|(owner, operational, at)| owner.delegate(&operational, UnixSeconds(at)))
}

proptest! {
    #[test]
    fn proofs_are_read_back_and_verify(proof in proof()) {
        prop_assert_eq!(DelegationProof::decode(&proof.encode()), Ok(proof.clone()));
        prop_assert!(proof.verify(NOW).is_ok());
    }

    /// The encoding is lenient, so a flipped bit may leave the meaning as it was; it never changes
    /// what is believed.
    #[test]
    fn no_flipped_bit_changes_what_is_believed(proof in proof(), place: prop::sample::Index) {
        let original = proof.verify(NOW).unwrap();
        let flipped = flip(original.encoded(), place);
        let verdict = DelegationProof::decode(&flipped).and_then(|proof| proof.verify(NOW));
        if let Ok(delegation) = verdict {
            prop_assert_eq!(delegation, original);
        }
    }

    #[test]
    fn nobody_signs_for_another(owner in owner(), other in owner(), operational in signing_key()) {
        prop_assume!(owner.aid() != other.aid());
        let mut proof = other.delegate(&operational, NOW);
        proof.terms.agent = owner.aid();
        let verdict = proof.verify(NOW).unwrap_err();
        let refused = matches!(verdict, Error::NotOwner | Error::Message | Error::Unsupported);
        prop_assert!(refused, "{}", verdict);
    }

    #[test]
    fn changed_terms_are_not_signed(owner in owner(), keys in (signing_key(), signing_key())) {
        prop_assume!(keys.0.public() != keys.1.public());
        let mut proof = owner.delegate(&keys.0, NOW);
        proof.terms.operational = keys.1.public();
        let verdict = proof.verify(NOW).unwrap_err();
        let expected = match owner {
            Owner::Master(_) => Error::Signature,
            Owner::Ethereum(_) | Owner::Paralism(_) => Error::Message,
        };
        prop_assert_eq!(verdict, expected);
    }
}
