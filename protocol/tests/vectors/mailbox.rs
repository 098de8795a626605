// SPDX-License-Identifier: MPL-2.0
//! Notes that the reference sealed, and one that it believes.

use a2al_protocol::{
    Aid, PublicKey, RecordKind, SignedRecord, SigningKey, VerifiedRecord,
    mailbox::{MessageId, Opened, Randomness, Recipient, open, recipient_of, seal},
    record,
};
use serde_json::Value;

use crate::{Section, VECTORS, bytes, clock, entries, number, text};

#[test]
fn notes_of_the_reference_open() {
    let mut section = Section::new("mailbox", &[]);
    for entry in entries("mailbox") {
        let record = received(entry).unwrap();
        let recipient = aid(entry, "recipient_aid_hex");
        assert_eq!(record.kind(), RecordKind::MAILBOX);
        assert_eq!(record.aid(), aid(entry, "sender_aid_hex"));
        assert_eq!(recipient_of(&record), Ok(recipient));
        assert_eq!(recipient.key().to_string(), text(entry, "dht_key_hex"));
        assert_eq!(record.payload().len() as u64, number(entry, "payload_len"));
        let id = MessageId::of_payload(record.payload()).to_string();
        assert_eq!(id, text(entry, "message_id"));
        let Opened::Note(note) = open(&record, recipient, &recipient_key(entry)).unwrap() else {
            panic!("a note of the reference is whole");
        };
        assert_eq!(note.sender, record.aid());
        let said = (number(entry, "msg_type"), bytes(entry, "body_hex"));
        let read = (u64::from(note.msg_type), note.body);
        section.compare(text(entry, "name"), &said, &read);
    }
    section.finish();
}

#[test]
fn the_same_randomness_seals_to_the_same_bytes() {
    let entry = &VECTORS["mailbox_deterministic"];
    let key = recipient_key(entry);
    let public: [u8; 32] = bytes(entry, "recipient_op_public_key_hex")
        .try_into()
        .unwrap();
    assert_eq!(key.public(), PublicKey::from_bytes(public));
    let recipient = Recipient {
        aid: aid(entry, "recipient_aid_hex"),
        key: key.public(),
    };
    let randomness = Randomness::from_bytes(
        bytes(entry, "ephemeral_private_hex").try_into().unwrap(),
        bytes(entry, "nonce_hex").try_into().unwrap(),
    );
    let payload = seal(
        aid(entry, "sender_aid_hex"),
        &recipient,
        number(entry, "msg_type").try_into().unwrap(),
        &bytes(entry, "body_hex"),
        &randomness,
    );
    let mut section = Section::new("mailbox_deterministic", &[]);
    section.compare("payload", &Ok(bytes(entry, "payload_hex")), &payload);
    section.finish();
}

#[test]
fn a_forged_sender_is_not_believed() {
    let refused = received(&VECTORS["forged_sender_note"]).unwrap_err();
    assert_eq!(refused, record::Error::NotDelegated);
}

fn received(entry: &Value) -> Result<VerifiedRecord, record::Error> {
    SignedRecord::decode(&bytes(entry, "record_cbor_hex"))?.verify(clock(entry))
}

fn aid(entry: &Value, key: &str) -> Aid {
    Aid::from_bytes(&bytes(entry, key)).unwrap()
}

fn recipient_key(entry: &Value) -> SigningKey {
    SigningKey::from_private_hex(text(entry, "recipient_op_private_key_hex")).unwrap()
}
