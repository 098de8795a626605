// SPDX-License-Identifier: MPL-2.0
//! Notes open for their recipients only, as they were sealed, and nothing that is read makes anybody panic.

use a2al_protocol::{
    Aid, Credential, Draft, RecordKind, Seq, SignedRecord, SigningKey, UnixSeconds, VerifiedRecord,
    mailbox::{
        Lifetime, MessageId, Note, OpenError, Opened, Pass, Recipient, Removal, SealedNote,
        SignedPass, SignedRemoval, open, place_of_parts, recipient_of,
    },
};
use proptest::{collection::vec, prelude::*};

use crate::{NOW, credential, flip, signing_key};

fn lifetime() -> Lifetime {
    Lifetime {
        seq: Seq(1),
        timestamp: NOW,
        ttl_secs: 3600,
    }
}

fn recipient(key: &SigningKey) -> Recipient {
    Recipient {
        aid: key.public().aid(),
        key: key.public(),
    }
}

fn sealed(from: &Credential, to: &SigningKey, msg_type: u8, body: &[u8]) -> SealedNote {
    SealedNote::seal(from, &recipient(to), msg_type, body, lifetime()).unwrap()
}

fn read(note: &SealedNote, key: &SigningKey) -> Result<Note, OpenError> {
    match open(&note.record, key.public().aid(), key)? {
        Opened::Note(note) => Ok(note),
        Opened::Head(head) => head.join(&note.parts),
    }
}

/// A record with any payload, signed by whoever sends it.
fn signed(by: &Credential, kind: RecordKind, payload: Vec<u8>) -> Option<VerifiedRecord> {
    let draft = Draft {
        kind,
        payload,
        seq: Seq(1),
        timestamp: NOW,
        ttl_secs: 3600,
    };
    draft.sign(by).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_is_what_opens(
        from in credential(),
        to in signing_key(),
        other in signing_key(),
        msg_type: u8,
        body in prop_oneof![vec(any::<u8>(), 0..500), vec(any::<u8>(), 3000..7000)],
    ) {
        prop_assume!(to.public() != other.public());
        let note = sealed(&from, &to, msg_type, &body);
        let opened = read(&note, &to).unwrap();
        prop_assert_eq!((opened.sender, opened.msg_type), (from.aid(), msg_type));
        prop_assert_eq!(opened.body, body);
        prop_assert_eq!(read(&note, &other), Err(OpenError::OtherRecipient));
        let opened = open(&note.record, to.public().aid(), &other);
        prop_assert_eq!(opened, Err(OpenError::Sealed));
    }

    /// Whoever could sign for the sender again cannot change what was sealed without being noticed.
    #[test]
    fn a_note_with_a_flipped_bit_does_not_open(
        from in credential(),
        to in signing_key(),
        place: prop::sample::Index,
        body in prop_oneof![vec(any::<u8>(), 0..389), vec(any::<u8>(), 390..7000)],
    ) {
        let mut note = sealed(&from, &to, 3, &body);
        let whole = read(&note, &to).unwrap();
        let at = place.index(1 + note.parts.len());
        let record = if at == 0 { &mut note.record } else { &mut note.parts[at - 1] };
        let flipped = flip(record.payload(), place);
        if let Some(changed) = signed(&from, record.kind(), flipped) {
            *record = changed;
            // Reading is lenient: a flip may change how something is written, and not what it says.
            let read = read(&note, &to);
            prop_assert!(read.is_err() || read == Ok(whole));
        }
    }

    #[test]
    fn passes_and_removals_prove_what_was_signed_and_nothing_else(
        issuer in credential(),
        holder in signing_key(),
        place: prop::sample::Index,
        count in 1..65_usize,
    ) {
        let pass = Pass::issue(&issuer, holder.public().aid(), UnixSeconds(NOW.0 + 60));
        let decoded = SignedPass::decode(&pass.encode()).unwrap();
        prop_assert_eq!(decoded.clone().verify(NOW), Ok(pass.clone()));
        prop_assert!(decoded.verify(UnixSeconds(NOW.0 + 61)).is_err());
        let quarter = NOW.0 + 90 * 24 * 3600;
        for (until, is_taken) in [(quarter, true), (quarter + 3600, false), (u64::MAX, false)] {
            let pass = Pass::issue(&issuer, holder.public().aid(), UnixSeconds(until));
            let decoded = SignedPass::decode(&pass.encode()).unwrap();
            prop_assert_eq!(decoded.verify(NOW).is_ok(), is_taken);
        }
        if let Ok(changed) = SignedPass::decode(&flip(&pass.encode(), place)) {
            let verified = changed.verify(NOW);
            prop_assert!(verified.is_err() || verified == Ok(pass));
        }
        let ids: Vec<_> = (0..count).map(|n| MessageId::of_payload(&n.to_be_bytes())).collect();
        let removal = Removal::sign(&issuer, &ids, NOW);
        let decoded = SignedRemoval::decode(&removal.encode()).unwrap();
        prop_assert_eq!(decoded.verify(NOW), Ok(removal.clone()));
        prop_assert_eq!(removal.ids(), ids.as_slice());
        if let Ok(changed) = SignedRemoval::decode(&flip(&removal.encode(), place)) {
            let verified = changed.verify(NOW);
            prop_assert!(verified.is_err() || verified == Ok(removal));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn arbitrary_bytes_are_no_note_and_no_panic(
        by in credential(),
        to in signing_key(),
        kind in prop::sample::select(vec![0x80, 0x81, 0x8f, 0x90]),
        bytes in vec(any::<u8>(), 0..512),
    ) {
        let _ = SignedPass::decode(&bytes).map(|pass| pass.verify(NOW));
        let _ = SignedRemoval::decode(&bytes).map(|removal| removal.verify(NOW));
        if let Some(record) = signed(&by, RecordKind(kind), bytes) {
            prop_assert!(open(&record, to.public().aid(), &to).is_err());
            let _: Result<Aid, _> = recipient_of(&record);
            let _ = place_of_parts(&record);
            prop_assert!(SignedRecord::decode(record.encoded()).is_ok());
        }
    }
}
