// SPDX-License-Identifier: MPL-2.0

use a2al_protocol::{Signature, SignedRecord};
use proptest::{collection::vec, prelude::*};

use crate::{NOW, flip, record, signing_key};

proptest! {
    #[test]
    fn records_are_read_back_and_verify(record in record()) {
        let decoded = SignedRecord::decode(record.encoded()).unwrap();
        prop_assert_eq!(decoded.encode(), record.encoded());
        prop_assert_eq!(decoded.verify(NOW), Ok(record));
    }

    /// Whatever bit is flipped, in the signed fields, the signature or the delegation: the record
    /// fails to verify, unless the lenient encoding left all it says as it was.
    #[test]
    fn no_flipped_bit_changes_what_is_believed(record in record(), place: prop::sample::Index) {
        let flipped = flip(record.encoded(), place);
        let verdict = SignedRecord::decode(&flipped).and_then(|record| record.verify(NOW));
        if let Ok(believed) = verdict {
            prop_assert_eq!(believed, record);
        }
    }

    #[test]
    fn a_flipped_bit_of_message_or_signature_is_noticed(
        key in signing_key(),
        message in vec(any::<u8>(), 1..200),
        place: prop::sample::Index,
    ) {
        let signature = key.sign(&message);
        let flipped = flip(signature.as_bytes(), place);
        let flipped = Signature::from_bytes(flipped.try_into().unwrap());
        prop_assert!(key.public().verify(&message, &flipped).is_err());
        prop_assert!(key.public().verify(&flip(&message, place), &signature).is_err());
    }
}
